"""`becalm analyse` on eight minutes of three signals, beside NeuroKit2 re-run on a sliding window. Prints JSON.

python bench/bench_analyse.py [--file RECORDING.csv.gz --rate-hz 100]
The comparison re-runs NeuroKit2 (ecg_clean, ecg_peaks, rsp_clean, rsp_peaks, eda_clean, eda_phasic, eda_peaks) on the
last 10 s once a second, as one would to use it live; both are CPU seconds of one process in the same run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.analyse import raw_signals, run_pipeline
from becalm_ingest.replay import read_recording

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "neurokit" / "resting_8min_100hz.csv.gz"
ASKED_TIMES_REAL_TIME = 200
WINDOW_S = 10
N_RUNS = 5


def becalm_figures(path: Path, rate_hz: float) -> dict[str, Any]:
    """Time the reader and the pipeline in this process, and the whole command in its own."""
    started_s = time.process_time()
    recording = read_recording(path, rate_hz=rate_hz, chunk_ms=250)
    events = list(recording.events())
    reader_s = time.process_time() - started_s
    runs_s = []
    for _ in range(N_RUNS):
        started_s = time.process_time()
        run_pipeline(recording.streams, events)
        runs_s.append(time.process_time() - started_s)
    recorded_s = events[-1].received_ns / 1e9
    pipeline_s = statistics.median(runs_s)
    commands_s = {name: command_s(path, rate_hz, *words) for name, words in COMMANDS.items()}
    return {
        "recorded_s": round(recorded_s, 1),
        "reader_cpu_s": round(reader_s, 3),
        "pipeline_cpu_s": round(pipeline_s, 3),
        "pipeline_ms_per_session_second": round(1000 * pipeline_s / recorded_s, 3),
        "pipeline_times_real_time": round(recorded_s / pipeline_s),
        "command_wall_s": commands_s,
        "command_times_real_time": {name: round(recorded_s / s) for name, s in commands_s.items()},
    }


COMMANDS = {"whole": (), "without_neurokit_report": ("--no-report",)}


def command_s(path: Path, rate_hz: float, *words: str) -> float:
    """Return the median wall seconds of the whole command, imports and files included."""
    walls_s = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as out:
            command = ["analyse", str(path), "--rate-hz", str(rate_hz), "--out", out, *words]
            started_s = time.monotonic()
            subprocess.run([sys.executable, "-m", "becalm_cli", *command], check=True, stdout=subprocess.DEVNULL)
            walls_s.append(time.monotonic() - started_s)
    return round(statistics.median(walls_s), 2)


def neurokit_ms_per_second(path: Path, rate_hz: float) -> dict[str, Any]:
    """Re-run NeuroKit2 on the last ten seconds, once a second; CPU milliseconds for each."""
    import neurokit2 as nk

    recording = read_recording(path, rate_hz=rate_hz, chunk_ms=1000)
    signals = {
        raw.kind.value: np.asarray(raw.counts) * raw.unit_per_count
        for raw in raw_signals(recording.streams, recording.events())
    }
    rate = int(rate_hz)
    costs_ms, n_failed = [], 0
    for end in range(WINDOW_S * rate, len(signals["ecg"]), rate):
        window = {kind: samples[end - WINDOW_S * rate : end] for kind, samples in signals.items()}
        started_s = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            n_failed += not _neurokit_step(nk, window, rate)
        costs_ms.append(1000 * (time.process_time() - started_s))
    return {"ms_per_session_second": round(statistics.mean(costs_ms), 2), "windows": len(costs_ms), "failed": n_failed}


def _neurokit_step(nk: Any, window: dict[str, Any], rate: int) -> bool:
    nk.ecg_peaks(nk.ecg_clean(window["ecg"], sampling_rate=rate), sampling_rate=rate)
    phasic = nk.eda_phasic(nk.eda_clean(window["skin_conductance"], sampling_rate=rate), sampling_rate=rate)
    nk.eda_peaks(phasic["EDA_Phasic"], sampling_rate=rate)
    try:
        nk.rsp_peaks(nk.rsp_clean(window["respiration"], sampling_rate=rate), sampling_rate=rate)
    except (IndexError, ValueError):  # too few breaths in ten seconds: NeuroKit2 raises
        return False
    return True


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=DATA)
    parser.add_argument("--rate-hz", type=float, default=100.0)
    asked = parser.parse_args()
    ours = becalm_figures(asked.file, asked.rate_hz)
    theirs = neurokit_ms_per_second(asked.file, asked.rate_hz)
    ratio = theirs["ms_per_session_second"] / ours["pipeline_ms_per_session_second"]
    figures = {"asked_times_real_time": ASKED_TIMES_REAL_TIME, "becalm": ours, "neurokit_sliding": theirs}
    print(json.dumps({"bench": "analyse", **figures, "neurokit_over_becalm": round(ratio, 1)}, indent=2))


if __name__ == "__main__":
    main()

"""What the live pipeline costs: processor, memory and import, and whether the cut of the packets changes anything."""

import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import neurokit2 as nk
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from becalm_cli.analyse import run_pipeline
from becalm_cli.score import PHASES
from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.records import Samples, columns, resampled, stream
from becalm_protocol.events import RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_S
from becalm_signal.fingerprint import events_sha256
from becalm_signal.pipeline import Pipeline

Track = tuple[StreamInfo, Samples]
RECORDED_HZ = 100.0
# 130, 25 and 8 Hz from 100 Hz: what strap, belt and skin sensor send.
RATES = (
    ("ecg_mv", SignalKind.ECG, 13, 10),
    ("rsp_au", SignalKind.RESPIRATION, 1, 4),
    ("eda_us", SignalKind.SKIN_CONDUCTANCE, 2, 25),
)
H10_FRAME = 73
"""Samples of an ECG in one frame of a Polar H10."""
N_SESSIONS = 6
IMPORT_SCRIPT = """
import importlib, json, pathlib, sys, time
t = time.perf_counter()
importlib.import_module(sys.argv[1])
took_s = time.perf_counter() - t
status = pathlib.Path("/proc/self/status")  # Linux; a child's ru_maxrss would hold what its parent had
lines = status.read_text().splitlines() if status.exists() else []
kb = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
print(json.dumps([took_s, kb, [m for m in sys.argv[2:] if m in sys.modules]]))
"""
IMPORTED_AT_MOST = ("neurokit2", "pandas", "matplotlib", "scipy")


def processor(data: Path, *, quick: bool) -> dict[str, Any]:
    """Measure CPU a session-second with 4 Hz of metrics, at rest and with practice after a minute of baseline.

    Every stream comes in blocks of a quarter of a second; once more with the ECG in frames of a Polar H10. Beside it
    NeuroKit2 on sliding windows once a second.
    """
    tracks = _tracks(data, seconds=120 if quick else 480)
    seconds = _seconds(tracks)
    ecg, others = _cut(tracks[:1], sizes_s=(0.25,)), _cut(tracks[1:], sizes_s=(0.25,))
    frames = _cut(tracks[:1], sizes_s=(H10_FRAME / (tracks[0][0].sample_rate_hz or 1.0),))
    events, framed = _in_order(*ecg, *others), _in_order(*frames, *others)
    infos = [info for info, _ in tracks]
    # In turn, so that a busy moment of the machine meets all.
    feeds = (events, (*PHASES, *events), framed)
    runs = [[_cpu_s(partial(run_pipeline, infos, fed)) for fed in feeds] for _ in range(3)]
    ours_ms, practice_ms, framed_ms = (1000.0 * min(run) / seconds for run in zip(*runs, strict=True))
    window_s = 60
    with threadpool_limits(1):  # more threads only wait for each other, and their waiting counts as work
        _rival_windows(tracks, n_windows=1, window_s=window_s)  # what it loads at its first call is not counted
        rival_ms = 1000.0 * _cpu_s(lambda: _rival_windows(tracks, n_windows=10, window_s=window_s)) / 10
    return {
        "becalm_ms_per_session_s": round(ours_ms, 3),
        "becalm_ms_per_session_s_of_practice": round(practice_ms, 3),
        "becalm_ms_per_session_s_in_h10_frames": round(framed_ms, 3),
        "sessions_a_core_at_65_pct": int(0.65 * 1000.0 / ours_ms),
        "neurokit2_windows_ms_per_session_s": round(rival_ms, 1),
        "times_cheaper": round(rival_ms / ours_ms, 1),
    }


def _rival_windows(tracks: Sequence[Track], *, n_windows: int, window_s: int) -> None:
    for n in range(n_windows):
        for info, samples in tracks:
            rate_hz = info.sample_rate_hz or 1.0
            whole_hz = round(rate_hz)
            part = samples[round(n * rate_hz) : round((n + window_s) * rate_hz)]
            rivals.quietly(_CHAINS[info.kind](part, whole_hz))


def _rival_heart(part: Samples, whole_hz: int) -> None:
    """Do what the live lane's heart does: beats, flagged intervals, variability in time."""
    peaks = nk.ecg_peaks(nk.ecg_clean(part, whole_hz), whole_hz)[1]["ECG_R_Peaks"]
    nk.hrv_time(nk.signal_fixpeaks(peaks, sampling_rate=whole_hz, method="Kubios")[1], whole_hz)


_CHAINS: dict[SignalKind, Callable[[Samples, int], Callable[[], Any]]] = {
    SignalKind.ECG: lambda part, hz: lambda: _rival_heart(part, hz),
    SignalKind.RESPIRATION: lambda part, hz: lambda: nk.rsp_rate(nk.rsp_clean(part, hz), sampling_rate=hz),
    SignalKind.SKIN_CONDUCTANCE: lambda part, hz: lambda: nk.eda_process(part, sampling_rate=hz),
}


def memory(data: Path, *, quick: bool) -> dict[str, Any]:
    """Measure what a pipeline holds after minutes of three signals: the mean of some, allocations of Python alone."""
    tracks = _tracks(data, seconds=60 if quick else 480)
    events = _cut(tracks, sizes_s=(1.0,))
    n_sessions = 3 if quick else N_SESSIONS
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        pipelines = [Pipeline([info for info, _ in tracks]) for _ in range(n_sessions)]
        for pipeline in pipelines:
            for event in (*PHASES, *events):
                pipeline.feed(event)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    return {
        "mb_per_session": round(held / n_sessions / 1e6, 3),
        "sessions": len(pipelines),
        "neurokit2": {"mb_per_session_at_work": _rival_mb(tracks)},
    }


def _rival_mb(tracks: Sequence[Track]) -> float:
    """Return what one look at the last 60 s of the same signals takes at its highest, allocations of Python alone."""
    _rival_windows(tracks, n_windows=1, window_s=60)  # what it loads at its first call is not counted
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _rival_windows(tracks, n_windows=1, window_s=60)
        return round((tracemalloc.get_traced_memory()[1] - before) / 1e6, 3)
    finally:
        tracemalloc.stop()


def chunks(data: Path, *, quick: bool) -> dict[str, Any]:
    """Cut the same minutes at random a thousand times: one hash each for a signal alone and for all together."""
    n_cuts = 20 if quick else 1_000
    tracks = _tracks(data, seconds=60)
    rng = np.random.default_rng(5)
    result: dict[str, Any] = {"cuts": n_cuts}
    for name, chosen in (*((info.kind.value, [(info, x)]) for info, x in tracks), ("whole", list(tracks))):
        hashes = set()
        for _ in range(n_cuts):
            sizes_s = rng.uniform(0.02, rng.choice([0.1, 1.0, 5.0]), size=40).tolist()
            derived = run_pipeline([info for info, _ in chosen], _cut(chosen, sizes_s=sizes_s))
            hashes.add(events_sha256(derived))
        result[f"hashes_{name}"] = len(hashes)
    return result | {"neurokit2": _rival_cuts(tracks)}


def _rival_cuts(tracks: Sequence[Track]) -> dict[str, int]:
    """Count R peaks that are others, or elsewhere, where the same minute comes in windows of 10 s."""
    info, samples = tracks[0]
    rate_hz = info.sample_rate_hz or 1.0
    size = round(10.0 * rate_hz)
    whole = set(rivals.peak_positions(samples, rate_hz=rate_hz).tolist())
    cut = {
        start + at
        for start in range(0, len(samples), size)
        for at in rivals.peak_positions(samples[start : start + size], rate_hz=rate_hz).tolist()
    }
    return {"peaks_whole": len(whole), "peaks_in_windows_of_10_s": len(cut), "peaks_that_differ": len(whole ^ cut)}


def live_import(data: Path, *, quick: bool) -> dict[str, Any]:
    """Measure the import of the live lane in fresh interpreters, and what it brought along; the same of NeuroKit2."""
    del data
    n_times = 3 if quick else 7
    return _imported("becalm_signal.pipeline", n_times=n_times) | {"neurokit2": _imported("neurokit2", n_times=n_times)}


def _imported(module: str, *, n_times: int) -> dict[str, Any]:
    told = []
    for _ in range(n_times):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT_SCRIPT, module, *IMPORTED_AT_MOST], check=True, capture_output=True, text=True
        )
        told.append(json.loads(done.stdout))
    return {
        "import_s": round(min(seconds for seconds, *_ in told), 3),
        "resident_mb": None if told[0][1] is None else round(told[0][1] / 1024.0, 1),
        "brought_along": told[0][2],
    }


def _tracks(data: Path, *, seconds: int) -> list[Track]:
    path = data / "neurokit" / "resting_8min_100hz.csv.gz"
    told = columns(path, *(name for name, *_ in RATES))
    tracks = []
    for name, kind, up, down in RATES:
        samples = told[name][: round(seconds * RECORDED_HZ)] * (1000.0 if kind is SignalKind.ECG else 1.0)
        tracks.append((stream(kind, rate_hz=RECORDED_HZ * up / down), resampled(samples, up=up, down=down)))
    return tracks


def _seconds(tracks: Sequence[Track]) -> float:
    info, samples = tracks[0]
    return len(samples) / (info.sample_rate_hz or 1.0)


def _cut(tracks: Sequence[Track], *, sizes_s: Sequence[float]) -> list[RawEvent]:
    """Return the packets of all tracks in the order of their arrival, their sizes in turn."""
    events: list[RawEvent] = []
    for info, samples in tracks:
        rate_hz = info.sample_rate_hz or 1.0
        counts = iter(np.rint(samples / info.unit_per_count).astype(int).tolist())
        first, n = 0, 0
        while part := tuple(islice(counts, max(1, round(sizes_s[n % len(sizes_s)] * rate_hz)))):
            last_ns = round((first + len(part) - 1) * NS_PER_S / rate_hz)
            events.append(
                SampleBlock(stream_id=info.stream_id, received_ns=last_ns, first_sample_idx=first, counts=part)
            )
            first, n = first + len(part), n + 1
    return _in_order(*events)


def _in_order(*events: RawEvent) -> list[RawEvent]:
    return sorted(events, key=lambda event: event.received_ns)


def _cpu_s(work: Callable[[], object]) -> float:
    gc.collect()
    before_s = time.process_time()
    work()
    return time.process_time() - before_s

"""Reading an hour of one ECG, respiration and skin conductance from each format. Prints JSON; CPU seconds, median of 5.

python bench/bench_formats.py [--hours 1]
Files are written by other programs (edfio, wfdb) or to the specification (CSV, XDF). `import` is that of the reader, in
a process of its own; formats whose writer or library is not installed are left out and named.
"""

import argparse
import json
import math
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from becalm_ingest.replay import read_recording

N_RUNS = 5
ECG_HZ, RSP_HZ, EDA_HZ = 256, 32, 8


def wave(rate_hz: int, hours: float, *, low: float, high: float) -> list[float]:
    n = round(rate_hz * hours * 3600)
    return [low + (high - low) * (0.5 + 0.5 * math.sin(k / rate_hz * 1.7)) for k in range(n)]


def write_csv(folder: Path, hours: float) -> Path:
    path = folder / "a.csv"
    rows = wave(ECG_HZ, hours, low=-1, high=1)
    path.write_text("time_s,ecg_mv\n" + "".join(f"{k / ECG_HZ:.5f},{x:.4f}\n" for k, x in enumerate(rows)))
    return path


def write_edf(folder: Path, hours: float) -> Path:
    edfio, np = import_module("edfio"), import_module("numpy")
    told = [("ECG", "mV", ECG_HZ, -1.0, 1.0), ("Resp", "%", RSP_HZ, 0.0, 100.0), ("EDA", "uS", EDA_HZ, 0.0, 20.0)]
    signals = [
        edfio.EdfSignal(
            np.array(wave(rate_hz, hours, low=low, high=high)), rate_hz, label=label, physical_dimension=unit,
            physical_range=(low, high),
        )
        for label, unit, rate_hz, low, high in told
    ]  # fmt: skip
    edfio.Edf(signals).write(folder / "a.edf")
    return folder / "a.edf"


def write_wfdb(folder: Path, hours: float) -> Path:
    wfdb, np = import_module("wfdb"), import_module("numpy")
    ecg = np.array(wave(ECG_HZ, hours, low=-1, high=1))[:, None]
    wfdb.wrsamp("a", fs=ECG_HZ, units=["mV"], sig_name=["II"], p_signal=ecg, fmt=["212"], write_dir=str(folder))
    return folder / "a.hea"


def write_xdf(folder: Path, hours: float) -> Path:
    data = b"XDF:"

    def chunk(tag: int, content: bytes) -> bytes:
        return struct.pack("<BIH", 4, len(content) + 2, tag) + content

    data += chunk(1, b"<info><version>1.0</version></info>")
    for number, (name, unit, rate_hz) in enumerate((("ECG", "mV", ECG_HZ), ("EDA", "uS", EDA_HZ)), 1):
        xml = (
            f"<info><name>{name}</name><type>{name}</type><channel_count>1</channel_count><nominal_srate>{rate_hz}"
            f"</nominal_srate><channel_format>float32</channel_format><desc><channels><channel><label>{name}</label>"
            f"<unit>{unit}</unit></channel></channels></desc></info>"
        )
        data += chunk(2, struct.pack("<I", number) + xml.encode())
        rows = wave(rate_hz, hours, low=0, high=1)
        for start in range(0, len(rows), rate_hz):
            body = b"".join(
                struct.pack("<Bdf", 8, 100 + (start + k) / rate_hz, x)
                for k, x in enumerate(rows[start : start + rate_hz])
            )
            n = min(rate_hz, len(rows) - start)
            data += chunk(3, struct.pack("<IBI", number, 4, n) + body)
            data += chunk(4, struct.pack("<Idd", number, 100 + start / rate_hz, 0.0))
    (folder / "a.xdf").write_bytes(data)
    return folder / "a.xdf"


WRITERS: dict[str, Callable[[Path, float], Path]] = {
    "csv": write_csv, "edf": write_edf, "wfdb_212": write_wfdb, "xdf": write_xdf,
}  # fmt: skip


def figures(path: Path) -> dict[str, Any]:
    runs_s, n_events = [], 0
    for _ in range(N_RUNS):
        started_s = time.process_time()
        recording = read_recording(path, rate_hz=None, chunk_ms=250)
        n_events = sum(1 for _ in recording.events())
        runs_s.append(time.process_time() - started_s)
    return {
        "file_mb": round(sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}.*")) / 1e6, 1),
        "read_cpu_s": round(statistics.median(runs_s), 3),
        "events": n_events,
        "peak_rss_mb": peak_rss_mb(),
    }


def peak_rss_mb() -> int | None:
    """Of this program alone: what getrusage tells includes the program that started it."""
    status = Path("/proc/self/status")
    told = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(told[1]) // 1024 if told else None


def alone(path: Path) -> dict[str, Any]:
    """Measure in a process of its own, so that memory and imports are those of this format."""
    command = [sys.executable, __file__, "--file", str(path)]
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    if asked.file:
        print(json.dumps(figures(asked.file)))
        return
    told: dict[str, Any] = {"hours": asked.hours, "import_cpu_s": import_cpu_s(), "left_out": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            try:
                own = Path(folder) / name
                own.mkdir()
                told[name] = alone(write(own, asked.hours))
            except ModuleNotFoundError as exc:
                told["left_out"].append(f"{name}: {exc.name} is not installed")
    print(json.dumps(told, indent=2))


def import_cpu_s() -> float:
    """Median CPU seconds of importing the reader, over those of a bare interpreter."""
    code = "import time; t = time.process_time(); import becalm_ingest.replay; print(time.process_time() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    return round(statistics.median(float(run.stdout) for run in runs), 3)


if __name__ == "__main__":
    main()

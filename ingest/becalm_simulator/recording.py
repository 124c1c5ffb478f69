"""A recording of a body with its truth, written at once instead of streamed."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.errors import RecordingError
from becalm_protocol.events import SignalKind, require
from becalm_protocol.units import NS_PER_S, ns_from_s, s_from_ns
from becalm_simulator.body import Body
from becalm_simulator.episode import DROPOUTS, Script
from becalm_simulator.rails import read_with_noise
from becalm_simulator.sensors.belt import NOISE_N
from becalm_simulator.sensors.skin import NOISE_US
from becalm_simulator.sensors.strap import NOISE_UV

RECORDING_RATE_HZ = 130
UV_PER_MV = 1000.0
# A chunk of ten seconds keeps memory constant however long the recording.
CHUNK_SAMPLES = 10 * RECORDING_RATE_HZ
MAX_SECONDS = 24 * 3600
AROUSAL_PERIOD_NS = NS_PER_S

Row = tuple[object, ...]


def write_recording(body: Body, *, seconds: float, directory: Path) -> Path:
    """Write `recording.csv` (time_s, ecg_mv, rsp_au, eda_us at 130 Hz) and the truth beside it; return its path.

    Where a dropout is staged the column says `nan`.

    Truth: `truth_beats.csv`, `truth_breaths.csv`, `truth_co2.csv`, `truth_scr.csv`, `truth_arousal.csv` and
    `truth_episodes.csv`. Let the body hear a pacer first to record practice. Raises ValueError for an impossible
    length, RecordingError when the folder cannot be written.
    """
    require(0 < seconds <= MAX_SECONDS, "seconds", f"above 0 to {MAX_SECONDS}", seconds)
    path = directory / "recording.csv"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(path, ("time_s", "ecg_mv", "rsp_au", "eda_us"), _samples(body, int(seconds * RECORDING_RATE_HZ)))
        body.until(ns_from_s(seconds))
        _write_truth(body, directory)
    except OSError as exc:
        raise RecordingError(f"cannot write ({exc.strerror}); choose another folder", path=str(directory)) from exc
    return path


def _write_truth(body: Body, directory: Path) -> None:
    times = np.arange(0, body.t_ns + 1, AROUSAL_PERIOD_NS, dtype=np.int64)
    tables: tuple[tuple[str, Row, Iterable[Row]], ...] = (
        ("beats", ("t_s", "rr_ms", "kind"), _beats(body)),
        ("breaths", ("t_s", "phase"), ((_s(turn.t_ns), turn.phase.value) for turn in body.turns())),
        (
            "co2",
            ("t_s", "end_tidal_mmhg", "ventilation_l_per_min"),
            ((_s(b.t_ns), f"{b.co2_mmhg:.3f}", f"{b.ventilation_l_per_min:.3f}") for b in body.end_tidal()),
        ),
        (
            "scr",
            ("onset_s", "peak_s", "amplitude_us"),
            ((_s(r.onset_ns), _s(r.peak_ns), f"{r.amplitude_us:.4f}") for r in body.responses()),
        ),
        (
            "arousal",
            ("t_s", "arousal"),
            ((f"{s_from_ns(int(t)):.0f}", f"{x:.4f}") for t, x in zip(times, body.arousal(times), strict=True)),
        ),
        (
            "episodes",
            ("start_s", "end_s", "kind", "amount"),
            ((_s(e.start_ns), _s(e.end_ns), e.kind.value, f"{e.amount:g}") for e in body.episodes()),
        ),
    )
    for name, header, rows in tables:
        _write(directory / f"truth_{name}.csv", header, rows)


def _s(t_ns: int) -> str:
    return f"{s_from_ns(t_ns):.6f}"


def _samples(body: Body, n_samples: int) -> Iterator[Row]:
    rng = np.random.default_rng(np.random.SeedSequence([body.seed, 7]))
    script = Script(body.episodes())
    signals = (
        (SignalKind.ECG, body.ecg_uv, NOISE_UV, 1.0 / UV_PER_MV),
        (SignalKind.RESPIRATION, body.force_n, NOISE_N, 1.0),
        (SignalKind.SKIN_CONDUCTANCE, body.conductance_us, NOISE_US, 1.0),
    )
    for first in range(0, n_samples, CHUNK_SAMPLES):
        idx = np.arange(first, min(first + CHUNK_SAMPLES, n_samples), dtype=np.int64)
        t_ns = idx * NS_PER_S // RECORDING_RATE_HZ
        body.until(int(t_ns[-1]))
        noise = rng.standard_normal((len(idx), 3))
        columns = []
        for column, (kind, signal, noise_sd, scale) in enumerate(signals):
            read = read_with_noise(signal(t_ns), noise_sd * noise[:, column], t_ns=t_ns, script=script, kind=kind)
            columns.append(np.where(script.amounts(DROPOUTS[kind], t_ns) > 0.5, np.nan, scale * read))
        yield from _rows(t_ns / NS_PER_S, *columns)


def _rows(*columns: NDArray[np.float64]) -> Iterator[Row]:
    time_s, *signals = columns
    for t_s, *levels in zip(time_s.tolist(), *(signal.tolist() for signal in signals), strict=True):
        yield (f"{t_s:.6f}", *(f"{level:.4f}" for level in levels))


def _beats(body: Body) -> Iterator[Row]:
    for i, beat in enumerate(body.beats()):
        rr_ms = f"{beat.rr_s * 1000.0:.3f}" if i else ""
        yield _s(beat.t_ns), rr_ms, beat.kind.value


def _write(path: Path, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)

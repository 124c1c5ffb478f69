"""Signals with known truth, and real recordings where they are at hand."""

import csv
import gzip
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from becalm_protocol.derived import Derived, Metrics
from becalm_protocol.events import Clock, PhaseChange, RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Waveform
from becalm_signal.pipeline import Pipeline

Samples = NDArray[np.float64]
UNITS = {
    SignalKind.ECG: ("uV", 1.0),
    SignalKind.RESPIRATION: ("au", 1e-4),
    SignalKind.SKIN_CONDUCTANCE: ("uS", 1e-4),
    SignalKind.PPG_1: ("au", 1.0),
    SignalKind.ACCELERATION_X: ("mg", 1.0),
    SignalKind.ACCELERATION_Y: ("mg", 1.0),
    SignalKind.ACCELERATION_Z: ("mg", 1.0),
}


@dataclass(frozen=True)
class Heart:
    """A synthetic ECG in uV with the true times of its R peaks."""

    samples: Samples
    beats_s: Samples
    rate_hz: float


@dataclass(frozen=True)
class Track:
    """One stream with its samples as counts."""

    info: StreamInfo
    counts: list[int]


def _ecg(
    rr_ms: Sequence[float],
    *,
    rate_hz: float,
    r_uv: float = 1000.0,
    t_uv: float = 250.0,
    noise_uv: float = 5.0,
    seed: int = 1,
) -> Heart:
    beats_s = 0.5 + np.cumsum(np.asarray(rr_ms)) / 1000.0
    t_s = np.arange(round((beats_s[-1] + 1.0) * rate_hz)) / rate_hz
    samples = np.random.default_rng(seed).normal(0.0, noise_uv, len(t_s))
    samples += 100.0 * np.sin(2 * np.pi * 0.25 * t_s)
    waves = ((-0.17, 0.02, 0.1 * r_uv), (-0.03, 0.009, -0.12 * r_uv), (0.0, 0.011, r_uv), (0.032, 0.010, -0.2 * r_uv))
    for beat_s in beats_s:
        near = slice(max(0, int((beat_s - 0.4) * rate_hz)), int((beat_s + 0.6) * rate_hz))
        for shift_s, width_s, height_uv in (*waves, (0.28, 0.05, t_uv)):
            samples[near] += height_uv * np.exp(-(((t_s[near] - beat_s - shift_s) / width_s) ** 2) / 2.0)
    return Heart(samples, beats_s, rate_hz)


@pytest.fixture(scope="session")
def make_ecg() -> Callable[..., Heart]:
    """Give a function from RR intervals in ms to a synthetic ECG."""
    return _ecg


@pytest.fixture(scope="session")
def make_rr() -> Callable[..., list[float]]:
    """Give a function to a resting RR series in ms with breathing and noise in it."""

    def make(n_beats: int, *, mean_ms: float = 900.0, rsa_ms: float = 40.0, seed: int = 1) -> list[float]:
        rng = random.Random(seed)
        out, t_s = [], 0.0
        for _ in range(n_beats):
            rr = mean_ms + rsa_ms * np.sin(2 * np.pi * 0.22 * t_s) + rng.gauss(0.0, 12.0)
            out.append(float(rr))
            t_s += rr / 1000.0
        return out

    return make


@pytest.fixture(scope="session")
def check_rmssd() -> Callable[..., None]:
    """Give a function that holds every RMSSD told of a synthetic heart against the one of its true intervals."""

    def check(derived: Iterable[Derived], heart: Heart, rr_ms: Sequence[float]) -> None:
        ends_s = heart.beats_s[1:]
        shown = [e for e in derived if isinstance(e, Metrics) and e.rmssd_ms.value is not None]
        assert len(shown) > 40
        for tick in shown:
            inside = (ends_s > tick.t_ns / 1e9 - 60.0) & (ends_s <= (tick.rmssd_ms.sample_ns or 0) / 1e9 + 0.1)
            true_ms = np.sqrt(np.mean(np.diff(np.asarray(rr_ms)[1:][inside]) ** 2))
            assert abs(tick.rmssd_ms.value - true_ms) <= tick.rmssd_ms.bound

    return check


@pytest.fixture(scope="session")
def make_track() -> Callable[..., Track]:
    """Give a function from samples in the unit of the signal to a stream."""

    def make(samples: Samples, *, kind: SignalKind, rate_hz: float, clock: Clock = Clock.SESSION) -> Track:
        unit, unit_per_count = UNITS[kind]
        info = StreamInfo(
            stream_id=kind.value,
            kind=kind,
            unit=unit,
            unit_per_count=unit_per_count,
            sample_rate_hz=rate_hz,
            clock=clock,
            device="test",
        )
        return Track(info, [int(count) for count in np.round(samples / unit_per_count)])

    return make


def _blocks(track: Track, sizes: Iterable[int], *, first: int = 0, shift_ns: int = 0) -> list[RawEvent]:
    rate_hz = track.info.sample_rate_hz or 1.0
    blocks: list[RawEvent] = []
    at = 0
    for size in sizes:
        counts = track.counts[at : at + size]
        if not counts:
            break
        at += len(counts)
        last_ns = round((first + at - 1) * 1e9 / rate_hz) + shift_ns
        blocks.append(
            SampleBlock(
                stream_id=track.info.stream_id,
                received_ns=last_ns,
                first_sample_idx=first + at - len(counts),
                sensor_ns=last_ns,
                counts=tuple(counts),
            )
        )
    return blocks


@pytest.fixture(scope="session")
def cut_blocks() -> Callable[..., list[RawEvent]]:
    """Give a function that cuts a track into blocks of the given sizes."""
    return _blocks


@pytest.fixture(scope="session")
def run_events() -> Callable[..., list[Derived]]:
    """Give a function that runs a whole pipeline over events and returns what it derived."""

    def run(streams: Sequence[StreamInfo], events: Iterable[RawEvent | PhaseChange]) -> list[Derived]:
        pipeline = Pipeline(streams)
        given: list[Derived | Waveform] = []
        for event in events:
            given += pipeline.feed(event)
        given += pipeline.finish()
        return [event for event in given if not isinstance(event, Waveform)]

    return run


@pytest.fixture(scope="session")
def run_tracks(run_events: Callable[..., list[Derived]]) -> Callable[..., list[Derived]]:
    """Give a function that runs tracks through a pipeline in half-second blocks, side by side."""

    def run(*tracks: Track, block_s: float = 0.5) -> list[Derived]:
        events: list[RawEvent] = []
        for track in tracks:
            size = max(1, round(block_s * (track.info.sample_rate_hz or 1.0)))
            events += _blocks(track, [size] * (len(track.counts) // size + 1))
        events.sort(key=lambda event: event.received_ns)
        return run_events([track.info for track in tracks], events)

    return run


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Give the folder of real recordings, or skip."""
    folder = Path(os.environ.get("BECALM_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("real recordings are not here: set BECALM_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def read_columns() -> Callable[..., dict[str, Samples]]:
    """Give a function that reads named columns of a (gzipped) CSV; empty cells are NaN."""

    def read(path: Path, *names: str, limit: int | None = None) -> dict[str, Samples]:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        rows = islice(csv.DictReader(text.splitlines()), limit)
        wanted = [[row[name] for name in names] for row in rows]
        return {name: np.array([float(row[k]) if row[k] else np.nan for row in wanted]) for k, name in enumerate(names)}

    return read


@pytest.fixture(scope="session")
def match_f1() -> Callable[..., float]:
    """Give a function that scores found times against true ones, one to one within a tolerance."""

    def score(true_s: Samples, found_s: Samples, *, within_s: float, after_s: float = 5.0) -> float:
        true_s = np.sort(true_s[true_s >= after_s])
        found = sorted(float(t) for t in found_s if t >= after_s - within_s)
        n_hit = 0
        for t_s in true_s:
            near = [f for f in found if abs(f - t_s) <= within_s]
            if near:
                found.remove(min(near, key=lambda f: abs(f - t_s)))
                n_hit += 1
        n_false = sum(f >= after_s for f in found)
        return 2 * n_hit / (len(true_s) + n_hit + n_false)

    return score

"""Spikes of one to three samples: none is a beat, at any rate of either, and the heart between them goes on."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, Metrics
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_spikes import SpikeGate
from becalm_simulator.body import Body

SECONDS = 60


def through(samples: list[float], sizes: list[int]) -> tuple[list[float], list[int]]:
    """Return what a gate lets through of blocks of such sizes, and the sample with which each was."""
    gate, begin = SpikeGate(130.0), 0
    out: list[float] = []
    when: list[int] = []
    for size in sizes:
        for run, n_late in gate.feed(samples[begin : begin + size]):
            last = len(out) + len(run) - 1
            when += range(len(out), last + 1) if n_late is None else [last + n_late] * len(run)
            out += run
            assert when[-1] < begin + size
        begin += size
    return out, when


@pytest.mark.parametrize("seed", range(20))
def test_what_goes_through_and_when_does_not_depend_on_the_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 10.0, 600) + 100.0 * np.sin(np.arange(600) / rng.uniform(1.0, 30.0))
    for at in rng.integers(0, 590, 40):
        samples[at : at + rng.integers(1, 5)] += 300.0 * rng.normal()
    whole = through(samples.tolist(), [600])
    assert len(whole[0]) >= 600 - 4
    assert through(samples.tolist(), [1] * 600) == whole
    assert through(samples.tolist(), rng.integers(1, 20, 100).tolist()) == whole


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_spike_is_replaced_and_a_wider_one_is_not(width: int) -> None:
    samples = np.random.default_rng(width).normal(0.0, 1.0, 260)
    spoilt = samples.copy()
    spoilt[200 : 200 + width] += 900.0
    through_it, _ = through(spoilt.tolist(), [260])
    assert max(np.abs(through_it)) < 10.0
    spoilt[200:204] = 900.0
    assert through(spoilt.tolist(), [260])[0] == spoilt.tolist()


@pytest.mark.parametrize("rate_hz", [130.0, 250.0, 1000.0])
@pytest.mark.parametrize("per_s", [1.0 / 30.0, 0.5, 2.0, 5.0])
def test_spikes_are_no_beats_of_a_virtual_person(
    make_track: Any, run_tracks: Any, rate_hz: float, per_s: float
) -> None:
    rng = np.random.default_rng([round(rate_hz), round(30 * per_s)])
    body = Body.from_seed(41_000 + round(rate_hz) + round(30 * per_s))
    body.until((SECONDS + 2) * 1_000_000_000)
    t_ns = np.rint(np.arange(SECONDS * rate_hz) * 1e9 / rate_hz).astype(np.int64)
    samples = np.asarray(body.ecg_uv(t_ns)) + rng.normal(0.0, 8.0, len(t_ns))
    for at_s in np.arange(20.0, SECONDS - 1.0, 1.0 / per_s):
        at = round((at_s + rng.uniform(-0.05, 0.05)) * rate_hz)
        samples[at : at + rng.integers(1, 4)] += rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(2.7, 5.0)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=rate_hz))
    found_s = np.array([beat.t_ns / 1e9 for beat in derived if isinstance(beat, Beat) and beat.confirmed])
    true_s = np.array([beat.t_ns / 1e9 for beat in body.beats()])
    true_s, found_s = (times[(times > 15.0) & (times < SECONDS - 2.0)] for times in (true_s, found_s))
    assert sum(min(abs(true_s - t_s)) > 0.05 for t_s in found_s) <= 1
    assert sum(min(abs(found_s - t_s)) > 0.05 for t_s in true_s) <= 1


@pytest.mark.parametrize("person", range(4))
def test_a_narrow_beat_of_few_samples_is_no_spike(make_track: Any, run_tracks: Any, person: int) -> None:
    body = Body.from_seed(45_000 + person)
    body.until((SECONDS + 2) * 1_000_000_000)
    t_ns = np.rint(np.arange(SECONDS * 65.0) * 1e9 / 65.0).astype(np.int64)
    samples = np.asarray(body.ecg_uv(t_ns)) + np.random.default_rng(person).normal(0.0, 8.0, len(t_ns))
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=65.0))
    found_s = np.array([beat.t_ns / 1e9 for beat in derived if isinstance(beat, Beat) and beat.confirmed])
    true_s = np.array([beat.t_ns / 1e9 for beat in body.beats()])
    true_s = true_s[(true_s > 8.0) & (true_s < SECONDS - 2.0)]
    assert sum(min(abs(found_s - t_s)) > 0.05 for t_s in true_s) == 0


@pytest.mark.parametrize("record", ["100", "119", "222"])
def test_spikes_between_real_beats_change_no_more_than_one(
    data_folder: Any, read_columns: Any, match_f1: Any, make_track: Any, run_tracks: Any, record: str
) -> None:
    ecg_uv = 1000.0 * read_columns(data_folder / "mitdb" / f"{record}.csv.gz", "ecg_mv", limit=120 * 360)["ecg_mv"]
    beats_s = read_columns(data_folder / "mitdb" / f"{record}.beats.csv", "beat_s")["beat_s"]
    beats_s, rng = beats_s[beats_s < 119.0], np.random.default_rng(int(record))
    spoilt = ecg_uv.copy()
    for at_s in np.arange(10.0, 119.0, 0.5):
        at = round((at_s + rng.uniform(0.0, 0.3)) * 360.0)
        spoilt[at : at + rng.integers(1, 4)] += rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(3.0, 4.0)
    scores = []
    for samples in (ecg_uv, spoilt):
        derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=360.0))
        found_s = np.array([beat.t_ns / 1e9 for beat in derived if isinstance(beat, Beat) and beat.confirmed])
        scores.append(match_f1(beats_s, found_s[found_s < 119.05], within_s=0.05))
    assert scores[1] > scores[0] - 1.0 / len(beats_s)


def test_spikes_alone_are_no_heart(make_track: Any, run_tracks: Any) -> None:
    samples = np.random.default_rng(3).normal(0.0, 8.0, 60 * 130)
    samples[::130] += 2000.0
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    assert [e for e in derived if isinstance(e, Metrics) and e.heart_rate_bpm.value is not None] == []

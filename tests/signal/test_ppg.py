"""Pulses: every rate, either polarity, second waves, noise; the stage beside others, and one hash for every cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_signal.fingerprint import events_sha256
from becalm_signal.pulses import PulseDetector

RATE_HZ = 55.0
Samples = np.ndarray[Any, np.dtype[np.float64]]


def pulse_wave(beats_s: Samples, *, rate_hz: float, notch: float = 0.45, noise: float = 0.01) -> Samples:
    """A wave that is steepest 60 ms after each beat, with a second wave and the drift of breathing."""
    t_s = np.arange(round((beats_s[-1] + 1.0) * rate_hz)) / rate_hz
    wave = np.random.default_rng(2).normal(0.0, noise, len(t_s)) + 0.3 * np.sin(2 * np.pi * 0.2 * t_s)
    for beat_s in beats_s:
        since_s = t_s - beat_s - 0.11
        wave += np.exp(-((since_s / np.where(since_s < 0.0, 0.05, 0.12)) ** 2) / 2.0)
        wave += notch * np.exp(-(((since_s - 0.25) / 0.07) ** 2) / 2.0)
    return wave


def detect(wave: Samples, rate_hz: float) -> Samples:
    detector = PulseDetector(rate_hz)
    return np.array([rise.at / rate_hz for x in wave.tolist() for rise in detector.step(x)])


def ppg_block(wave: Samples, *, first: int, size: int, stream_id: str = "ppg_1") -> SampleBlock:
    counts = tuple(int(1e5 * x) for x in wave[first : first + size])
    last_ns = round((first + len(counts) - 1) * 1e9 / RATE_HZ)
    return SampleBlock(stream_id=stream_id, received_ns=last_ns, first_sample_idx=first, counts=counts)


def ppg_info(kind: SignalKind = SignalKind.PPG_1) -> StreamInfo:
    return StreamInfo(
        stream_id=kind.value,
        kind=kind,
        unit="au",
        unit_per_count=1.0,
        sample_rate_hz=RATE_HZ,
        clock=Clock.SESSION,
        device="optical",
    )


def packets(wave: Samples, size: int, *, stream_id: str = "ppg_1") -> list[SampleBlock]:
    return [ppg_block(wave, first=k, size=size, stream_id=stream_id) for k in range(0, len(wave), size)]


@pytest.mark.parametrize("rate_hz", [25.0, 28.0, 55.0, 135.0, 500.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_every_pulse_is_found_equally_late_at_every_rate_either_way_up(
    make_rr: Any, rate_hz: float, sign: float
) -> None:
    beats_s = 0.5 + np.cumsum(make_rr(50)) / 1000.0
    found_s = detect(sign * pulse_wave(beats_s, rate_hz=rate_hz), rate_hz)
    found_s = found_s[found_s > 10.0]
    true_s = beats_s[beats_s + 0.06 > 10.0]
    assert abs(len(found_s) - len(true_s)) <= 1
    late_s = found_s[: len(true_s)] - true_s[: len(found_s)]
    assert np.std(late_s) < 0.004
    assert 0.04 < np.mean(late_s) < 0.08


def test_pulses_come_out_within_a_quarter_second(make_rr: Any) -> None:
    wave = pulse_wave(0.5 + np.cumsum(make_rr(50)) / 1000.0, rate_hz=RATE_HZ)
    detector = PulseDetector(RATE_HZ)
    delays_s = [(n - rise.at) / RATE_HZ for n, x in enumerate(wave.tolist()) for rise in detector.step(x)]
    assert np.quantile(delays_s[5:], 0.95) < 0.25


def test_an_optical_sensor_alone_gives_beats_and_heart_rate(make_rr: Any, run_events: Any) -> None:
    rr_ms = make_rr(100)
    beats_s = 0.5 + np.cumsum(rr_ms) / 1000.0
    wave = pulse_wave(beats_s, rate_hz=RATE_HZ)
    derived = run_events([ppg_info()], packets(wave, 36))
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed]
    assert {beat.source for beat in beats} == {SignalKind.PPG_1}
    assert {beat.flag for beat in beats[1:]} == {BeatFlag.OK}
    assert len(beats) >= len(beats_s) - 4
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.heart_rate_bpm.value == pytest.approx(60_000.0 / np.mean(rr_ms[-8:]), abs=4.0)
    assert len({events_sha256(run_events([ppg_info()], packets(wave, size))) for size in (1, 7, 73, 2000)}) == 1


@pytest.mark.parametrize(("weak", "is_told"), [(0.0, True), (0.3, False)])
def test_weak_pulses_between_the_others_hide_a_rate_that_would_be_half(
    run_events: Any, weak: float, is_told: bool
) -> None:
    beats_s = 0.5 + np.arange(0.0, 60.0, 1.2)
    wave = pulse_wave(beats_s, rate_hz=RATE_HZ)
    t_s = np.arange(len(wave)) / RATE_HZ
    for beat_s in beats_s:
        wave += weak * np.exp(-(((t_s - beat_s - 0.66) / 0.07) ** 2) / 2.0)
    derived = run_events([ppg_info()], packets(wave, 36))
    ticks = [event for event in derived if isinstance(event, Metrics) and 15e9 < event.t_ns < 58e9]
    assert {tick.heart_rate_bpm.value is not None for tick in ticks} == {is_told}


@pytest.mark.parametrize("name", ["white", "drift", "flicker"])
def test_light_without_a_pulse_shows_no_heart_rate(run_events: Any, name: str) -> None:
    rng = np.random.default_rng(8)
    n = round(60 * RATE_HZ)
    wave = {
        "white": rng.normal(0.0, 0.3, n),
        "drift": np.cumsum(rng.normal(0.0, 0.05, n)),
        "flicker": np.sin(2 * np.pi * 10.0 * np.arange(n) / RATE_HZ),
    }[name]
    derived = run_events([ppg_info()], packets(wave, 36))
    assert Reason.NOISY in {event.reason for event in derived if isinstance(event, SignalQuality)}
    ticks = [event for event in derived if isinstance(event, Metrics) and event.t_ns > 10_000_000_000]
    assert np.mean([tick.heart_rate_bpm.value is not None for tick in ticks]) < 0.1


def test_beside_an_ecg_light_is_only_drawn(make_ecg: Any, make_rr: Any, make_track: Any, run_events: Any,
                                           cut_blocks: Any) -> None:  # fmt: skip
    heart = make_ecg(make_rr(30), rate_hz=130.0)
    ecg = make_track(heart.samples, kind=SignalKind.ECG, rate_hz=130.0)
    wave = pulse_wave(heart.beats_s, rate_hz=RATE_HZ)
    events = sorted([*cut_blocks(ecg, [65] * 100), *packets(wave, 28)], key=lambda event: event.received_ns)
    derived = run_events([ecg.info, ppg_info()], events)
    assert {event.source for event in derived if isinstance(event, Beat)} == {SignalKind.ECG}


def test_of_several_lights_one_speaks(make_rr: Any, run_events: Any) -> None:
    wave = pulse_wave(0.5 + np.cumsum(make_rr(30)) / 1000.0, rate_hz=RATE_HZ)
    kinds = (SignalKind.PPG_3, SignalKind.PPG_2)
    events = [block for kind in kinds for block in packets(wave, 28, stream_id=kind.value)]
    events.sort(key=lambda event: event.received_ns)
    derived = run_events([ppg_info(kind) for kind in kinds], events)
    assert {event.source for event in derived if isinstance(event, Beat)} == {SignalKind.PPG_2}


def test_pulse_and_ecg_of_intensive_care_tell_the_same_rate(data_folder: Path, read_columns: Any) -> None:
    columns = read_columns(data_folder / "bidmc" / "08.csv.gz", "ppg_au", limit=125 * 60)
    found_s = detect(columns["ppg_au"], 125.0)
    assert 60.0 / np.median(np.diff(found_s)) == pytest.approx(99.7, abs=2.0)

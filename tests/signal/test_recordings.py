"""Real people: floors on recordings with outside truth, and one hash for every cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BreathPhase, BreathTurn, Metrics, SkinResponse
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_signal.fingerprint import events_sha256

RATE_HZ = 100.0


@pytest.fixture(scope="module")
def resting(data_folder: Path, read_columns: Any, make_track: Any) -> list[Any]:
    columns = read_columns(data_folder / "neurokit" / "resting_8min_100hz.csv.gz", "ecg_mv", "rsp_au", "eda_us")
    return [
        make_track(columns["ecg_mv"] * 1000.0, kind=SignalKind.ECG, rate_hz=RATE_HZ),
        make_track(columns["rsp_au"], kind=SignalKind.RESPIRATION, rate_hz=RATE_HZ),
        make_track(columns["eda_us"], kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=RATE_HZ),
    ]


def test_a_resting_adult_gives_one_hash_for_every_chunk(resting: list[Any], run_tracks: Any) -> None:
    hashes = {events_sha256(run_tracks(*resting, block_s=block_s)) for block_s in (0.02, 0.1, 0.73, 5.0, 20.0)}
    assert len(hashes) == 1


def test_a_resting_adult_has_all_indices_and_few_responses(resting: list[Any], run_tracks: Any) -> None:
    derived = run_tracks(*resting, block_s=1.0)
    ticks = [event for event in derived if isinstance(event, Metrics) and event.t_ns > 90e9]
    for name in Metrics.index_names():
        reported = [getattr(tick, name).value for tick in ticks if getattr(tick, name).value is not None]
        assert len(reported) >= 0.95 * len(ticks), name
    assert sum(isinstance(event, SkinResponse) for event in derived) <= 8
    rates = [tick.heart_rate_bpm.value for tick in ticks if tick.heart_rate_bpm.value is not None]
    assert np.mean(rates) == pytest.approx(56.6, abs=1.0)


@pytest.mark.parametrize(
    ("record", "floor_150", "floor_50"),
    [
        ("100", 0.998, 0.998),
        ("103", 0.998, 0.998),
        ("106", 0.99, 0.985),
        ("119", 0.99, 0.99),
        ("203", 0.97, 0.955),
        ("208", 0.985, 0.98),
    ],
)
def test_cardiologists_beats_are_found(
    data_folder: Path,
    read_columns: Any,
    make_track: Any,
    run_tracks: Any,
    match_f1: Callable[..., float],
    record: str,
    floor_150: float,
    floor_50: float,
) -> None:
    n_samples = 360 * 360
    ecg = read_columns(data_folder / "mitdb" / f"{record}.csv.gz", "ecg_mv", limit=n_samples)["ecg_mv"]
    true_s = read_columns(data_folder / "mitdb" / f"{record}.beats.csv", "beat_s")["beat_s"]
    derived = run_tracks(make_track(ecg * 1000.0, kind=SignalKind.ECG, rate_hz=360.0), block_s=2.0)
    beats = [event for event in derived if isinstance(event, Beat) and not event.confirmed]
    found_s = np.array([beat.t_ns / 1e9 for beat in beats])
    true_s = true_s[true_s < n_samples / 360.0 - 0.5]
    found_s = found_s[found_s < n_samples / 360.0 - 0.5]
    assert match_f1(true_s, found_s, within_s=0.15) >= floor_150
    assert match_f1(true_s, found_s, within_s=0.05) >= floor_50
    delays_ms = [(beat.emitted_ns - beat.t_ns) / 1e6 for beat in beats if beat.t_ns > 5e9]
    assert np.quantile(delays_ms, 0.5) <= 160.0
    assert np.quantile(delays_ms, 0.9) <= 250.0, (
        "of hearts where every third beat is odd, one in twenty waits for the next"
    )


def test_a_real_straps_intervals_come_out_of_its_own_ecg(data_folder: Path, read_columns: Any, run_events: Any) -> None:
    columns = read_columns(data_folder / "polar_h10" / "ecg_rr_pvc.csv.gz", "time_ns", "ecg_mV", "rr_ms")
    has_ecg = np.isfinite(columns["ecg_mV"])
    stamps_ns = (columns["time_ns"][has_ecg] - columns["time_ns"][0]).astype(np.int64).tolist()
    counts = [int(count) for count in np.round(columns["ecg_mV"][has_ecg] * 1000.0)]
    info = StreamInfo(
        stream_id="ecg",
        kind=SignalKind.ECG,
        unit="uV",
        unit_per_count=1.0,
        sample_rate_hz=130.0,
        clock=Clock.DEVICE,
        device="strap",
    )
    packets = []
    for first in range(0, len(counts), 73):
        part = counts[first : first + 73]
        stamp_ns = stamps_ns[first + len(part) - 1]
        packets.append(
            SampleBlock(
                stream_id="ecg",
                received_ns=stamp_ns + 40_000_000,
                first_sample_idx=first,
                sensor_ns=stamp_ns,
                counts=tuple(part),
            )
        )
    beats = [event for event in run_events([info], packets) if isinstance(event, Beat) and event.confirmed]
    strap_ms = columns["rr_ms"][np.isfinite(columns["rr_ms"])]
    ours_ms = np.array([beat.rr_ms for beat in beats if beat.rr_ms is not None])
    assert abs(len(ours_ms) - len(strap_ms)) <= 6
    errors_ms = _aligned_errors(ours_ms, strap_ms)
    assert len(errors_ms) >= 0.97 * len(strap_ms)
    assert np.median(errors_ms) <= 0.7
    assert np.mean(errors_ms[errors_ms < 8.0]) <= 0.8


def _aligned_errors(ours_ms: Any, strap_ms: Any) -> Any:
    """Walk both series; where they part (a beat that one of them lacks), find the nearest offset that fits again."""
    n = 100
    shift = min(range(6), key=lambda step: float(np.median(np.abs(ours_ms[step : step + n] - strap_ms[:n]))))
    errors = []
    for k in range(len(strap_ms) - 2):
        for step in (0, 1, -1, 2, -2):
            at = k + shift + step
            fits = 0 <= at < len(ours_ms) - 2 and np.max(np.abs(ours_ms[at : at + 2] - strap_ms[k : k + 2])) < 60.0
            if fits:
                shift += step
                errors.append(abs(ours_ms[at] - strap_ms[k]))
                break
    return np.array(errors)


def test_breathing_rate_from_impedance_is_near_the_annotators(
    data_folder: Path, read_columns: Any, make_track: Any, run_tracks: Any
) -> None:
    errors = []
    for record in ("02", "05", "09", "13"):
        samples = read_columns(data_folder / "bidmc" / f"{record}.csv.gz", "rsp_au")["rsp_au"]
        truth = read_columns(data_folder / "bidmc" / f"{record}.breaths.csv", "annotator", "breath_s")
        true_s = truth["breath_s"][truth["annotator"] == 1]
        derived = run_tracks(make_track(samples, kind=SignalKind.RESPIRATION, rate_hz=125.0), block_s=2.0)
        turns = (event for event in derived if isinstance(event, BreathTurn) and event.phase is BreathPhase.IN)
        found_s = np.array([turn.t_ns / 1e9 for turn in turns])
        for start_s in range(0, 448, 4):
            rates = [_rate_within(times_s, start_s, start_s + 32.0) for times_s in (true_s, found_s)]
            if rates[0] is not None and rates[1] is not None:
                errors.append(abs(rates[1] - rates[0]))
    assert np.mean(errors) <= 0.5


def _rate_within(times_s: Any, start_s: float, end_s: float) -> float | None:
    inside = times_s[(times_s >= start_s) & (times_s < end_s)]
    return 60.0 * (len(inside) - 1) / float(inside[-1] - inside[0]) if len(inside) >= 2 else None

"""The slow lane: NeuroKit2 as an oracle for the live lane, and its own failures in words."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_signal.hrv import rmssd_ms
from becalm_signal.neurokit_lane import RawSignal, WindowReport, session_report, window_report

FAMILIES = {"time", "frequency", "nonlinear", "rsa", "eda"}
RATE_HZ = 50.0


def raw(kind: SignalKind, samples: Any, *, rate_hz: float = RATE_HZ) -> RawSignal:
    return RawSignal(kind=kind, sample_rate_hz=rate_hz, unit_per_count=1e-3, counts=np.asarray(samples) * 1e3)


def window(rr_ms: Sequence[float], *signals: RawSignal) -> WindowReport:
    return window_report(rr_ms=rr_ms, beats_s=(np.cumsum(rr_ms) / 1000.0).tolist(), signals=signals)


def sine(hz: float, *, seconds: float, level: float = 0.0) -> Any:
    return level + np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def test_live_rmssd_equals_neurokits(make_rr: Any) -> None:
    rr = make_rr(80)
    indices = window(rr).indices
    assert indices["HRV_RMSSD"] == pytest.approx(rmssd_ms(rr), rel=1e-9)
    assert indices["HRV_SDNN"] == pytest.approx(float(np.std(rr, ddof=1)), rel=1e-9)
    assert all(np.isfinite(number) for number in indices.values())


def test_no_difference_reaches_over_a_hole(make_rr: Any) -> None:
    first, second = make_rr(30, mean_ms=700.0), make_rr(30, mean_ms=1100.0, seed=2)
    ends_s = np.concatenate([np.cumsum(first), sum(first) + 5000.0 + np.cumsum(second)]) / 1000.0
    told = window_report(rr_ms=[*first, *second], beats_s=ends_s.tolist())
    steps = np.concatenate([np.diff(first), np.diff(second)])
    assert told.indices["HRV_RMSSD"] == pytest.approx(float(np.sqrt(np.mean(steps**2))), rel=1e-9)
    assert {"rsa", "eda"} <= set(told.withheld)


def test_live_indices_of_a_resting_adult_equal_neurokits_on_the_same_beats(
    data_folder: Path, read_columns: Any, make_track: Any, run_tracks: Any
) -> None:
    told = read_columns(data_folder / "neurokit" / "resting_8min_100hz.csv.gz", "ecg_mv", "eda_us", limit=13_000)
    derived = run_tracks(
        make_track(told["ecg_mv"] * 1000.0, kind=SignalKind.ECG, rate_hz=100.0),
        make_track(told["eda_us"], kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=100.0),
    )
    (tick,) = [event for event in derived if isinstance(event, Metrics) and event.t_ns == 120 * 10**9]
    settled = {(e.source, e.beat_idx): e for e in derived if isinstance(e, Beat) and e.confirmed}
    beats = [b for b in settled.values() if tick.t_ns - 60 * 10**9 < b.t_ns <= (tick.rmssd_ms.sample_ns or 0)]
    assert {beat.flag for beat in beats} == {BeatFlag.OK}
    skin = raw(SignalKind.SKIN_CONDUCTANCE, told["eda_us"][9_000:12_000], rate_hz=100.0)
    oracle = window_report(
        rr_ms=[beat.rr_ms or 0.0 for beat in beats],
        beats_s=[(beat.t_ns - tick.t_ns) / 1e9 + 60.0 for beat in beats],
        signals=[skin],
    ).indices
    assert tick.rmssd_ms.value == pytest.approx(oracle["HRV_RMSSD"], rel=1e-6)
    (slow,) = [event for event in derived if isinstance(event, SlowMetrics) and event.t_ns == tick.t_ns]
    for name, theirs, tolerance in (
        ("mean_rr_ms", "HRV_MeanNN", 1e-6),
        ("sdnn_ms", "HRV_SDNN", 1e-6),
        ("pnn50_pct", "HRV_pNN50", 0.02),  # NeuroKit2 divides by intervals, the Task Force by their differences
        ("sd1_ms", "HRV_SD1", 0.01),  # NeuroKit2's standard deviations take out the mean difference
        ("sd2_ms", "HRV_SD2", 0.01),
    ):
        assert getattr(slow, name).value == pytest.approx(oracle[theirs], rel=tolerance), name
    assert tick.scl_us.value == pytest.approx(oracle["EDA_Tonic_Mean"], rel=0.05)  # a causal level against zero phase


def test_live_rsa_of_a_resting_adult_is_near_neurokits_peak_to_trough(
    data_folder: Path, read_columns: Any, make_track: Any, run_tracks: Any
) -> None:
    """The same beats, each with its own breaths: minute by minute within a fifth, on the whole within a tenth.

    NeuroKit2 takes the longest interval of an exhalation less the shortest of an inhalation (Grossman 1990), here both
    may lie anywhere in the breath: that is more where the heart lags behind a slow breath.
    """
    told = read_columns(data_folder / "neurokit" / "resting_8min_100hz.csv.gz", "ecg_mv", "rsp_au", limit=30_000)
    derived = run_tracks(
        make_track(told["ecg_mv"] * 1000.0, kind=SignalKind.ECG, rate_hz=100.0),
        make_track(told["rsp_au"], kind=SignalKind.RESPIRATION, rate_hz=100.0),
    )
    settled = {(e.source, e.beat_idx): e for e in derived if isinstance(e, Beat) and e.confirmed}
    ours, theirs = [], []
    for end_s in range(120, 301, 60):
        beats = [beat for beat in settled.values() if end_s - 60 < beat.t_ns / 1e9 <= end_s and beat.rr_ms]
        breathing = raw(SignalKind.RESPIRATION, told["rsp_au"][100 * (end_s - 60) : 100 * end_s], rate_hz=100.0)
        oracle = window_report(
            rr_ms=[beat.rr_ms or 0.0 for beat in beats],
            beats_s=[beat.t_ns / 1e9 - end_s + 60.0 for beat in beats],
            signals=[breathing],
        ).indices
        of_minute = [
            event.rsa_ms.value
            for event in derived
            if isinstance(event, SlowMetrics) and end_s - 20 < event.t_ns / 1e9 <= end_s and event.rsa_ms.value
        ]
        if of_minute and "RSA_P2T_Mean" in oracle:
            ours.append(float(np.mean(of_minute)))
            theirs.append(oracle["RSA_P2T_Mean"])
    assert len(ours) == 4
    assert ours == pytest.approx(theirs, rel=0.2)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.1)


def test_a_window_of_heart_breath_and_skin(make_rr: Any) -> None:
    rr = make_rr(66, rsa_ms=50.0)
    t_s = np.arange(round(60 * RATE_HZ)) / RATE_HZ
    told = window(
        rr,
        raw(SignalKind.RESPIRATION, np.sin(2 * np.pi * 0.22 * t_s)),
        raw(SignalKind.SKIN_CONDUCTANCE, 5.0 + 0.4 * np.exp(-((t_s - 30.0) ** 2) / 2.0)),
    )
    assert told.indices["RSA_P2T_Mean"] == pytest.approx(100.0, abs=25.0)
    assert told.indices["SCR_Peaks_N"] >= 1.0  # the high-pass makes a second one of the first's foot
    assert told.indices["EDA_Tonic_Mean"] == pytest.approx(5.0, abs=0.1)
    assert told.indices.keys() >= {"HRV_HF", "HRV_SD1", "HRV_SampEn", "RSA_Gates_Mean"}
    assert set(told.withheld) == {"frequency"}
    assert "HRV_LF" not in told.indices  # a minute holds no two and a half cycles of 0.04 Hz


def test_rsa_is_told_of_the_longest_stretch_with_breath(make_rr: Any) -> None:
    breathing = sine(0.22, seconds=60.0)
    breathing[:20], breathing[1000:1120], breathing[1::2] = np.nan, np.nan, np.nan
    told = window(make_rr(66, rsa_ms=50.0), raw(SignalKind.RESPIRATION, breathing))
    assert told.indices["RSA_P2T_Mean"] == pytest.approx(80.0, abs=30.0)  # the first and the last breath are cut
    breathing[2000:2100] = np.nan
    told = window(make_rr(66, rsa_ms=50.0), raw(SignalKind.RESPIRATION, breathing))
    assert "expected 33 s of beats and breathing without a hole" in told.withheld["rsa"]


def test_low_frequencies_of_five_minutes(make_rr: Any) -> None:
    told = window(make_rr(330))
    assert told.indices["HRV_LF"] > 0.0
    assert set(told.withheld) == {"rsa", "eda"}


@pytest.mark.parametrize(
    "rr_ms", [[], [800.0], [800.0] * 3, [800.0] * 30, [0.0] * 30, [1e9] * 20, [float("nan")] * 30, [50.0, 9999.0] * 9]
)
@pytest.mark.parametrize("seconds", [0.0, 5.0, 20.0, 60.0])
def test_odd_windows_end_in_words(rr_ms: list[float], seconds: float) -> None:
    breathing, skin = sine(0.2, seconds=seconds), np.full(round(seconds * RATE_HZ), 4.0)
    skin[: len(skin) // 3] = np.nan
    told = window(rr_ms, raw(SignalKind.RESPIRATION, breathing), raw(SignalKind.SKIN_CONDUCTANCE, skin))
    text = json.dumps([told.indices, told.withheld], allow_nan=False)
    assert "Error" not in text
    families = {name.split("_")[0] for name in told.indices}
    assert set(told.withheld) <= FAMILIES
    assert families or set(told.withheld) == FAMILIES


def test_a_report_of_three_signals(make_ecg: Any, make_rr: Any) -> None:
    heart = make_ecg(make_rr(70), rate_hz=100.0)
    t_s = np.arange(len(heart.samples)) / 100.0
    report = session_report(
        [
            raw(SignalKind.ECG, heart.samples, rate_hz=100.0),
            raw(SignalKind.RESPIRATION, np.sin(2 * np.pi * 0.2 * t_s), rate_hz=100.0),
            raw(SignalKind.SKIN_CONDUCTANCE, 5.0 + 0.3 * np.sin(2 * np.pi * 0.05 * t_s), rate_hz=100.0),
        ]
    )
    json.dumps(report, allow_nan=False)
    assert report["ecg"]["heart_rate_bpm"] == pytest.approx(60_000 / 900, abs=2.0)
    assert report["respiration"]["breathing_rate_bpm"] == pytest.approx(12.0, abs=0.5)
    assert report["skin_conductance"]["scl_us"] == pytest.approx(5.0, abs=0.2)
    assert report["neurokit2"]


@pytest.mark.parametrize("seconds", [0.1, 1.0, 5.0, 9.0, 11.0, 20.0, 31.0])
def test_a_report_of_a_short_session_is_words_not_exceptions(make_ecg: Any, make_rr: Any, seconds: float) -> None:
    n = round(seconds * 100.0)
    heart = make_ecg(make_rr(70), rate_hz=100.0).samples[:n]
    slow = np.sin(2 * np.pi * 0.1 * np.arange(n) / 100.0)
    report = session_report(
        [
            raw(SignalKind.ECG, heart, rate_hz=100.0),
            raw(SignalKind.RESPIRATION, slow, rate_hz=100.0),
            raw(SignalKind.SKIN_CONDUCTANCE, 4.0 + 0.0 * slow, rate_hz=100.0),
        ],
        rr_ms=make_rr(4),
    )
    assert "Error" not in json.dumps(report, allow_nan=False)
    if seconds < 10.0:
        assert "expected 10 s without a hole" in report["ecg"]["failed"]
    elif seconds < 30.0:
        assert any(word in report["respiration"]["failed"] for word in ("at least 3 breaths", "too short"))


def test_a_report_says_what_it_could_not_do() -> None:
    report = session_report(
        [raw(SignalKind.ECG, [0.0] * 3000), raw(SignalKind.RESPIRATION, [float("nan")] * 3000)],
        rr_ms=[800.0, 790.0] * 20,
    )
    json.dumps(report, allow_nan=False)
    assert "expected at least 11 heartbeats" in report["ecg"]["failed"]
    assert "without a hole" in report["respiration"]["failed"]
    assert report["rr"]["HRV_MeanNN"] == pytest.approx(795.0)


def test_the_live_lane_loads_nothing_heavy() -> None:
    code = (
        "import sys, becalm_signal.pipeline; print(*{'neurokit2', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == []

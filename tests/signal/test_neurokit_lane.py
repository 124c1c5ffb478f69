"""The slow lane: NeuroKit2 as an oracle for the live lane, and its own failures in words."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from becalm_protocol.events import SignalKind
from becalm_signal.hrv import rmssd_ms
from becalm_signal.neurokit_lane import RawSignal, hrv_window, session_report


def test_live_rmssd_equals_neurokits(make_rr: Any) -> None:
    rr = make_rr(80)
    indices = hrv_window(rr)
    assert indices["HRV_RMSSD"] == pytest.approx(rmssd_ms(rr), rel=1e-9)
    assert indices["HRV_SDNN"] == pytest.approx(float(np.std(rr, ddof=1)), rel=1e-9)
    assert all(np.isfinite(number) for number in indices.values())


@pytest.mark.parametrize("rr_ms", [[], [800.0] * 3, [800.0] * 30, [0.0] * 30, [1e9] * 20])
def test_odd_windows_give_what_they_can(rr_ms: list[float]) -> None:
    json.dumps(hrv_window(rr_ms), allow_nan=False)


def test_a_report_of_three_signals(make_ecg: Any, make_rr: Any) -> None:
    heart = make_ecg(make_rr(70), rate_hz=100.0)
    t_s = np.arange(len(heart.samples)) / 100.0
    report = session_report(
        [
            RawSignal(
                kind=SignalKind.ECG, sample_rate_hz=100.0, unit_per_count=1.0, counts=heart.samples.astype(int).tolist()
            ),
            RawSignal(
                kind=SignalKind.RESPIRATION,
                sample_rate_hz=100.0,
                unit_per_count=1e-3,
                counts=(1000 * np.sin(2 * np.pi * 0.2 * t_s)).astype(int).tolist(),
            ),
            RawSignal(
                kind=SignalKind.SKIN_CONDUCTANCE,
                sample_rate_hz=100.0,
                unit_per_count=1e-3,
                counts=(5000 + 300 * np.sin(2 * np.pi * 0.05 * t_s)).astype(int).tolist(),
            ),
        ]
    )
    json.dumps(report, allow_nan=False)
    assert report["ecg"]["heart_rate_bpm"] == pytest.approx(60_000 / 900, abs=2.0)
    assert report["respiration"]["breathing_rate_bpm"] == pytest.approx(12.0, abs=0.5)
    assert report["skin_conductance"]["scl_us"] == pytest.approx(5.0, abs=0.2)
    assert report["neurokit2"]


def test_a_report_says_what_it_could_not_do() -> None:
    report = session_report(
        [
            RawSignal(kind=SignalKind.ECG, sample_rate_hz=100.0, unit_per_count=1.0, counts=[0] * 3000),
            RawSignal(
                kind=SignalKind.RESPIRATION, sample_rate_hz=100.0, unit_per_count=1.0, counts=[float("nan")] * 3000
            ),
        ],
        rr_ms=[800.0, 790.0] * 20,
    )
    json.dumps(report, allow_nan=False)
    assert "NeuroKit2 gave up" in report["ecg"]["failed"]
    assert "without a hole" in report["respiration"]["failed"]
    assert report["rr"]["HRV_MeanNN"] == pytest.approx(795.0)


def test_the_live_lane_loads_nothing_heavy() -> None:
    code = (
        "import sys, becalm_signal.pipeline; "
        "print(*{'neurokit2', 'pandas', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == []

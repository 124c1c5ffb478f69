"""The heart's slow indices out of the whole pipeline: told when their window is full, withheld with the live ones."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_signal.heart_section import HeartSection
from becalm_signal.interval_log import IntervalLog
from becalm_signal.slow_board import Moment

MINUTE = ("mean_rr_ms", "ln_rmssd", "sdnn_ms", "pnn50_pct", "sd1_ms", "sd2_ms")
LONG = ("mean_rr_300s_ms", "rmssd_300s_ms", "sdnn_300s_ms", "pnn50_300s_pct")
BANDS = ("lf_ms2", "hf_ms2", "lf_hf", "lf_peak_hz")


@pytest.fixture(scope="module")
def slow(run_tracks: Any, make_track: Any, make_ecg: Any, make_rr: Any) -> list[SlowMetrics]:
    """Give the slow indices of six minutes of a heart that swings at 0.22 Hz."""
    heart = make_ecg(make_rr(420), rate_hz=130.0)
    derived = run_tracks(make_track(heart.samples, kind=SignalKind.ECG, rate_hz=130.0))
    return [event for event in derived if isinstance(event, SlowMetrics)]


def test_each_is_told_once_its_window_is_full(slow: list[SlowMetrics]) -> None:
    first_s = {
        name: next((s.t_ns / 1e9 for s in slow if getattr(s, name).value is not None), None)
        for name in (*MINUTE, *LONG, *BANDS)
    }
    assert {first_s[name] for name in MINUTE} <= {50.0, 55.0}
    assert {first_s[name] for name in LONG} <= {245.0, 250.0}
    assert {first_s[name] for name in BANDS} <= {65.0, 70.0, 75.0}


def test_they_fit_each_other_and_the_heart(slow: list[SlowMetrics]) -> None:
    last = slow[-1]
    value = {f.name: getattr(last, f.name).value for f in fields(last) if f.name in (*MINUTE, *LONG, *BANDS)}
    assert value["mean_rr_300s_ms"] == pytest.approx(900.0, abs=3.0)
    assert value["sdnn_ms"] == pytest.approx((40.0**2 / 2 + 12.0**2) ** 0.5, rel=0.1)
    assert value["sd1_ms"] ** 2 + value["sd2_ms"] ** 2 == pytest.approx(2.0 * value["sdnn_ms"] ** 2)
    assert value["hf_ms2"] == pytest.approx(40.0**2 / 2, rel=0.25)
    assert value["lf_hf"] == pytest.approx(value["lf_ms2"] / value["hf_ms2"])
    assert 0.04 <= value["lf_peak_hz"] <= 0.15


def test_without_an_ecg_or_a_strap_there_is_no_sensor(run_tracks: Any, make_track: Any) -> None:
    derived = run_tracks(make_track(np.full(400, 4.0), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    last = [event for event in derived if isinstance(event, SlowMetrics)][-1]
    assert {getattr(last, name).reason for name in (*MINUTE, *LONG, *BANDS)} == {Reason.NO_SENSOR}
    assert last.heart_source is None


def test_a_heart_that_counts_only_now_is_told_of_at_once(make_rr: Any) -> None:
    log, rr_ms = IntervalLog(), make_rr(340)
    for k, t_ms in enumerate(np.cumsum(rr_ms).tolist()):
        t_ns = round(t_ms * 1e6)
        beat = Beat(
            beat_idx=k,
            t_ns=t_ns,
            emitted_ns=t_ns,
            source=SignalKind.RR,
            rr_ms=rr_ms[k],
            flag=BeatFlag.OK,
            confirmed=True,
        )
        log.apply(beat)
    now_ns = log.since(0)[-1].t_ns
    live = Metrics(
        t_ns=now_ns,
        emitted_ns=now_ns,
        arousal_from=None,
        **dict.fromkeys(Metrics.index_names(), Index(value=40.0, bound=2.0)),
    )
    moment = Moment(now_ns=now_ns, heart=SignalKind.RR, intervals=log, breath=None, metrics=live, bad={})
    told = HeartSection().indices(moment)
    assert {name: index.reason for name, index in told.items()} == dict.fromkeys((*MINUTE, *LONG, *BANDS))
    assert told["hf_ms2"].value == pytest.approx(40.0**2 / 2, rel=0.25)

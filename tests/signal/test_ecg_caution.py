"""What mars an ECG is told while its beats are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, Reason, SignalQuality
from becalm_protocol.events import SignalKind

R_UV = 1000.0
# R, Q and S of the synthetic heart: from -200 to 1000 uV.
QRS_UV = 1.15 * R_UV
BEGINS_S, ENDS_S = 20.0, 45.0
# What comes at once is called noise until beats have gone on in it.
EASED_S = 5.0


def told(derived: Any) -> list[SignalQuality]:
    return [event for event in derived if isinstance(event, SignalQuality)]


def changes(derived: Any) -> list[SignalQuality]:
    """Return what was told where the caution changed."""
    events = told(derived)
    befores = [None, *(event.caution for event in events)]
    return [event for event, before in zip(events, befores, strict=False) if event.caution is not before]


def n_beats(derived: Any) -> int:
    return sum(isinstance(event, Beat) and event.confirmed for event in derived)


@pytest.fixture
def heart(make_ecg: Any, make_rr: Any) -> Any:
    return lambda rate_hz, seconds=70: make_ecg(make_rr(round(seconds / 0.9)), rate_hz=rate_hz, r_uv=R_UV)


@pytest.fixture
def derive(make_track: Any, run_tracks: Any) -> Any:
    return lambda samples, rate_hz, **how: run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=rate_hz), **how)


def hum(n_samples: int, rate_hz: float, *, hz: float, share: float, begins_s: float = 0.0, ends_s: float = 1e9) -> Any:
    t_s = np.arange(n_samples) / rate_hz
    inside = np.clip((t_s - begins_s) / EASED_S, 0.0, 1.0) * (t_s < ends_s)
    return share * QRS_UV * inside * np.sin(2 * np.pi * hz * t_s + 1.2)


@pytest.mark.parametrize("hz", [50.0, 60.0])
@pytest.mark.parametrize("rate_hz", [100.0, 105.0, 110.0, 125.0, 130.0, 250.0, 1000.0])
def test_hum_is_told_while_it_lasts_and_costs_no_beat(heart: Any, derive: Any, rate_hz: float, hz: float) -> None:
    ecg = heart(rate_hz)
    plain = derive(ecg.samples, rate_hz)
    mains = hum(len(ecg.samples), rate_hz, hz=hz, share=0.1, begins_s=BEGINS_S, ends_s=ENDS_S)
    derived = derive(ecg.samples + mains, rate_hz)
    assert told(plain) == []
    began, ended = changes(derived)
    assert (began.caution, ended.caution) == (Reason.POWERLINE, None)
    assert BEGINS_S + 2.0 < began.t_ns / 1e9 < BEGINS_S + 12.0
    assert ENDS_S + 2.0 < ended.t_ns / 1e9 < ENDS_S + 6.0
    assert n_beats(derived) >= n_beats(plain) - 1


@pytest.mark.parametrize(("share", "is_told"), [(0.04, False), (0.06, True)])
@pytest.mark.parametrize("rate_hz", [125.0, 130.0, 500.0])
def test_hum_counts_from_a_twentieth_of_a_beat(
    heart: Any, derive: Any, rate_hz: float, share: float, is_told: bool
) -> None:
    ecg = heart(rate_hz, 40)
    derived = derive(ecg.samples + hum(len(ecg.samples), rate_hz, hz=50.0, share=share), rate_hz)
    assert [event.caution for event in told(derived)] == ([Reason.POWERLINE] if is_told else [])


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 1000.0])
def test_muscle_wander_and_offset_are_no_hum(heart: Any, derive: Any, rate_hz: float) -> None:
    ecg = heart(rate_hz)
    t_s = np.arange(len(ecg.samples)) / rate_hz
    muscle = np.random.default_rng(5).normal(0.0, 0.1 * R_UV, len(t_s))
    derived = derive(ecg.samples + muscle + 2000.0 * np.sin(2 * np.pi * 0.3 * t_s) + 1e5, rate_hz)
    assert {event.caution for event in told(derived)} <= {None}
    assert n_beats(derived) > 70


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 1000.0])
def test_beats_that_reach_the_end_of_the_range_are_told_while_they_do(heart: Any, derive: Any, rate_hz: float) -> None:
    ecg = heart(rate_hz)
    t_s = np.arange(len(ecg.samples)) / rate_hz
    level = 0.6 * R_UV * np.clip(np.minimum(t_s - BEGINS_S, ENDS_S - t_s) / EASED_S, 0.0, 1.0)
    derived = derive(np.minimum(ecg.samples + level, 1.3 * R_UV), rate_hz)
    began, ended = changes(derived)
    assert (began.caution, ended.caution) == (Reason.CLIPPED, None)
    assert BEGINS_S < began.t_ns / 1e9 < BEGINS_S + EASED_S + 6.0
    assert ENDS_S - EASED_S < ended.t_ns / 1e9 < ENDS_S + 9.0


def test_hum_is_told_at_the_same_moments_for_every_cut(heart: Any, derive: Any) -> None:
    ecg = heart(130.0, 50)
    samples = ecg.samples + hum(len(ecg.samples), 130.0, hz=60.0, share=0.2, begins_s=12.0, ends_s=35.0)
    whole = told(derive(samples, 130.0))
    assert Reason.POWERLINE in {event.caution for event in whole}
    for block_s in (1 / 130.0, 7 / 130.0, 73 / 130.0):
        assert told(derive(samples, 130.0, block_s=block_s)) == whole


def test_what_is_told_later_speaks_of_a_later_moment(heart: Any, derive: Any) -> None:
    ecg, rng = heart(130.0), np.random.default_rng(2)
    for off_s in np.arange(31.0, 33.0, 0.25):  # hum is told about 8 s after it began, and electrodes then come off
        t_s = np.arange(len(ecg.samples)) / 130.0
        samples = ecg.samples + hum(len(t_s), 130.0, hz=50.0, share=0.1, begins_s=24.0)
        off = (t_s >= off_s) & (t_s < 40.0)
        samples[off] = 500.0 * np.sin(2 * np.pi * 50.0 * t_s[off]) + rng.normal(0.0, 150.0, int(off.sum()))
        moments = [event.t_ns for event in told(derive(samples, 130.0))]
        assert len(moments) >= 2
        assert moments == sorted(set(moments))


def test_what_is_seen_while_electrodes_are_off_mars_no_heart(heart: Any, derive: Any) -> None:
    ecg = heart(130.0)
    t_s = np.arange(len(ecg.samples)) / 130.0
    off = (t_s >= 25.0) & (t_s < 40.0)
    ecg.samples[off] = 400.0 * np.sin(2 * np.pi * 50.0 * t_s[off])
    events = told(derive(ecg.samples, 130.0))
    assert {event.caution for event in events} == {None}
    assert events[-1].reason is None


@pytest.mark.parametrize(
    ("record", "cautions"), [("01", {Reason.CLIPPED}), ("05", set()), ("13", {Reason.CLIPPED}), ("15", set())]
)
def test_recordings_are_cautioned_of_only_where_they_are_cut_off(
    data_folder: Path, read_columns: Any, derive: Any, record: str, cautions: set[Reason]
) -> None:
    ecg_mv = read_columns(data_folder / "bidmc" / f"{record}.csv.gz", "ecg_mv", limit=125 * 90)["ecg_mv"]
    assert {event.caution for event in told(derive(1000.0 * ecg_mv, 125.0)) if event.caution} == cautions


def test_a_strap_is_cautioned_of_only_with_hum(data_folder: Path, read_columns: Any, derive: Any) -> None:
    ecg_mv = read_columns(data_folder / "polar_h10" / "ecg_rr_pvc.csv.gz", "ecg_mV", limit=130 * 90)["ecg_mV"]
    ecg_uv = 1000.0 * ecg_mv[np.isfinite(ecg_mv)]
    t_s = np.arange(len(ecg_uv)) / 130.0
    assert told(derive(ecg_uv, 130.0)) == []
    marred = told(derive(ecg_uv + 150.0 * np.sin(2 * np.pi * 60.0 * t_s), 130.0))
    assert [event.caution for event in marred] == [Reason.POWERLINE]

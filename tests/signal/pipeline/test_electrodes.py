"""A person at rest whose electrodes come off: put back elsewhere they are no calm and no fright."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Metrics, Reason, SlowMetrics
from becalm_protocol.events import Clock, Pacer, Phase, PhaseChange, RrBlock, SignalKind, StreamInfo

RATE_HZ, SECONDS, PRACTICE_S, OFF_S, BACK_S = 8.0, 600, 120, 300, 320
EARLY_S = 64
RR_INFO = StreamInfo(
    stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
)


@pytest.fixture
def rest(make_track: Any, cut_blocks: Any, run_events: Any) -> Any:
    """Give a function from the skin conductance that electrodes show to what is derived of ten minutes of rest."""

    def run(shown_us: Any, *, practice_s: int = PRACTICE_S, lost_s: Sequence[tuple[int, int]] = ()) -> list[Any]:
        dice = np.random.default_rng(5)
        rr_1024 = np.rint(870 + 25 * np.sin(np.arange(700) / 2.7) + dice.normal(0.0, 8.0, 700)).astype(int)
        ends_s = np.cumsum(rr_1024) / 1024.0
        heart = [
            RrBlock(stream_id="rr", received_ns=round(1e9 * (end_s + 0.5)), rr_1024=(int(ticks),))
            for end_s, ticks in zip(ends_s, rr_1024, strict=True)
            if end_s < SECONDS
        ]
        track = make_track(shown_us, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=RATE_HZ)
        pacer = Pacer(started_ns=practice_s * 10**9, inhale_s=4.0, exhale_s=6.0)
        practice = PhaseChange(t_ns=practice_s * 10**9, phase=Phase.PRACTICE, pacer=pacer)
        heard = [
            block
            for block in cut_blocks(track, [4] * len(shown_us))
            if not any(begin_s <= block.first_sample_idx / RATE_HZ < end_s for begin_s, end_s in lost_s)
        ]
        events = sorted([*heart, *heard], key=lambda event: event.received_ns)
        at = next(n for n, event in enumerate(events) if event.received_ns >= practice.t_ns)
        derived: list[Any] = run_events([RR_INFO, track.info], [*events[:at], practice, *events[at:]])
        return derived

    return run


def calm_us() -> Any:
    t_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    return t_s, 5.0 + 0.1 * np.sin(t_s / 40.0) + np.random.default_rng(1).normal(0.0, 0.003, len(t_s))


def late(derived: list[Any]) -> list[Metrics]:
    return [tick for tick in derived if isinstance(tick, Metrics) and tick.t_ns > (BACK_S + 60) * 10**9]


@pytest.mark.parametrize("share", [0.6, 0.75, 1.3, 1.7])
def test_electrodes_put_back_elsewhere_change_no_arousal(rest: Any, share: float) -> None:
    t_s, skin_us = calm_us()
    moved_us = np.where(t_s < OFF_S, skin_us, np.where(t_s < BACK_S, 0.0, share * skin_us))
    still, moved = rest(skin_us), rest(moved_us)
    for before, after in zip(late(still), late(moved), strict=True):
        assert before.arousal.value is not None
        assert after.arousal.value is not None
        assert after.arousal.bound is not None
        assert abs(after.arousal.value - before.arousal.value) <= after.arousal.bound
    slow = [event for event in moved if isinstance(event, SlowMetrics) and event.t_ns > 400 * 10**9]
    assert {event.subsidence.reason for event in slow} == {Reason.CANNOT_TELL}
    assert late(moved)[-1].scl_us.value == pytest.approx(share * 5.0, rel=0.05)


@pytest.mark.parametrize("off_s", [10, 25, 35, 50])
@pytest.mark.parametrize("share", [0.6, 1.5])
def test_electrodes_put_back_elsewhere_in_the_baseline_change_no_arousal(rest: Any, off_s: int, share: float) -> None:
    t_s, skin_us = calm_us()
    moved_us = np.where(t_s < off_s, skin_us, np.where(t_s < off_s + 4, 0.0, share * skin_us))
    still, moved = rest(skin_us, practice_s=EARLY_S), rest(moved_us, practice_s=EARLY_S)
    for before, after in zip(late(still), late(moved), strict=True):
        assert before.arousal.value is not None
        assert after.arousal.value is not None
        assert after.arousal.bound is not None
        assert abs(after.arousal.value - before.arousal.value) <= after.arousal.bound


def test_electrodes_put_back_where_they_were_go_on(rest: Any) -> None:
    t_s, skin_us = calm_us()
    skin_us = skin_us - 1.5 * (1.0 - np.exp(-np.clip(t_s - PRACTICE_S, 0.0, None) / 60.0))
    derived = rest(np.where((t_s >= OFF_S) & (t_s < BACK_S), 0.0, skin_us))
    last = [event for event in derived if isinstance(event, SlowMetrics)][-1]
    assert last.subsidence.value is not None
    assert last.subsidence.value > 5.0


def test_lost_packets_move_no_electrodes(rest: Any) -> None:
    t_s, skin_us = calm_us()
    skin_us = skin_us - 1.5 * (1.0 - np.exp(-np.clip(t_s - PRACTICE_S, 0.0, None) / 90.0))
    derived = rest(skin_us, lost_s=[(begin_s, begin_s + 2) for begin_s in range(PRACTICE_S + 5, SECONDS, 30)])
    last = [event for event in derived if isinstance(event, SlowMetrics)][-1]
    assert last.subsidence.value is not None
    assert last.subsidence.value > 5.0

"""RR intervals of a strap: laid on the session clock by their sum, broken where beats were lost."""

from itertools import pairwise
from typing import Any

import pytest

from becalm_protocol.derived import Beat, BeatFlag, Reason, SignalQuality
from becalm_protocol.events import RrBlock
from becalm_signal.strap import StrapStage


def block(rr_1024: tuple[int, ...], t_s: float, *, in_contact: bool | None = None) -> RrBlock:
    return RrBlock(stream_id="rr", received_ns=round(t_s * 1e9), rr_1024=rr_1024, in_contact=in_contact)


def provisional(outputs: list[Any]) -> list[Beat]:
    return [event for event in outputs if isinstance(event, Beat) and not event.confirmed]


def test_beats_never_lie_after_their_notification_and_keep_their_intervals() -> None:
    stage = StrapStage()
    beats: list[Beat] = []
    latency_s = [1.9, 0.4, 1.2, 0.1, 2.0, 0.3, 0.7, 1.5]
    for k in range(40):
        t_s = 1.6 * (k + 1) + latency_s[k % 8]
        new = provisional(stage.feed(block((820, 819), t_s)))
        assert all(beat.t_ns <= t_s * 1e9 for beat in new)
        beats += new
    times_ns = [beat.t_ns for beat in beats]
    assert times_ns == sorted(times_ns)
    late = [(after - before) / 1e6 for before, after in pairwise(times_ns[20:])]
    assert late == pytest.approx([800.0] * len(late), abs=3.0)
    assert [beat.flag for beat in beats] == [BeatFlag.FIRST] + [BeatFlag.OK] * (len(beats) - 1)
    assert beats[1].rr_ms == 819 * 1000 / 1024


def test_a_silence_breaks_the_run() -> None:
    stage = StrapStage()
    for k in range(10):
        stage.feed(block((820,), 0.8 * (k + 1)))
    after = provisional(stage.feed(block((820, 830), 30.0)))
    assert after[0].flag is BeatFlag.FIRST
    assert after[-1].t_ns == 30_000_000_000


def test_without_contact_there_are_no_beats() -> None:
    stage = StrapStage()
    stage.feed(block((820,), 1.0, in_contact=True))
    out = stage.feed(block((400,), 2.0, in_contact=False))
    assert not provisional(out)
    assert [event.reason for event in out if isinstance(event, SignalQuality)] == [Reason.NOISY]
    back = stage.feed(block((820,), 3.0, in_contact=True))
    assert [event.reason for event in back if isinstance(event, SignalQuality)] == [None]
    assert provisional(back)[0].flag is BeatFlag.FIRST


@pytest.mark.parametrize("ticks", [0, 100, 4000])
def test_absurd_intervals_are_never_accepted(ticks: int) -> None:
    stage = StrapStage()
    for k in range(10):
        stage.feed(block((820,), 0.8 * (k + 1)))
    assert provisional(stage.feed(block((ticks,), 9.0)))[0].flag is not BeatFlag.OK


def test_empty_notifications_are_nothing() -> None:
    assert StrapStage().feed(block((), 1.0)) == []

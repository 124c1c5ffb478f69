"""The kept frames of a session: what a client that comes back is given, and what it is told to have missed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.events import Battery, SignalKind
from becalm_protocol.handshake import Ledger, Waveform
from becalm_protocol.live import Resume
from becalm_protocol.units import NS_PER_S
from becalm_server import feed as feed_module
from becalm_server.feed import KEPT_NS, MAX_KEPT, Feed

STEP_NS = 50_000_000


def ledger(t_ns: int) -> Ledger:
    return Ledger(sample_ns=t_ns, received_ns=t_ns, accepted_ns=t_ns, published_ns=t_ns)


def filled(n: int, *, step_ns: int = STEP_NS) -> Feed:
    feed = Feed("5e55", person_id="p", clock=lambda: 7)
    for k in range(1, n + 1):
        event = Battery(stream_id="strap", received_ns=k * step_ns, level_pct=k % 101)
        feed.append(event, ledger=ledger(k * step_ns), now_ns=k * step_ns)
    return feed


@given(n=st.integers(1, 900), had=st.integers(0, 1000))
def test_what_is_kept_and_what_is_missed_make_the_whole(n: int, had: int) -> None:
    feed = filled(n)
    frames, missed = feed.since(Resume(feed_id=feed.feed_id, seq=had))
    told = [*range(missed.first_seq, missed.last_seq + 1)] if missed else []
    assert [*told, *(frame.seq for frame in frames)] == list(range(had + 1, n + 1))
    if missed is not None:
        assert missed.start_ns is not None
        assert missed.end_ns is not None
        assert missed.start_ns <= missed.first_seq * STEP_NS
        assert missed.last_seq * STEP_NS <= missed.end_ns
        assert missed.end_ns - missed.start_ns <= (missed.last_seq - missed.first_seq + 130) * STEP_NS


def test_frames_are_kept_for_their_time_and_no_more_than_fit() -> None:
    slow, quick = filled(2_000), filled(2_000, step_ns=1_000_000)
    frames, _ = slow.since(Resume(feed_id=slow.feed_id, seq=0))
    assert len(frames) == KEPT_NS // STEP_NS + 1
    frames, _ = quick.since(Resume(feed_id=quick.feed_id, seq=0))
    assert len(frames) == MAX_KEPT


def test_feed_that_began_anew_gives_all_it_has() -> None:
    feed = filled(10)
    frames, missed = feed.since(Resume(feed_id="another", seq=8))
    assert [frame.seq for frame in frames] == list(range(1, 11))
    assert missed is None


def test_ages_are_of_the_newest_samples() -> None:
    feed = filled(3)
    wave = Waveform(stream_id="ecg", kind=SignalKind.ECG, t_ns=NS_PER_S, sample_period_ns=1e9, values=(1.0, 2.0))
    feed.append(wave, ledger=ledger(2 * NS_PER_S), now_ns=2 * NS_PER_S)
    feed.append(wave, ledger=ledger(NS_PER_S), now_ns=2 * NS_PER_S)
    ages = feed.ages()
    assert (ages.session_id, ages.clock_ns, ages.streams) == ("5e55", 7, {"ecg": 2 * NS_PER_S})
    assert ages.events == {"battery": 3 * STEP_NS}


def test_the_marks_of_an_hour_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_KEPT", 1)
    feed = filled(72_000)
    marks_ns = feed._marks_ns
    assert len(marks_ns) * marks_ns.itemsize < 10_000
    assert all(earlier < later for earlier, later in pairwise(marks_ns))

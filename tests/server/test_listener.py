"""What one client is given of what it asked for, and how it is numbered."""

from typing import Any

import pytest

from becalm_protocol.codec import decode
from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason, SignalQuality
from becalm_protocol.events import Battery, Gap, SignalKind
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_JSON
from becalm_protocol.handshake import Ledger, Live, LiveEvent, SessionPhase, SessionView, Source, Waveform
from becalm_protocol.live import Resume, Subscribe, Subscribed
from becalm_protocol.units import NS_PER_S
from becalm_server.feed import MAX_KEPT, Feed
from becalm_server.frames import LiveFrame
from becalm_server.hub import Hub
from becalm_server.listener import MAX_SUBSCRIPTIONS, Listener, everybody
from becalm_server.outbox import MAX_WAVEFORMS

WITHHELD: dict[str, Any] = dict.fromkeys(Metrics.index_names(), Index(reason=Reason.NO_SENSOR))


def wave(t_ns: int, kind: SignalKind = SignalKind.ECG) -> Waveform:
    return Waveform(stream_id=kind.value, kind=kind, t_ns=t_ns, sample_period_ns=1e6, values=(0.5,))


def metrics(t_ns: int) -> Metrics:
    return Metrics(t_ns=t_ns, emitted_ns=t_ns, **WITHHELD)


def beat(t_ns: int) -> Beat:
    return Beat(
        beat_idx=1, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, flag=BeatFlag.FIRST, confirmed=False
    )  # fmt: skip


def hub_with(*session_ids: str) -> Hub:
    hub = Hub()
    for session_id in session_ids:
        hub.open(session_id, person_id="p", clock=lambda: None)
    return hub


def publish(hub: Hub, session_id: str, *events: LiveEvent) -> None:
    for event in events:
        t_ns = getattr(event, "t_ns", 0)
        hub.publish(
            session_id,
            event,
            ledger=Ledger(sample_ns=t_ns, received_ns=t_ns, accepted_ns=t_ns, published_ns=t_ns),
        )


def joined(hub: Hub, *, version: int = 2) -> Listener:
    listener = hub.join(version=version, sees=everybody)
    assert listener is not None
    return listener


async def drain(listener: Listener) -> list[Any]:
    """Everything that waits, as this client would read it."""
    items = []
    while listener.outbox.statistics()["depth"]:
        item = await listener.outbox.get()
        if isinstance(item, LiveFrame):
            item = decode(listener.encode(item, subprotocol=SUBPROTOCOL_2_JSON))
        items.append(item)
    return items


async def told(wish: Subscribe, *events: LiveEvent) -> list[LiveEvent]:
    hub = hub_with("s")
    listener = joined(hub)
    assert hub.subscribe(listener, wish)
    publish(hub, "s", *events)
    return [item.event for item in await drain(listener) if isinstance(item, Live)]


async def test_only_the_chosen_types_and_kinds_come() -> None:
    belt, ecg = wave(0, SignalKind.RESPIRATION), wave(0)
    battery = Battery(stream_id="ecg", received_ns=1, level_pct=5)
    events = (belt, ecg, beat(1), metrics(2), battery)
    assert await told(Subscribe(session_id="s"), *events) == list(events)
    assert await told(Subscribe(session_id="s", events=("beat", "smell")), *events) == [beat(1)]
    assert await told(Subscribe(session_id="s", waveforms=("respiration",)), *events) == [
        belt, beat(1), metrics(2), battery,
    ]  # fmt: skip
    assert await told(Subscribe(session_id="s", waveforms=()), *events) == [beat(1), metrics(2), battery]
    assert await told(Subscribe(session_id="s", streams=("respiration",)), *events) == [belt, beat(1), metrics(2)]


@pytest.mark.parametrize(("hz", "kept"), [(None, 40), (4.0, 40), (2.0, 20), (1.0, 10), (0.5, 5), (3.0, 30)])
async def test_metrics_come_no_more_often_than_asked(hz: float | None, kept: int) -> None:
    ticks = [metrics(n * NS_PER_S // 4) for n in range(40)]
    shown = await told(Subscribe(session_id="s", events=("metrics",), metrics_hz=hz), *ticks[:4])
    assert shown
    hub = hub_with("s")
    listener = joined(hub)
    hub.subscribe(listener, Subscribe(session_id="s", metrics_hz=hz))
    n = 0
    for tick in ticks:
        publish(hub, "s", tick)
        n += sum(isinstance(item, Live) for item in await drain(listener))
    assert n == kept


async def test_resuming_brings_each_frame_once_in_order() -> None:
    hub = hub_with("s")
    listener = joined(hub)
    hub.subscribe(listener, Subscribe(session_id="s"))
    publish(hub, "s", *(beat(n) for n in range(5)))
    subscribed, *frames = await drain(listener)
    assert isinstance(subscribed, Subscribed)
    had = frames[2].seq
    publish(hub, "s", *(beat(n) for n in range(5, 8)))  # still wait in the outbox when the client asks anew
    hub.subscribe(listener, Subscribe(session_id="s", resume=Resume(feed_id=subscribed.feed_id, seq=had)))
    publish(hub, "s", beat(8))
    again, *frames = await drain(listener)
    assert (again.seq, again.n_resumed, again.missed, again.began_anew) == (3, 5, None, False)
    assert [frame.seq for frame in frames] == [4, 5, 6, 7, 8, 9]
    assert [frame.event.t_ns for frame in frames] == [3, 4, 5, 6, 7, 8]


async def test_gap_of_a_slow_client_repeats_the_number_before_it() -> None:
    hub = hub_with("s")
    listener = joined(hub)
    hub.subscribe(listener, Subscribe(session_id="s"))
    publish(hub, "s", beat(0))
    await drain(listener)
    publish(hub, "s", beat(1), *(wave(n) for n in range(MAX_WAVEFORMS + 2)))
    frames = await drain(listener)
    assert isinstance(frames[0].event, Gap)
    assert [frame.seq for frame in frames[:3]] == [1, 2, 5]


async def test_follower_goes_on_with_the_next_session() -> None:
    hub = hub_with("a", "b")
    listener = joined(hub)
    hub.subscribe(listener, Subscribe(events=("beat",)))
    assert await drain(listener) == []
    hub.show("a")
    publish(hub, "a", beat(1))
    publish(hub, "b", beat(2))
    hub.show("b")
    publish(hub, "b", beat(3))
    publish(hub, "a", beat(4))
    hub.show(None)
    publish(hub, "b", beat(5))
    heard = await drain(listener)
    assert [(item.session_id, getattr(item, "event", None)) for item in heard] == [
        ("a", None), ("a", beat(1)), ("b", None), ("b", beat(3)),
    ]  # fmt: skip


async def test_follower_that_came_back_gets_each_frame_once() -> None:
    hub = hub_with("a", "b")
    publish(hub, "a", *(beat(n) for n in range(3)))
    listener = joined(hub)
    hub.subscribe(listener, Subscribe(resume=Resume(feed_id="?", seq=0)))
    heard = []
    for session_id in ("a", "b", "a", None, "a"):
        hub.show(session_id)
        heard += await drain(listener)
    publish(hub, "a", beat(3))
    heard += await drain(listener)
    assert [getattr(item.event, "t_ns", None) for item in heard if isinstance(item, Live)] == [0, 1, 2, 3]


async def test_nothing_of_an_erased_session_is_handed_out() -> None:
    hub = hub_with("a", "b")
    asked, follower, other = joined(hub), joined(hub), joined(hub)
    hub.show("a")
    hub.subscribe(asked, Subscribe(session_id="a"))
    hub.subscribe(follower, Subscribe())
    hub.subscribe(other, Subscribe(session_id="b"))
    publish(hub, "a", beat(1), *(wave(n) for n in range(MAX_WAVEFORMS + 2)))
    publish(hub, "b", beat(2))
    hub.discard("a")
    assert await drain(asked) == await drain(follower) == []
    assert [item.event for item in await drain(other) if isinstance(item, Live)] == [beat(2)]
    publish(hub, "a", beat(3))
    hub.tell_view(SessionView(session_id="a", phase=SessionPhase.ENDED, source=Source.LIVE, baseline_s=60))
    assert not hub.subscribe(joined(hub), Subscribe(session_id="a", resume=Resume(feed_id="?", seq=0)))
    assert (asked.hears("a"), follower.hears("a"), asked.ages()) == (False, False, ())
    assert hub.session_ns(None, sees=everybody) is None
    hub.discard("a")
    hub.show("b")
    assert follower.hears("b")


async def test_version_1_counts_its_own_frames_and_hears_of_nothing_newer() -> None:
    hub = hub_with("a", "b")
    publish(hub, "a", beat(0), beat(1))
    listener = joined(hub, version=1)
    hub.subscribe(listener, Subscribe())
    hub.show("a")
    publish(hub, "a", beat(2))
    hub.show("b")
    publish(hub, "b", beat(3))
    seqs = []
    while listener.outbox.statistics()["depth"]:
        frame = await listener.outbox.get()
        assert isinstance(frame, LiveFrame)
        seqs.append(decode(listener.encode(frame, subprotocol=SUBPROTOCOL_JSON), Live).seq)
    assert seqs == [1, 2]
    assert listener.ages() == ()


def test_a_client_can_leave_a_session_and_cannot_follow_any_number() -> None:
    hub = Hub()
    listener = joined(hub)
    for n in range(MAX_SUBSCRIPTIONS + 1):
        hub.open(str(n), person_id="p", clock=lambda: None)
        assert hub.subscribe(listener, Subscribe(session_id=str(n))) == (n < MAX_SUBSCRIPTIONS)
    assert len(listener.ages()) == MAX_SUBSCRIPTIONS
    listener.forget("0")
    assert not listener.hears("0")
    assert hub.subscribe(listener, Subscribe(session_id=str(MAX_SUBSCRIPTIONS)))
    listener.follow(Subscribe(), shown=Feed("other", person_id="p", clock=lambda: None))
    assert listener.hears("other")
    listener.forget(None)
    assert not listener.hears("other")


def test_the_last_of_an_ended_session_is_kept_for_a_while() -> None:
    now_ns = 0
    hub = Hub(clock_ns=lambda: now_ns)
    hub.open("a", person_id="p", clock=lambda: None)
    publish(hub, "a", beat(1))
    hub.end("a")
    hub.open("b", person_id="p", clock=lambda: None)
    assert hub.subscribe(joined(hub), Subscribe(session_id="a", resume=Resume(feed_id="?", seq=0)))
    now_ns = 31 * NS_PER_S
    assert not hub.subscribe(joined(hub), Subscribe(session_id="a"))
    publish(hub, "a", beat(2))  # late, of the slow lane: nobody follows it any more


def test_who_may_not_see_a_person_hears_nothing_of_their_session() -> None:
    hub = Hub(clock_ns=lambda: 0)
    hub.open("ann-s", person_id="ann", clock=lambda: 5)
    mine = hub.join(version=2, sees=lambda person_id: person_id == "ann")
    other = hub.join(version=2, sees=lambda person_id: person_id == "ben")
    nobody = hub.join(version=2, sees=lambda _person_id: False)
    assert mine is not None
    assert other is not None
    assert nobody is not None
    hub.open("ben-s", person_id="ben", clock=lambda: 9)
    hub.show("ben-s")
    for listener in (mine, other, nobody):
        assert hub.subscribe(listener, Subscribe())
    assert (mine.hears("ann-s"), mine.hears("ben-s")) == (True, False)
    assert (other.hears("ann-s"), other.hears("ben-s")) == (False, True)
    assert (nobody.hears("ann-s"), nobody.hears("ben-s")) == (False, False)
    assert not hub.subscribe(other, Subscribe(session_id="ann-s"))
    assert hub.subscribe(mine, Subscribe(session_id="ann-s"))
    assert hub.session_ns("ann-s", sees=other.sees) is None
    assert (hub.session_ns(None, sees=mine.sees), hub.session_ns(None, sees=other.sees)) == (5, 9)
    hub.end("ann-s")
    assert hub.session_ns(None, sees=mine.sees) is None


def quality(t_ns: int, kind: SignalKind, reason: Reason | None) -> SignalQuality:
    return SignalQuality(t_ns=t_ns, emitted_ns=t_ns, kind=kind, reason=reason)


async def test_whoever_joins_midway_is_told_how_each_signal_is() -> None:
    hub = hub_with("s")
    belt, ecg = SignalKind.RESPIRATION, SignalKind.ECG
    publish(hub, "s", quality(0, belt, Reason.NOISY), quality(0, ecg, Reason.OFF_BODY), quality(1, ecg, None), beat(2))
    late = joined(hub)
    assert hub.subscribe(late, Subscribe(session_id="s"))
    publish(hub, "s", beat(3))
    subscribed, *frames = await drain(late)
    assert [frame.event for frame in frames] == [quality(0, belt, Reason.NOISY), quality(1, ecg, None), beat(3)]
    assert [frame.seq for frame in frames] == [subscribed.seq, subscribed.seq, subscribed.seq + 1]
    none = joined(hub)
    assert hub.subscribe(none, Subscribe(session_id="s", events=("beat",)))
    assert [type(item) for item in await drain(none)] == [Subscribed]


async def test_whoever_missed_a_change_of_a_signal_is_told_of_it_last() -> None:
    hub = hub_with("s")
    publish(hub, "s", quality(0, SignalKind.ECG, Reason.NOISY), *(beat(n) for n in range(MAX_KEPT)))
    first = joined(hub)
    assert hub.subscribe(first, Subscribe(session_id="s"))
    feed_id = (await drain(first))[0].feed_id
    for resume_seq, expected in ((0, SignalQuality), (1, Beat)):
        client = joined(hub)
        assert hub.subscribe(client, Subscribe(session_id="s", resume=Resume(feed_id=feed_id, seq=resume_seq)))
        assert isinstance((await drain(client))[-1].event, expected)

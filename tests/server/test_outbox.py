import asyncio
from typing import Any

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.errors import CloseCode
from becalm_protocol.events import Gap, GapReason, SignalKind
from becalm_protocol.handshake import AgentPresence, Ping, Waveform
from becalm_protocol.live import Subscribed
from becalm_server.frames import LiveFrame
from becalm_server.outbox import MAX_METRICS, MAX_OTHERS, MAX_WAVEFORMS, Outbox


def wave(n: int) -> LiveFrame:
    event = Waveform(
        stream_id="ecg", kind=SignalKind.ECG, t_ns=n * 1000, sample_period_ns=100.0, values=tuple(map(float, range(10)))
    )
    return LiveFrame(event, ledger=None, queued_ns=0, session_id="s", seq=n)


def metrics(n: int) -> LiveFrame:
    none = Index(reason=Reason.NO_SENSOR)
    indices: dict[str, Any] = dict.fromkeys(Metrics.index_names(), none)
    return LiveFrame(Metrics(t_ns=n, emitted_ns=n, **indices), ledger=None, queued_ns=0, session_id="s", seq=n)


def beat(n: int) -> LiveFrame:
    event = Beat(beat_idx=n, t_ns=n, emitted_ns=n, source=SignalKind.ECG, flag=BeatFlag.OK, confirmed=True)
    return LiveFrame(event, ledger=None, queued_ns=0, session_id="s", seq=n)


async def drain(outbox: Outbox) -> list[Any]:
    items = []
    while outbox.statistics()["depth"]:
        item = await outbox.get()
        items.append(item.event if isinstance(item, LiveFrame) else item)
    return items


async def test_client_that_keeps_up_gets_everything_in_order() -> None:
    outbox = Outbox()
    sent = [wave(0), beat(0), *(metrics(n) for n in range(MAX_METRICS)), wave(1), beat(1)]
    for item in sent:
        outbox.put_nowait(item)
    assert await drain(outbox) == [item.event for item in sent]
    assert outbox.statistics()["dropped"] == 0


async def test_oldest_waveform_goes_first_and_a_gap_says_so() -> None:
    outbox = Outbox()
    for n in range(MAX_WAVEFORMS + 3):
        outbox.put_nowait(wave(n))
    gap, *waves = await drain(outbox)
    assert gap == Gap(
        stream_id="ecg", received_ns=3000, start_ns=0, end_ns=3000, n_missing=30, reason=GapReason.SLOW_CLIENT
    )
    assert [one.t_ns for one in waves] == [n * 1000 for n in range(3, MAX_WAVEFORMS + 3)]
    assert outbox.statistics()["dropped"] == 3


async def test_metrics_conflate_to_the_newest_second() -> None:
    outbox = Outbox()
    for n in range(100):
        outbox.put_nowait(metrics(n))
    assert [one.t_ns for one in await drain(outbox)] == [96, 97, 98, 99]
    assert outbox.statistics()["conflated"] == 96


async def test_client_that_reads_nothing_is_disconnected_not_forgotten_in_silence() -> None:
    outbox = Outbox()
    for n in range(MAX_OTHERS + 1):
        outbox.put_nowait(beat(n))
    assert await outbox.get() is None
    assert outbox.closing is CloseCode.OVERLOADED
    assert outbox.statistics()["depth"] == 0


async def test_get_waits_for_the_next_item() -> None:
    outbox = Outbox()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outbox.get())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.put_nowait(Ping(sent_ns=2))
    assert waiting.result() == Ping(sent_ns=2)


def heading(seq: int) -> Subscribed:
    return Subscribed(session_id="s", feed_id="f", seq=seq)


async def test_what_is_told_of_agents_conflates_to_the_newest() -> None:
    outbox = Outbox()
    outbox.put_nowait(beat(0))
    for n in range(2 * MAX_OTHERS + 1):
        outbox.put_nowait(AgentPresence(agent_connected=n % 2 == 0, sensors=()))
    outbox.put_nowait(beat(1))
    assert outbox.closing is None
    assert await drain(outbox) == [beat(0).event, AgentPresence(agent_connected=True, sensors=()), beat(1).event]
    outbox.put_nowait(beat(2))
    outbox.put_nowait(AgentPresence(agent_connected=False, sensors=()))
    assert len(await drain(outbox)) == 2


async def test_asking_again_and_again_leaves_one_answer() -> None:
    outbox = Outbox()
    for n in range(1_000):
        outbox.repeat(heading(n), frames=[beat(n)])
    assert outbox.statistics()["depth"] == 2
    assert await drain(outbox) == [heading(999), beat(999).event]
    outbox.close_nowait(CloseCode.OVERLOADED)
    outbox.repeat(heading(0), frames=[beat(0)])
    assert outbox.statistics()["depth"] == 0


async def test_no_gap_is_told_of_waveform_that_is_repeated() -> None:
    outbox = Outbox()
    sent = [wave(n) for n in range(MAX_WAVEFORMS + 3)]
    for item in sent:
        outbox.put_nowait(item)
    outbox.repeat(heading(0), frames=sent)
    assert await drain(outbox) == [heading(0), *(item.event for item in sent)]
    outbox.put_nowait(beat(0))
    assert isinstance(await outbox.get(), LiveFrame)


async def test_nothing_of_a_discarded_session_is_handed_out() -> None:
    outbox = Outbox()
    outbox.repeat(heading(0), frames=[beat(0)])
    for n in range(MAX_WAVEFORMS + 3):
        outbox.put_nowait(wave(n))
    outbox.put_nowait(metrics(0))
    outbox.put_nowait(Ping(sent_ns=2))
    outbox.discard("s")
    assert await outbox.get() == Ping(sent_ns=2)
    assert outbox.statistics()["depth"] == 0

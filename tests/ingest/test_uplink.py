"""The uplink against losses, silence, refusals and other forms of the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from becalm_ingest import uplink_connection
from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_ingest.uplink import Uplink
from becalm_protocol.codec import encode_msgpack
from becalm_protocol.envelope import seal
from becalm_protocol.errors import CloseCode
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from becalm_protocol.handshake import Ack, Data, OpenSession, Problem, Source, StreamAck

STREAM = "a" * 32


def info(stream_id: str) -> StreamInfo:
    return StreamInfo(
        stream_id=stream_id,
        kind=SignalKind.SKIN_CONDUCTANCE,
        unit="uS",
        unit_per_count=0.0001,
        sample_rate_hz=8.0,
        clock=Clock.ARRIVAL,
        device="skin",
    )


@contextlib.asynccontextmanager
async def linked(wire: Any, folder: Path) -> AsyncIterator[tuple[Spool, Uplink]]:
    spool = Spool(folder / "spool.db")
    spool.begin(SpooledSession(session_id="s", started_unix_ns=1, started_monotonic_ns=1, source=Source.LIVE))
    spool.add_stream("s", info(STREAM))
    uplink = Uplink(server_url=wire.url, agent_id="agent", spool=spool, session_clock=lambda: 5)
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        tasks = [group.create_task(spool.run()), group.create_task(uplink.run())]
        yield spool, uplink
        for task in tasks:
            task.cancel()
    spool.close()


def put(spool: Spool, n: int, *, stream_id: str = STREAM) -> None:
    start = spool.sessions["s"].streams[stream_id].last_seq
    for idx in range(start, start + n):
        spool.put_nowait(SampleBlock(stream_id=stream_id, received_ns=idx, first_sample_idx=idx, counts=(idx,)))
    spool.flush()


def indices(wire: Any, stream_id: str = STREAM) -> list[int]:
    return [event.first_sample_idx for event in wire.stored.get(stream_id, [])]


async def test_a_hole_is_sent_again_from_where_the_server_stands(wire: Any, tmp_path: Path) -> None:
    lost = {3, 4, 50}

    def swallow(data: Data) -> bool:
        is_lost = data.seq in lost
        lost.discard(data.seq)
        return is_lost

    wire.swallow = swallow
    async with linked(wire, tmp_path) as (spool, _):
        put(spool, 100)
        await wire.until(lambda: len(indices(wire)) == 100)
    assert indices(wire) == list(range(100))
    assert wire.n_resets >= 2
    assert wire.n_doubles == 0
    assert wire.n_taken < 100 + 4 * 100  # each hole is answered once, not by everything behind it
    assert lost == set()


async def test_never_more_than_the_credit_in_flight(make_wire: Any, serve_wire: Any, tmp_path: Path) -> None:
    wire = make_wire(credit_frames=7)
    highest = 0

    def on_data(data: Data) -> None:
        nonlocal highest
        highest = max(highest, data.seq)

    wire.on_data = on_data
    wire.is_mute = False
    async with serve_wire(wire), linked(wire, tmp_path) as (spool, uplink):
        await wire.until(lambda: wire.opened)
        wire.is_mute = True
        put(spool, 30)
        await wire.until(lambda: highest == 7)
        n_pings = wire.n_pings
        await wire.until(lambda: wire.n_pings > n_pings)  # the agent was at work, and sent no more
        assert highest == 7
        wire.is_mute = False
        await wire.tell(Ack(acks=(StreamAck(stream_id=STREAM, seq=7),)))
        await wire.until(lambda: len(indices(wire)) == 30)
        assert uplink.is_connected


async def test_what_waited_is_sent_stream_by_stream_in_turn(wire: Any, tmp_path: Path) -> None:
    other, order = "b" * 32, list[tuple[int, str]]()
    wire.on_data = lambda data: order.append((data.seq, data.event.stream_id))
    spool = Spool(tmp_path / "spool.db")
    spool.begin(SpooledSession(session_id="s", started_unix_ns=1, started_monotonic_ns=1, source=Source.LIVE))
    for stream_id in (STREAM, other):
        spool.add_stream("s", info(stream_id))
        put(spool, 100, stream_id=stream_id)
    uplink = Uplink(server_url=wire.url, agent_id="agent", spool=spool, session_clock=lambda: 5)
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        task = group.create_task(uplink.run())
        await wire.until(lambda: len(order) == 200)
        task.cancel()
    spool.close()
    assert order == [(seq, stream_id) for seq in range(1, 101) for stream_id in (STREAM, other)]


async def test_a_broken_link_loses_and_doubles_nothing(until: Any, wire: Any, tmp_path: Path) -> None:
    """Every few events the server goes away, once before and once after it has stored the newest."""
    n_cut = 0

    def on_data(data: Data) -> None:
        nonlocal n_cut
        if data.seq % 25 == 0 and wire.n_doubles < 100 and n_cut < 6 and data.seq == len(indices(wire)) + 1:
            n_cut += 1
            wire.link.transport.abort()

    wire.on_data = on_data
    async with linked(wire, tmp_path) as (spool, uplink):
        for _ in range(10):
            put(spool, 20)
            await asyncio.sleep(0)
        await wire.until(lambda: len(indices(wire)) == 200)
        assert uplink.n_connections == n_cut + 1 == 7
        await until(lambda: not spool.n_unacked)
    assert indices(wire) == list(range(200))


async def test_an_acknowledgement_that_overtakes_the_opening_is_no_loss(
    make_wire: Any, serve_wire: Any, tmp_path: Path
) -> None:
    """The server commits what it took on the connection before, between its answer and the sending of it."""
    wire = make_wire()
    answer = wire._open

    def stale(opened: Any) -> Any:
        told = answer(opened)
        return replace(told, acks=tuple(replace(ack, seq=max(0, ack.seq - 3)) for ack in told.acks))

    async def open_hastily(link: ServerConnection, message: object) -> None:
        if isinstance(message, OpenSession) and indices(wire):
            await wire.tell(Ack(acks=(StreamAck(stream_id=STREAM, seq=len(indices(wire))),)))
            wire._open = stale
        await answer_all(link, message)

    answer_all, wire._answer = wire._answer, open_hastily
    async with serve_wire(wire), linked(wire, tmp_path) as (spool, _):
        put(spool, 9)
        await wire.until(lambda: len(indices(wire)) == 9)
        await wire.link.close()
        await wire.until(lambda: len(wire.opened) == 2)
        put(spool, 9)
        await wire.until(lambda: len(indices(wire)) >= 18)
    assert indices(wire) == list(range(18))


@pytest.mark.parametrize(
    ("spoken", "agreed", "version"),
    [
        ((SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_MSGPACK), SUBPROTOCOL_2_MSGPACK, 2),
        ((SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON), SUBPROTOCOL_MSGPACK, 1),
    ],
)
async def test_the_newest_version_that_both_speak(
    make_wire: Any, serve_wire: Any, tmp_path: Path, spoken: tuple[str, ...], agreed: str, version: int
) -> None:
    wire = make_wire(subprotocols=spoken)
    async with serve_wire(wire), linked(wire, tmp_path) as (spool, _):
        put(spool, 10)
        await wire.until(lambda: len(indices(wire)) == 10)
        assert wire.link.subprotocol == agreed
        assert version in wire.hellos[0].versions


async def test_a_damaged_answer_ends_the_connection_and_costs_nothing(wire: Any, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as (spool, uplink):
        put(spool, 10)
        await wire.until(lambda: len(indices(wire)) == 10)
        frame = bytearray(seal(encode_msgpack(Ack(acks=(StreamAck(stream_id=STREAM, seq=10),)))))
        frame[-1] ^= 1  # seq 11, which was never sent
        await wire.link.send(bytes(frame))
        await wire.until(lambda: len(wire.hellos) == 2)
        put(spool, 10)
        await wire.until(lambda: len(indices(wire)) == 20)
        assert uplink.n_connections == 2
    assert indices(wire) == list(range(20))


async def test_json_where_the_server_speaks_no_messagepack(make_wire: Any, serve_wire: Any, tmp_path: Path) -> None:
    wire = make_wire(subprotocols=(SUBPROTOCOL_JSON,))
    async with serve_wire(wire), linked(wire, tmp_path) as (spool, _):
        put(spool, 10)
        await wire.until(lambda: len(indices(wire)) == 10)
        assert wire.link.subprotocol == SUBPROTOCOL_JSON


async def test_a_stream_that_joins_late_is_announced_and_nothing_is_sent_twice(wire: Any, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as (spool, _):
        put(spool, 10)
        await wire.until(lambda: len(indices(wire)) == 10)
        spool.add_stream("s", info("b" * 32))
        put(spool, 5, stream_id="b" * 32)
        put(spool, 5)
        await wire.until(lambda: len(indices(wire, "b" * 32)) == 5 and len(indices(wire)) == 15)
    assert [len(opened.streams) for opened in wire.opened] == [1, 2]
    assert wire.n_doubles == wire.n_resets == 0


async def test_a_server_that_falls_silent_is_left(make_wire: Any, serve_wire: Any, tmp_path: Path) -> None:
    wire = make_wire(heartbeat_s=0.05)
    async with serve_wire(wire), linked(wire, tmp_path) as (_, uplink):
        await wire.until(lambda: wire.opened)
        wire.is_mute = True
        await wire.until(lambda: len(wire.hellos) >= 2)
        assert uplink.n_connections >= 2
        wire.is_mute = False


async def test_a_server_that_stores_nothing_is_left(
    make_wire: Any, serve_wire: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_connection, "_ACK_WITHIN_S", 0.2)
    wire = make_wire(heartbeat_s=0.05)
    wire.swallow = lambda _: len(wire.hellos) == 1
    async with serve_wire(wire), linked(wire, tmp_path) as (spool, _):
        await wire.until(lambda: wire.opened)
        put(spool, 3)
        await wire.until(lambda: len(indices(wire)) == 3)
    assert len(wire.hellos) == 2


async def test_an_older_session_comes_after_the_live_one(until: Any, wire: Any, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    for session_id, stream_id in (("old", "b" * 32), ("live", STREAM)):
        spool.begin(
            SpooledSession(session_id=session_id, started_unix_ns=1, started_monotonic_ns=1, source=Source.LIVE)
        )
        spool.add_stream(session_id, info(stream_id))
        spool.put_nowait(SampleBlock(stream_id=stream_id, received_ns=0, first_sample_idx=0, counts=(1,)))
    spool.finish("old")
    uplink = Uplink(server_url=wire.url, agent_id="agent", spool=spool, session_clock=lambda: None)
    uplink.live_session_id = "live"
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        tasks = [group.create_task(uplink.run()), group.create_task(spool.run())]
        await wire.until(lambda: indices(wire) == [0])
        assert [opened.session_id for opened in wire.opened] == ["live"]
        spool.finish("live")
        await until(lambda: not spool.sessions)
        for task in tasks:
            task.cancel()
    assert [closed.session_id for closed in wire.closed] == ["live", "old"]
    assert spool.sessions == {}
    spool.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (CloseCode.VERSION, "another version"),
        (CloseCode.FENCED, "Another agent"),
        (CloseCode.RESTART, "restarting"),
        (CloseCode.OVERLOADED, "too much to do"),
    ],
)
async def test_a_close_code_alone_becomes_a_sentence(until: Any, tmp_path: Path, code: CloseCode, words: str) -> None:
    closed = asyncio.Event()

    async def close(link: ServerConnection) -> None:
        await link.recv()
        await link.close(code)
        closed.set()

    assert words in await trouble_with(close, until, folder=tmp_path, done=closed)


async def test_a_problem_is_told_in_the_servers_words(
    until: Any, make_wire: Any, serve_wire: Any, tmp_path: Path
) -> None:
    wire = make_wire(refuse=Problem(close_code=4409, detail="A newer connection took over."))
    async with serve_wire(wire), linked(wire, tmp_path) as (_, uplink):
        await until(lambda: uplink.trouble)
        assert uplink.trouble == "A newer connection took over."


@pytest.mark.parametrize("answer", [b"\xc1", "not json", '{"type":"ping","sent_ns":1}', "{}", "x" * 70_000])
async def test_a_server_that_makes_no_sense_is_left(until: Any, tmp_path: Path, answer: str | bytes) -> None:
    answered = asyncio.Event()

    async def talk(link: ServerConnection) -> None:
        await link.recv()
        await link.send(answer)
        await link.wait_closed()
        answered.set()

    assert await trouble_with(talk, until, folder=tmp_path, done=answered)


async def trouble_with(handler: Any, until: Any, *, folder: Path, done: asyncio.Event) -> str:
    async with serve(handler, "127.0.0.1", 0) as server:

        class Address:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async with linked(Address, folder) as (_, uplink):
            await done.wait()
            await until(lambda: uplink.trouble)
            assert uplink.trouble is not None
            return uplink.trouble


async def test_nobody_there_and_no_becalm_there(until: Any, tmp_path: Path) -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(http, "127.0.0.1", 0) as server:

        class Address:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async with linked(Address, tmp_path) as (_, uplink):
            await until(lambda: uplink.trouble)
            assert "not a becalm server" in str(uplink.trouble)
    async with linked(Address, tmp_path / "again") as (_, uplink):
        await until(lambda: uplink.trouble)
        assert "No server answers" in str(uplink.trouble)


async def test_a_connection_that_forgets_its_cancellation_does_not_keep_the_uplink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a task group does that fails in the moment it is cancelled (before Python 3.13)."""
    connected = asyncio.Event()

    async def forget(_: Uplink) -> bool:
        connected.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(Uplink, "_connect_once", forget)
    spool = Spool(tmp_path / "spool.db")
    uplink = Uplink(server_url="ws://127.0.0.1:9", agent_id="agent", spool=spool, session_clock=lambda: 5)
    running = asyncio.create_task(uplink.run())
    async with asyncio.timeout(20.0):
        await connected.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    spool.close()

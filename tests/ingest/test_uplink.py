"""The uplink against a server that follows a script: everything arrives once, in order, within the credit."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.linked_uplink import STREAM, indices, info, linked, put
from websockets.asyncio.server import ServerConnection

from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_ingest.uplink import Uplink
from becalm_protocol.events import SampleBlock
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from becalm_protocol.handshake import Ack, Data, OpenSession, Source, StreamAck


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

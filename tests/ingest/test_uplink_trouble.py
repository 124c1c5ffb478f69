"""Servers that fall silent, refuse, make no sense or are not there: left, and said in a sentence."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.linked_uplink import STREAM, indices, linked, put
from websockets.asyncio.server import ServerConnection, serve

from becalm_ingest import uplink_connection
from becalm_ingest.spool import Spool
from becalm_ingest.uplink import Uplink
from becalm_protocol.codec import encode_msgpack
from becalm_protocol.envelope import seal
from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import Ack, Problem, StreamAck


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

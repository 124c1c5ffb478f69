"""Clients of the server under attack: some that follow, some that only knock."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import websockets
from chaos_stage import Stage
from websockets.asyncio.client import ClientConnection

from becalm_protocol.codec import decode_json, encode_json
from becalm_protocol.forms import SUBPROTOCOL_2_JSON
from becalm_protocol.handshake import ClientHello, ClientWelcome, Ping, Pong
from becalm_protocol.live import Subscribe


def follower(stage: Stage) -> "websockets.connect":
    """Return the connection of a client that says nothing yet."""
    return websockets.connect(
        stage.live_url, subprotocols=[websockets.Subprotocol(SUBPROTOCOL_2_JSON)], proxy=None, compression=None,
        close_timeout=0.1,
    )  # fmt: skip


async def greet(client: ClientConnection) -> None:
    """Say hello."""
    await client.send(encode_json(ClientHello(versions=(2,), client="chaos", token=os.environ["BECALM_TOKEN"])))


async def say_nothing(stage: Stage, said: bytes | None) -> None:
    """Connect as deep into the handshake as `said` goes (None: all of it), and wait to be let go."""
    if said is None:
        async with follower(stage) as client:
            await client.wait_closed()
        return
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    with suppress(ConnectionError):
        writer.write(said)
        await reader.read()
    writer.close()


async def knock(stage: Stage) -> None:
    """Connect, and go."""
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.close()


@asynccontextmanager
async def welcomed(stage: Stage, *, reads: bool = False, follows: bool = True) -> AsyncIterator[ClientConnection]:
    """A client that was let in; told that it is too early, it waits. One that does not read is let go soon."""
    while True:
        try:
            connection = await follower(stage)
            break
        except websockets.InvalidStatus as exc:
            if exc.response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            await asyncio.sleep(float(exc.response.headers["Retry-After"]))
    async with connection as client, asyncio.TaskGroup() as group:
        await greet(client)
        decode_json(str(await client.recv()), ClientWelcome)
        if follows:
            await client.send(encode_json(Subscribe()))
        reading = group.create_task(_read(client)) if reads else None
        yield client
        if reading is not None:
            reading.cancel()
        client.transport.abort()


async def _read(client: ClientConnection) -> None:
    with suppress(websockets.ConnectionClosed):
        while True:
            text = str(await client.recv())
            if '"type":"ping"' in text:  # a thousand clients: everything else is only taken
                ping = decode_json(text, Ping)
                await client.send(encode_json(Pong(sent_ns=ping.sent_ns)))

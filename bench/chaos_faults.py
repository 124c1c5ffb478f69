"""The faults, one function each: it does its harm in a few seconds and leaves fair weather behind."""

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack, suppress

import websockets
from chaos_clients import follower, greet, knock, say_nothing, welcomed
from chaos_machine import OF_THE_MACHINE, Fault, database_frozen, database_killed, worker_frozen, worker_killed
from chaos_proxy import Weather
from chaos_stage import Stage, rss_mb

from becalm_protocol.codec import encode_json
from becalm_protocol.errors import CloseCode
from becalm_protocol.forms import SUBPROTOCOL_JSON
from becalm_protocol.handshake import AgentHello
from becalm_server.hub import MAX_CLIENTS

FAIR = Weather()
BOTH = frozenset({"up", "down"})
BAD_LINK = Weather(delay_s=0.06, jitter_s=0.025, is_sliced=True, bytes_per_s=8_000.0)
# Longer than three heartbeats, after which either side gives a connection up.
HOLE_S = 8.0


async def agent_killed(stage: Stage, dice: random.Random, *, n: int = 5) -> None:
    """F01: kill -9 the agent, five times; each restart is a gap."""
    for _ in range(n):
        await asyncio.sleep(dice.uniform(0.6, 1.6))
        await stage.kill_agent()


async def server_killed(stage: Stage, dice: random.Random, *, n: int = 5) -> None:
    """F02: kill -9 the server with its database, five times."""
    for _ in range(n):
        await asyncio.sleep(dice.uniform(0.5, 1.5))
        await stage.kill_server()


async def reset_in_a_frame(stage: Stage, dice: random.Random) -> None:
    """F06: resets while frames pass in pieces."""
    stage.proxy.change(Weather(is_sliced=True, bytes_per_s=6_000.0))
    for _ in range(8):
        await asyncio.sleep(dice.uniform(0.3, 1.0))
        stage.proxy.cut()
    stage.proxy.change(FAIR)


async def black_hole(stage: Stage, _dice: random.Random) -> None:
    """F07: nothing passes either way, and nobody is told."""
    await _hold(stage, BOTH)


async def cut_upwards(stage: Stage, _dice: random.Random) -> None:
    """F08: what the agent sends does not come."""
    await _hold(stage, frozenset({"up"}))


async def cut_downwards(stage: Stage, _dice: random.Random) -> None:
    """F08: what the server sends does not come."""
    await _hold(stage, frozenset({"down"}))


async def _hold(stage: Stage, ways: frozenset[str]) -> None:
    stage.proxy.change(Weather(held=ways))
    await asyncio.sleep(HOLE_S)
    stage.proxy.change(FAIR)


async def stalls(stage: Stage, _dice: random.Random) -> None:
    """F09: stalls of 0.2 to 5 s."""
    stage.proxy.change(Weather(stall_share=0.08, stalls_s=(0.2, 5.0)))
    await asyncio.sleep(10.0)
    stage.proxy.change(FAIR)


async def bad_link(stage: Stage, _dice: random.Random) -> None:
    """F10: 60 +- 25 ms, slices, 64 kbit/s."""
    stage.proxy.change(BAD_LINK)
    await asyncio.sleep(8.0)
    stage.proxy.change(FAIR)


async def ack_lost(stage: Stage, dice: random.Random) -> None:
    """F12: committed, but the acknowledgement never arrives: five times."""
    for _ in range(5):
        stage.proxy.change(Weather(held=frozenset({"down"})))
        await asyncio.sleep(dice.uniform(0.2, 0.6))
        stage.proxy.cut()
        stage.proxy.change(FAIR)
        await asyncio.sleep(0.8)


async def window_twice(stage: Stage, dice: random.Random) -> None:
    """F13: a whole window of frames once more."""
    await _tamper(stage, dice, "double")


async def frames_lost_and_swapped(stage: Stage, dice: random.Random) -> None:
    """F14: frames lost or overtaken: the server asks for them again."""
    await _tamper(stage, dice, "lose")
    await _tamper(stage, dice, "swap")


async def bits_flipped(stage: Stage, dice: random.Random) -> None:
    """A bit of a frame is another one."""
    await _tamper(stage, dice, "flip")


async def _tamper(stage: Stage, dice: random.Random, kind: str) -> None:
    for _ in range(6):
        stage.proxy.tamper(kind)
        await asyncio.sleep(dice.uniform(0.3, 0.9))


async def second_connection(stage: Stage, _dice: random.Random) -> None:
    """F15: the same agent connects once more; the older connection is fenced (4409), and comes back."""
    agent_id = (stage.folder / "agent" / "agent_id").read_text(encoding="ascii").strip()
    codes = []
    for _ in range(3):
        async with websockets.connect(
            f"ws://127.0.0.1:{stage.port}/v1/ingest", subprotocols=[websockets.Subprotocol(SUBPROTOCOL_JSON)],
            proxy=None, compression=None,
        ) as rival:  # fmt: skip
            await rival.send(
                encode_json(AgentHello(versions=(1,), agent_id=agent_id, token=os.environ["BECALM_TOKEN"]))
            )
            with suppress(websockets.ConnectionClosed, TimeoutError):
                async with asyncio.timeout(5.0):
                    while True:
                        await rival.recv()
            codes.append(rival.close_code)
        await asyncio.sleep(0.5)
    stage.notes["rival_close_codes"] = codes
    if codes != [CloseCode.FENCED] * 3:
        stage.notes["problem"] = f"F15: expected the older connection to be fenced, got {codes}"


async def silent_clients(stage: Stage, _dice: random.Random) -> None:
    """F19: ten clients subscribe and never read."""
    before_mb, n_kills = _server_mb(stage), stage.n_server_kills
    async with AsyncExitStack() as stack:
        with suppress(OSError, websockets.WebSocketException):  # in a mix the server may just be dead
            for _ in range(10):
                client = await stack.enter_async_context(welcomed(stage))
                client.transport.pause_reading()
        await asyncio.sleep(6.0)
        if before_mb is not None and stage.n_server_kills == n_kills and (now_mb := _server_mb(stage)) is not None:
            stage.notes["server_grew_mb"] = round(now_mb - before_mb, 1)


def _server_mb(stage: Stage) -> float | None:
    try:
        return rss_mb(stage.server.pid) if stage.server is not None else None
    except (OSError, StopIteration):
        return None  # just killed


async def no_hello(stage: Stage, _dice: random.Random) -> None:
    """F20: clients that connect and say nothing, at every depth of the handshake, are let go."""
    began_s = time.monotonic()
    async with asyncio.timeout(30.0), asyncio.TaskGroup() as group:
        for said in (b"", b"G", b"GET /v1/live HTTP/1.1\r\nHost: x", None):
            for _ in range(10):
                group.create_task(say_nothing(stage, said))
    stage.notes["silent_peers_let_go_s"] = round(time.monotonic() - began_s, 1)


async def storm(stage: Stage, _dice: random.Random) -> None:
    """F21: 10,000 connections open and close at once; then 1,000 clients come back, as many as there may be."""
    began_s = time.monotonic()
    for _ in range(100):
        await asyncio.gather(*(knock(stage) for _ in range(100)))
    stage.notes["10000_connections_s"] = round(time.monotonic() - began_s, 1)
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        herd = [
            await stack.enter_async_context(welcomed(stage, reads=True, follows=n % 10 == 0))
            for n in range(MAX_CLIENTS)
        ]
        stage.notes["clients_back_s"] = round(time.monotonic() - began_s, 1)
        stage.notes["welcomed"] = sum(client.close_code is None for client in herd)
        async with follower(stage) as one_more:
            await greet(one_more)
            await one_more.wait_closed()
            stage.notes["one_more"] = one_more.close_code
    if stage.notes["one_more"] != CloseCode.OVERLOADED:
        stage.notes["problem"] = (
            f"F21: expected client {MAX_CLIENTS + 1} to be sent away, got {stage.notes['one_more']}"
        )


async def server_told_to_stop(stage: Stage, _dice: random.Random) -> None:
    """F25: SIGTERM, twice: what was acknowledged is stored, and it takes no longer than 10 s."""
    took_s = []
    for _ in range(2):
        await asyncio.sleep(1.0)
        took_s.append(await stage.stop_server())
        await stage.start_server()
    stage.notes["stopped_within_s"] = round(max(took_s), 2)
    if max(took_s) > 10.0:
        stage.notes["problem"] = f"F25: expected a stop within 10 s, got {max(took_s):.1f} s"


async def wall_clock_jumps(stage: Stage, _dice: random.Random) -> None:
    """F18: a wall clock jumps by an hour and by a day: the agent's, or the server's."""
    del stage
    await asyncio.sleep(9.0)


ALONE: dict[str, Fault] = {
    "F01 agent killed": agent_killed,
    "F02 server killed": server_killed,
    "F06 reset in a frame": reset_in_a_frame,
    "F07 black hole": black_hole,
    "F08 cut upwards": cut_upwards,
    "F08 cut downwards": cut_downwards,
    "F09 stalls": stalls,
    "F10 bad link": bad_link,
    "F12 acknowledgement lost": ack_lost,
    "F13 window twice": window_twice,
    "F14 lost and swapped": frames_lost_and_swapped,
    "F15 second connection": second_connection,
    "F18 agent's clock": wall_clock_jumps,
    "F18 server's clock": wall_clock_jumps,
    "F19 silent clients": silent_clients,
    "F20 no hello": no_hello,
    "F21 storm": storm,
    "F25 SIGTERM": server_told_to_stop,
    "bits flipped": bits_flipped,
    **OF_THE_MACHINE,
}
_JUMPS_S = ("3600", "-3600", "86400", "-86400", "0")
AGENT_WORDS: dict[str, tuple[str, ...]] = {"F18 agent's clock": ("--wall-jumps-s", *_JUMPS_S)}
SERVER_JUMPS_S: dict[str, tuple[str, ...]] = {"F18 server's clock": _JUMPS_S}


async def kill_agent_once(stage: Stage, dice: random.Random) -> None:
    """F01 in a mix."""
    await agent_killed(stage, dice, n=1)


async def kill_server_once(stage: Stage, dice: random.Random) -> None:
    """F02 in a mix."""
    await server_killed(stage, dice, n=1)


MIXED: tuple[Fault, ...] = (
    kill_agent_once, kill_server_once, worker_killed, database_killed, worker_frozen, database_frozen,
    reset_in_a_frame, black_hole, cut_upwards, cut_downwards, stalls, bad_link,
    ack_lost, window_twice, frames_lost_and_swapped, bits_flipped, silent_clients,
)  # fmt: skip
"""What a seeded mix draws from; two of them at a time."""


async def mix(stage: Stage, dice: random.Random, *, seconds: float) -> None:
    """Run faults two at a time, drawn by the seed, until the time is over; end in fair weather."""

    async def harm(faults: list[Fault]) -> None:
        for fault in faults:
            if time.monotonic() - began_s > seconds:
                return
            stage.notes.setdefault("faults", []).append(fault.__name__)
            await fault(stage, dice)

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(harm(dice.choices(MIXED, k=1_000)))
    stage.proxy.change(FAIR)

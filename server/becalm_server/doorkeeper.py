"""Keeps room at the door: a file for every connection, and who asks nothing, or too slowly, is shut out."""

import asyncio
import sys
from typing import Any

import uvicorn

# A phone on a bad link sends a request within two seconds; ten leave room for three lost packets.
ASK_LIMIT_S = 10.0
LOOK_EVERY_S = 1.0
# Every connection is an open file, and many systems give a program 1,024: fewer than a house full of clients.
N_FILES = 8_192


def raise_file_limit() -> None:
    """Let this process open as many files as it may need, as far as its system allows; Windows counts none."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = N_FILES if hard == resource.RLIM_INFINITY else min(N_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def keep_door(server: uvicorn.Server) -> None:
    """Cut connections whose request has not come whole within the limit (uvicorn has none); runs until cancelled."""
    loop = asyncio.get_running_loop()
    since_s: dict[Any, float] = {}
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now_s = loop.time()
        waiting = [one for one in list(server.server_state.connections) if _is_waited_for(one)]
        since_s = {one: since_s.get(one, now_s) for one in waiting}
        for one in [one for one in waiting if now_s - since_s[one] > ASK_LIMIT_S]:
            one.transport.abort()


def _is_waited_for(connection: Any) -> bool:
    """Tell whether an HTTP connection owes us the rest of a request; WebSockets have limits of their own."""
    if not hasattr(connection, "cycle") or connection.transport is None:
        return False
    cycle = connection.cycle
    if cycle is None:
        return True  # not one whole head yet
    if cycle.response_complete:
        return connection.timeout_keep_alive_task is None  # half a head of the next request
    return bool(cycle.more_body and not cycle.response_started)

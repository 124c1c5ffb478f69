"""Connecting to a strap, and what is heard of it after losses."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from becalm_ingest.devices import Channel
from becalm_ingest.link import Link, Radio
from becalm_protocol.errors import LinkError

HRM = "00002a37-0000-1000-8000-00805f9b34fb"


CHANNEL = Channel(name="measurement", uuids=(HRM,))


Until = Callable[[Callable[[], object]], Awaitable[None]]


async def connected(radio: Radio, strap: Any, *, on_lost: Callable[[], None] = lambda: None) -> Link:
    sighting = await radio.find(strap.address, label=strap.name, within_s=2.0)
    return await radio.connect(sighting, on_lost=on_lost)


async def connected_at_last(radio: Radio, strap: Any) -> Link:
    """Connect, as often as it takes bleak to hear of what is new."""
    async with asyncio.timeout(20.0):
        while True:
            with contextlib.suppress(LinkError):
                return await connected(radio, strap)
            await asyncio.sleep(0.01)


async def heard_after_losses(radio: Radio, bluez: Any, strap: Any, *, until: Until, n_losses: int) -> list[int]:
    """How often each notification was delivered, on a first connection and after each loss."""
    heard_n = []
    for _ in range(n_losses + 1):
        lost = asyncio.Event()
        link = await connected(radio, strap, on_lost=lost.set)
        heard: list[bytearray] = []
        await link.subscribe(CHANNEL, on_bytes=heard.append)
        bluez.notify(strap, HRM, b"\0\x3c")
        bluez.notify(strap, HRM, b"\0\xff")
        await until(partial(heard.__contains__, b"\0\xff"))
        heard_n.append(heard.count(bytearray(b"\0\x3c")))
        bluez.drop(strap)
        async with asyncio.timeout(2.0):
            await lost.wait()
        await link.close()
    return heard_n

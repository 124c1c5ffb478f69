"""An uplink with a spool, linked to a server that follows a script."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_ingest.uplink import Uplink
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Source

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

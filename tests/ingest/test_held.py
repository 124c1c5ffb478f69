"""A server whose database is away: it is alive and keeps what comes, but stores nothing."""

from pathlib import Path
from typing import Any

import pytest
from tests.ingest.linked_uplink import STREAM, linked, put

from becalm_ingest import uplink_connection
from becalm_protocol.handshake import Ack, Data, Held, StreamAck

AWAY = "The server's database is away"


def at(seq: int) -> tuple[StreamAck, ...]:
    return (StreamAck(stream_id=STREAM, seq=seq),)


async def test_it_is_not_left_and_gets_more_than_the_credit(
    make_wire: Any, serve_wire: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_connection, "_ACK_WITHIN_S", 0.3)
    wire = make_wire(heartbeat_s=0.05, credit_frames=4)
    taken: list[int] = []

    def keep(data: Data) -> bool:
        taken.append(data.seq)
        return True  # nothing is stored, nothing is acknowledged

    wire.swallow = keep
    async with serve_wire(wire), linked(wire, tmp_path) as (spool, uplink):
        await wire.until(lambda: wire.opened)
        put(spool, 20)
        for held in (4, 8, 12, 16):
            await wire.until(lambda held=held: len(taken) == held)
            await wire.tell(Held(held=at(held), detail=AWAY))
        await wire.until(lambda: len(taken) == 20)
        n_pings = wire.n_pings
        for more in range(1, 16):  # three times as long as an agent waits for a server that stores nothing
            await wire.until(lambda more=more: wire.n_pings >= n_pings + more)
            await wire.tell(Held(held=at(16), detail=AWAY))
        assert taken == list(range(1, 21))
        assert (len(wire.hellos), uplink.trouble, uplink.is_connected) == (1, AWAY, True)
        assert [seq for seq, _ in spool.pending(STREAM, after_seq=0, upto_seq=99)] == taken  # it keeps all
        await wire.tell(Ack(acks=at(20)))
        n_pongs = wire.n_pings
        await wire.until(lambda: wire.n_pings > n_pongs + 1)
        assert uplink.trouble is None
    assert len(wire.hellos) == 1

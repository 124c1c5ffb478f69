"""What a pipeline says once its session is over."""

from types import SimpleNamespace
from typing import Any

import pytest

from becalm_protocol.handshake import Source
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.writes import Write
from becalm_server.ending import bring_to_end
from becalm_server.lane_messages import LiveState, Settlement
from becalm_server.session import Session
from becalm_server.stream_tail import StreamTail

NEVER_HEARD: Any = SimpleNamespace(
    publish=lambda *_: None, settled=lambda *_, **_more: None, unseated=lambda _session: None
)


class Writer:
    """Commits at once."""

    def __init__(self) -> None:
        self.written: list[Write] = []

    def put_nowait(self, write: Write) -> None:
        self.written.append(write)
        if write.done is not None:
            write.done.set_result(None)


async def test_no_state_is_kept_of_a_session_that_did_not_wait_for_its_pipeline(
    sensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("becalm_server.ending.PIPELINE_LIMIT_S", 0.01)
    writer: Any = Writer()
    record = SessionRecord(session_id="1" * 32, source=Source.LIVE, baseline_s=5, inhale_s=None, exhale_s=None)
    session = Session(record, writer=writer, desk=NEVER_HEARD)
    session.install([StreamTail(info, acked_seq=0, n_duplicates=0) for info in sensors.streams])
    state = LiveState(3, 0, {}, "0" * 64, b"")
    session.seat.settle(Settlement(1, 3, 0, 0, items=(), state=state))
    assert [write.state for write in writer.written] == [state]
    await bring_to_end(session)  # no process ever takes it
    session.seat.settle(Settlement(1, 4, 0, 0, items=(), state=state))
    assert [write.state for write in writer.written[1:] if write.state is not None] == []
    assert [write.doubt for write in writer.written if write.doubt is not None] == [Doubt.CUT]

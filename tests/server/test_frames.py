import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.codec import decode
from becalm_protocol.events import Battery
from becalm_protocol.handshake import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, Ledger, Live
from becalm_server.frames import LiveFrame

LEDGER = Ledger(sample_ns=1, received_ns=2, accepted_ns=3, published_ns=4)


@pytest.mark.parametrize("subprotocol", [SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK])
@given(seqs=st.lists(st.integers(1, 2**53), min_size=1, max_size=5), level=st.integers(0, 100), told=st.booleans())
def test_numbered_frame_is_the_message(subprotocol: str, seqs: list[int], level: int, told: bool) -> None:
    event = Battery(stream_id="strap", received_ns=5, level_pct=level)
    ledger = LEDGER if told else None
    frame = LiveFrame(event, ledger=ledger, queued_ns=0)
    for seq in seqs:
        assert decode(frame.numbered(seq, subprotocol=subprotocol)) == Live(seq=seq, event=event, ledger=ledger)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.codec import decode
from becalm_protocol.events import Battery
from becalm_protocol.forms import CLIENT_SUBPROTOCOLS, version_of
from becalm_protocol.handshake import Ledger, Live
from becalm_server.frames import LiveFrame

LEDGER = Ledger(sample_ns=1, received_ns=2, accepted_ns=3, published_ns=4)


@pytest.mark.parametrize("subprotocol", CLIENT_SUBPROTOCOLS)
@given(seqs=st.lists(st.integers(1, 2**53), min_size=1, max_size=5), level=st.integers(0, 100), told=st.booleans())
def test_numbered_frame_is_the_message(subprotocol: str, seqs: list[int], level: int, told: bool) -> None:
    event = Battery(stream_id="strap", received_ns=5, level_pct=level)
    ledger = LEDGER if told else None
    frame = LiveFrame(event, ledger=ledger, queued_ns=0, session_id="5e55", seq=seqs[0])
    session_id = "5e55" if version_of(subprotocol) == 2 else None
    for seq in (*seqs, seqs[0]):
        expected = Live(seq=seq, event=event, ledger=ledger, session_id=session_id)
        assert decode(frame.numbered(seq, subprotocol=subprotocol), subprotocol=subprotocol) == expected


@pytest.mark.parametrize("subprotocol", [name for name in CLIENT_SUBPROTOCOLS if version_of(name) == 2])
def test_frame_of_a_session_is_encoded_once_for_all(subprotocol: str) -> None:
    event = Battery(stream_id="strap", received_ns=5, level_pct=1)
    frame = LiveFrame(event, ledger=LEDGER, queued_ns=0, session_id="5e55", seq=8)
    assert frame.numbered(8, subprotocol=subprotocol) is frame.numbered(8, subprotocol=subprotocol)

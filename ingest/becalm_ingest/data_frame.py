"""A spooled event as a `data` frame, in the form that a connection agreed on."""

import msgspec

from becalm_protocol.codec import decode_msgpack, encode
from becalm_protocol.envelope import seal
from becalm_protocol.forms import SEALED, SUBPROTOCOL_JSON
from becalm_protocol.handshake import Data


def encode_data(seq: int, *, body: bytes, subprotocol: str) -> str | bytes:
    """Return the frame of an event; `body` is its MessagePack, made once, when it was spooled."""
    if subprotocol == SUBPROTOCOL_JSON:
        return encode(Data(seq=seq, event=decode_msgpack(body)), subprotocol=subprotocol)
    frame = msgspec.msgpack.encode({"type": "data", "seq": seq, "event": msgspec.Raw(body)})
    return seal(frame) if subprotocol in SEALED else frame

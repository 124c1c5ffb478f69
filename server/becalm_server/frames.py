"""A live frame, encoded once for each sub-protocol; only its number differs between clients."""

import msgspec

from becalm_protocol.codec import encode_json, to_plain
from becalm_protocol.handshake import SUBPROTOCOL_MSGPACK, Ledger, Live, LiveEvent

Frame = str | bytes
_NUMBER = msgspec.msgpack.Encoder()
# A MessagePack map of up to 15 entries begins with one byte: 0x80 plus their number.
_SMALL_MAP = 0x80
_HEAD = _NUMBER.encode("type") + _NUMBER.encode("live") + _NUMBER.encode("seq")


class LiveFrame:
    """One event with its ledger, ready to be numbered."""

    __slots__ = ("_tail_json", "_tail_msgpack", "event", "ledger", "queued_ns")

    def __init__(self, event: LiveEvent, *, ledger: Ledger | None, queued_ns: int) -> None:
        self.event = event
        self.ledger = ledger
        self.queued_ns = queued_ns
        self._tail_json: str | None = None
        self._tail_msgpack: bytes | None = None

    def numbered(self, seq: int, *, subprotocol: str) -> Frame:
        """Return the frame as number `seq` of a connection."""
        if subprotocol == SUBPROTOCOL_MSGPACK:
            if self._tail_msgpack is None:
                self._tail_msgpack = self._encode_msgpack()
            return self._tail_msgpack[:1] + _HEAD + _NUMBER.encode(seq) + self._tail_msgpack[1:]
        if self._tail_json is None:
            whole = encode_json(Live(seq=0, event=self.event, ledger=self.ledger))
            self._tail_json = whole.removeprefix('{"type":"live","seq":0')
        return f'{{"type":"live","seq":{seq}{self._tail_json}'

    def _encode_msgpack(self) -> bytes:
        """Return the map's first byte and everything after the number."""
        fields: dict[str, object] = {"event": to_plain(self.event)}
        if self.ledger is not None:
            fields["ledger"] = {name: getattr(self.ledger, name) for name in Ledger.__slots__}  # type: ignore[attr-defined]
        tail = b"".join(_NUMBER.encode(name) + _NUMBER.encode(content) for name, content in fields.items())
        return bytes([_SMALL_MAP + 2 + len(fields)]) + tail

"""A live frame of one session, encoded once for each sub-protocol, whoever it goes to."""

import msgspec

from becalm_protocol.codec import encode_json, to_plain
from becalm_protocol.envelope import seal
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_MSGPACK
from becalm_protocol.handshake import Ledger, Live, LiveEvent

Frame = str | bytes
_NUMBER = msgspec.msgpack.Encoder()
# A MessagePack map of up to 15 entries begins with one byte: 0x80 plus their number.
_SMALL_MAP = 0x80
_HEAD = _NUMBER.encode("type") + _NUMBER.encode("live") + _NUMBER.encode("seq")
_HEAD_JSON = '{"type":"live","seq":'


class LiveFrame:
    """One event with its ledger and its number in its session."""

    __slots__ = ("_event_json", "_event_msgpack", "_forms", "event", "ledger", "queued_ns", "seq", "session_id")

    def __init__(
        self, event: LiveEvent, *, ledger: Ledger | None, queued_ns: int, session_id: str, seq: int | None
    ) -> None:
        self.event = event
        self.ledger = ledger
        self.queued_ns = queued_ns
        self.session_id = session_id
        self.seq = seq
        """None: told to one client alone, outside the session's count."""
        self._forms: dict[str, Frame] = {}
        self._event_json: str | None = None
        self._event_msgpack: bytes | None = None

    def numbered(self, seq: int, *, subprotocol: str) -> Frame:
        """Return the frame as number `seq` of whatever the sub-protocol's version counts."""
        if seq != self.seq or subprotocol not in (SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK):
            return self._encode(seq, subprotocol=subprotocol)
        if subprotocol not in self._forms:
            self._forms[subprotocol] = self._encode(seq, subprotocol=subprotocol)
        return self._forms[subprotocol]

    def _encode(self, seq: int, *, subprotocol: str) -> Frame:
        if subprotocol == SUBPROTOCOL_MSGPACK:
            return self._map(seq)
        if subprotocol == SUBPROTOCOL_2_MSGPACK:
            return seal(self._map(seq, session_id=self.session_id))
        owner = f',"session_id":"{self.session_id}"' if subprotocol == SUBPROTOCOL_2_JSON else ""
        return f"{_HEAD_JSON}{seq}{self._tail_json()}{owner}}}"

    def _tail_json(self) -> str:
        """Return everything after the number, but for what closes the object."""
        if self._event_json is None:
            whole = encode_json(Live(seq=0, event=self.event, ledger=self.ledger))
            self._event_json = whole.removeprefix(f"{_HEAD_JSON}0")[:-1]
        return self._event_json

    def _map(self, seq: int, *, session_id: str | None = None) -> bytes:
        if self._event_msgpack is None:
            self._event_msgpack = self._encode_event()
        owner = b"" if session_id is None else _NUMBER.encode("session_id") + _NUMBER.encode(session_id)
        n_fields = 3 + (self.ledger is not None) + bool(owner)
        return bytes([_SMALL_MAP + n_fields]) + _HEAD + _NUMBER.encode(seq) + self._event_msgpack + owner

    def _encode_event(self) -> bytes:
        fields: dict[str, object] = {"event": to_plain(self.event)}
        if self.ledger is not None:
            fields["ledger"] = {name: getattr(self.ledger, name) for name in Ledger.__slots__}  # type: ignore[attr-defined]
        return b"".join(_NUMBER.encode(name) + _NUMBER.encode(content) for name, content in fields.items())

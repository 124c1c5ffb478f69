"""A live frame of one session, encoded once for each sub-protocol, whoever it goes to."""

import msgspec

from becalm_protocol.codec import encode
from becalm_protocol.forms import version_of
from becalm_protocol.handshake import Ledger, Live, LiveEvent

Frame = str | bytes
_NUMBER = msgspec.msgpack.Encoder()
_HEAD = _NUMBER.encode("type") + _NUMBER.encode("live") + _NUMBER.encode("seq")
"""How a MessagePack frame goes on after the byte that says how many fields its map has."""
_HEAD_JSON = '{"type":"live","seq":'


class LiveFrame:
    """One event with its ledger and its number in its session."""

    __slots__ = ("_forms", "event", "ledger", "queued_ns", "seq", "session_id")

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
        """By sub-protocol: the whole frame; of version 1, whose numbers differ, what follows the number."""

    def numbered(self, seq: int, *, subprotocol: str) -> Frame:
        """Return the frame as number `seq` of whatever the sub-protocol's version counts."""
        if version_of(subprotocol) > 1:
            if seq != self.seq:
                return self._encode(seq, subprotocol=subprotocol)
            if subprotocol not in self._forms:
                self._forms[subprotocol] = self._encode(seq, subprotocol=subprotocol)
            return self._forms[subprotocol]
        if subprotocol not in self._forms:
            self._forms[subprotocol] = self._tail(subprotocol)
        return _join(seq, self._forms[subprotocol])

    def _encode(self, seq: int, *, subprotocol: str) -> Frame:
        live = Live(seq=seq, event=self.event, ledger=self.ledger, session_id=self.session_id)
        return encode(live, subprotocol=subprotocol)

    def _tail(self, subprotocol: str) -> Frame:
        """Return everything after the number of version 1; in MessagePack with the map's first byte before it."""
        live = Live(seq=0, event=self.event, ledger=self.ledger)
        whole = encode(live, subprotocol=subprotocol)
        if isinstance(whole, str):
            return whole.removeprefix(f"{_HEAD_JSON}0")
        return whole[:1] + whole[1 + len(_HEAD) + 1 :]  # 0 is one byte


def _join(seq: int, tail: Frame) -> Frame:
    if isinstance(tail, str):
        return f"{_HEAD_JSON}{seq}{tail}"
    return tail[:1] + _HEAD + _NUMBER.encode(seq) + tail[1:]

"""WebSocket frames on their way from an agent (RFC 6455, 5.2), and what can be done to them."""

import random
from collections import deque

TAMPERINGS = ("double", "lose", "swap", "flip")
# A whole window of a busy agent: what a proxy that repeats itself may send once more.
MAX_WINDOW = 64
_BINARY_OR_TEXT = (1, 2)


class Tamper:
    """Cuts a stream of bytes into frames and does to the next ones what is planned."""

    def __init__(self, counts: dict[str, int], *, dice: random.Random) -> None:
        self._counts = counts
        self._dice = dice
        self._buffer = bytearray()
        self._is_upgraded = self._is_greeted = False
        self._window: deque[bytes] = deque(maxlen=MAX_WINDOW)
        self._plans: deque[str] = deque()
        self._kept: bytes | None = None
        """A frame that the next one overtakes."""

    def plan(self, kind: str, *, n: int) -> None:
        """Do this to the next `n` frames with a message."""
        self._plans.extend([kind] * n)

    def pass_on(self, chunk: bytes) -> bytes:
        """Return what is to be sent in place of a chunk."""
        self._buffer += chunk
        if not self._is_upgraded:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return b""
            head = bytes(self._buffer[: end + 4])
            del self._buffer[: end + 4]
            self._is_upgraded = True
            return head + self.pass_on(b"")
        sent = b""
        while (n_bytes := _frame_bytes(self._buffer)) is not None:
            frame = bytes(self._buffer[:n_bytes])
            del self._buffer[:n_bytes]
            sent += self._change(frame)
        return sent

    def _change(self, frame: bytes) -> bytes:
        is_message = frame[0] & 0x0F in _BINARY_OR_TEXT
        if not is_message:
            return frame
        kept, self._kept = self._kept, None
        if kept is not None:
            return frame + kept
        if self._is_greeted:  # a hello said twice ends a conversation, which tells nothing of its data
            self._window.append(frame)
        self._is_greeted = True
        if not self._plans:
            return frame
        kind = self._plans.popleft()
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if kind == "double":
            return frame + b"".join(self._window)
        if kind == "lose":
            return b""
        if kind == "swap":
            self._kept = frame
            return b""
        changed = bytearray(frame)
        changed[self._dice.randrange(_header_bytes(frame), len(frame))] ^= 1 << self._dice.randrange(8)
        return bytes(changed)


def _header_bytes(frame: bytes | bytearray) -> int:
    n_length = {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    return 2 + n_length + (4 if frame[1] & 0x80 else 0)


def _frame_bytes(data: bytearray) -> int | None:
    """Return the length of the first frame, None where it is not complete."""
    if len(data) < 2 or len(data) < _header_bytes(data):
        return None
    n_payload = data[1] & 0x7F
    if n_payload > 125:
        n_payload = int.from_bytes(data[2 : 4 if n_payload == 126 else 10], "big")
    n_bytes = _header_bytes(data) + n_payload
    return n_bytes if len(data) >= n_bytes else None

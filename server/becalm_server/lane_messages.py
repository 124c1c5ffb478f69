"""What the server and a pipeline's process say to each other, as MessagePack.

Everything with a `handle`, but `Forget`, is answered by exactly one message, in order. A handle is used for one opening
only, so that whatever a process says of an earlier one meets nobody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from becalm_protocol.derived import Derived
from becalm_protocol.events import PhaseChange, SignalKind, StreamInfo
from becalm_protocol.handshake import Waveform
from becalm_protocol.wishes import BreathWish
from becalm_server.archive.raw_rows import RawRow
from becalm_server.recent_beats import Window
from becalm_signal.neurokit_signals import RawSignal

Settled = Derived | Waveform


class LiveState(msgspec.Struct):
    """A session's pipeline as it was after one step: what it stands for, and its content (`live_state.py`)."""

    arrival_idx: int
    """The last step that it has heard."""
    newest_ns: int
    seqs: Mapping[str, int]
    """{stream_id: seq} of the last event heard of each stream."""
    code_sha256: str
    body: bytes


class _Message(msgspec.Struct, array_like=True, tag=True):
    pass


class Open(_Message):
    """A session comes to this process, at its beginning or where `state` left off."""

    handle: int
    streams: tuple[StreamInfo, ...]
    schedule: tuple[PhaseChange, ...]
    state: LiveState | None


class Row(_Message):
    """A step: one raw event in the form of its archive row."""

    handle: int
    arrival_idx: int
    accepted_ns: int
    row: RawRow


class Wish(_Message):
    """A step that is a person's wish."""

    handle: int
    arrival_idx: int
    wish: BreathWish


class Finish(_Message):
    """Nothing more will come of a session."""

    handle: int


class Forget(_Message):
    """Drop a session; not answered."""

    handle: int


class Ping(_Message):
    """Still alive?"""


Step = Row | Wish
ToLane = Open | Row | Wish | Finish | Forget | Ping


class Opened(_Message):
    """Whether the state was of use; if not, the session begins at its beginning."""

    handle: int
    resumed: bool


class Settlement(_Message):
    """What followed from a step."""

    handle: int
    arrival_idx: int
    received_ns: int
    accepted_ns: int
    items: tuple[tuple[str, msgspec.Raw], ...] = ()
    windows: tuple[Any, ...] = ()
    """`Window`s; they come as mappings, for `unpack_window`."""
    trouble: str | None = None
    """Where the pipeline failed on the step, if it did."""
    state: LiveState | None = None
    """The session's state after this step, now and then."""


class Finished(_Message):
    """What followed from the end of a session."""

    handle: int
    items: tuple[tuple[str, msgspec.Raw], ...] = ()
    trouble: str | None = None


class Pong(_Message):
    """Alive; the first one says that the process is ready."""


FromLane = Opened | Settlement | Finished | Pong

_ENCODER = msgspec.msgpack.Encoder(enc_hook=lambda number: number.item())  # numpy's numbers
_TO_LANE = msgspec.msgpack.Decoder(list[ToLane])
_FROM_LANE = msgspec.msgpack.Decoder(list[FromLane])
_ITEMS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    cls.__name__: msgspec.msgpack.Decoder(cls) for cls in (*Derived.__args__, Waveform)
}


def encode(messages: Sequence[ToLane | FromLane]) -> bytes:
    """Return messages as one frame."""
    return _ENCODER.encode(messages)


def decode_to_lane(frame: bytes) -> list[ToLane]:
    """Return the server's messages."""
    return _TO_LANE.decode(frame)


def decode_from_lane(frame: bytes) -> list[FromLane]:
    """Return the process's messages."""
    return _FROM_LANE.decode(frame)


def pack(items: Sequence[Settled]) -> tuple[tuple[str, msgspec.Raw], ...]:
    """Return derived values as they travel."""
    return tuple((type(item).__name__, msgspec.Raw(_ENCODER.encode(item))) for item in items)


def unpack(items: Sequence[tuple[str, msgspec.Raw]]) -> list[Settled]:
    """Return the derived values that travelled."""
    return [_ITEMS[name].decode(packed) for name, packed in items]


def unpack_window(plain: Mapping[str, Any]) -> Window:
    """Return a window that travelled."""
    signals = tuple(RawSignal(**{**signal, "kind": SignalKind(signal["kind"])}) for signal in plain["signals"])
    numbers = {name: tuple(plain[name]) for name in ("rr_ms", "beats_s")}
    return Window(t_ns=plain["t_ns"], window_s=plain["window_s"], signals=signals, **numbers)

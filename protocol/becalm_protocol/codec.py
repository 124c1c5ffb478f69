"""Messages to bytes and back: JSON text (standard library) and MessagePack (msgspec, where it is installed).

Both forms carry the same mapping (`plain.py`). In version 2 the binary form is sealed: `envelope.py` says how.
"""

import json
from typing import Any, TypeVar

from becalm_protocol import limits
from becalm_protocol.envelope import MAGIC, seal, unseal
from becalm_protocol.errors import CloseCode, WireError
from becalm_protocol.forms import SEALED, SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_MSGPACK
from becalm_protocol.plain import Plain as Plain
from becalm_protocol.plain import from_plain as from_plain
from becalm_protocol.plain import to_plain as to_plain

try:
    import msgspec
except ModuleNotFoundError:  # the phone client speaks JSON only
    msgspec = None  # type: ignore[assignment]

M = TypeVar("M")


def encode(message: object, *, subprotocol: str) -> str | bytes:
    """Return a message in the form that `subprotocol` names."""
    if subprotocol == SUBPROTOCOL_2_MSGPACK:
        return seal(encode_msgpack(message))
    return encode_msgpack(message) if subprotocol == SUBPROTOCOL_MSGPACK else encode_json(message)


def decode(data: str | bytes, expected: type[M] | None = None, *, subprotocol: str | None = None) -> M:
    """Return the message in a WebSocket frame: text is JSON, binary is MessagePack, sealed or bare.

    `subprotocol` makes it strict: where frames are sealed, nothing else is taken. Raises WireError (too big, malformed)
    or UnknownTypeError.
    """
    return from_plain(read_plain(data, subprotocol=subprotocol), expected)


def read_plain(data: str | bytes, *, subprotocol: str | None = None) -> Any:
    """Return what a WebSocket frame carries, whatever it may mean. Raises WireError (too big, malformed)."""
    if subprotocol in SEALED and not isinstance(data, bytes):
        raise WireError("message: expected a sealed binary frame, got text")
    if isinstance(data, str):
        return _plain_of_json(data)
    if msgspec is None:
        raise WireError("message: expected JSON text, got a binary frame")
    _check_size(data)
    is_sealed = subprotocol in SEALED or (subprotocol is None and data.startswith(MAGIC))
    return _plain_of_msgpack(unseal(data) if is_sealed else data)


def encode_json(message: object) -> str:
    """Return a message as one JSON text without line breaks."""
    return json.dumps(to_plain(message), separators=(",", ":"), allow_nan=False)


def decode_json(text: str | bytes, expected: type[M] | None = None) -> M:
    """Return the message in a JSON text. Raises WireError (too big, malformed) or UnknownTypeError."""
    return from_plain(_plain_of_json(text), expected)


def encode_msgpack(message: object) -> bytes:
    """Return a message as bare MessagePack bytes. Needs msgspec."""
    return msgspec.msgpack.encode(to_plain(message))


def decode_msgpack(data: bytes, expected: type[M] | None = None) -> M:
    """Return the message in bare MessagePack bytes. Raises WireError (too big, malformed) or UnknownTypeError."""
    _check_size(data)
    return from_plain(_plain_of_msgpack(data), expected)


def _plain_of_json(text: str | bytes) -> Any:
    _check_size(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise WireError("message: expected JSON, got something else") from exc


def _plain_of_msgpack(data: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as exc:
        raise WireError("message: expected MessagePack, got something else") from exc


def _check_size(data: str | bytes) -> None:
    if len(data) > limits.MAX_FRAME_BYTES:
        raise WireError(
            f"frame: expected at most {limits.MAX_FRAME_BYTES} bytes, got {len(data)}", close_code=CloseCode.TOO_BIG
        )

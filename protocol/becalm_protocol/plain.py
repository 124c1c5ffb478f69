"""Messages to plain mappings and back: the field names of the value, `type` in front, absent fields left out.

Unknown fields are ignored, so that fields can be added; unknown types raise `UnknownTypeError`: a reader may skip them.
"""

import math
import re
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from becalm_protocol import derived, events, handshake, limits
from becalm_protocol.errors import UnknownTypeError, WireError

Plain = dict[str, Any]
M = TypeVar("M")
Read = Callable[[Any, str], Any]


def tag_of(cls: type) -> str:
    """Return what `type` says of a message or event of this class."""
    return _tag_of_name(cls.__name__)


@cache
def _tag_of_name(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _members(union: Any) -> tuple[type, ...]:
    return get_args(union)


TYPES: dict[str, type] = {
    tag_of(cls): cls
    for union in (handshake.Message, handshake.LiveEvent, events.RawEvent, derived.Derived)
    for cls in _members(union)
}


def to_plain(message: object) -> Plain:
    """Return the mapping of a message or event, `type` first."""
    return {"type": tag_of(type(message)), **_plain_fields(message)}


def _plain_fields(item: Any) -> Plain:
    mapping = {}
    for name in _field_names(item.__class__):
        content = getattr(item, name)
        if content is not None:
            mapping[name] = content if content.__class__ in _AS_IS else _plain(content)
    return mapping


@cache
def _field_names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


_AS_IS = frozenset({int, float, str, bool, dict})
"""Most fields of every live frame."""


def _plain(content: Any) -> Any:
    if isinstance(content, Enum):
        return content.value
    if isinstance(content, tuple):
        if content and isinstance(content[0], int | float):
            return list(content)
        return [_plain(item) for item in content]
    cls = content.__class__
    if cls in _TAGGED:
        return to_plain(content)
    return _plain_fields(content) if _is_value(cls) else content


@cache
def _is_value(cls: type[Any]) -> bool:
    return is_dataclass(cls)


_TAGGED = frozenset(TYPES.values())


def from_plain(plain: Any, expected: type[M] | None = None) -> M:
    """Rebuild a message from its mapping.

    Raises UnknownTypeError for a type of a later version and WireError for anything malformed.
    """
    if not isinstance(plain, dict):
        raise WireError(f"message: expected an object with a type, got {type(plain).__name__}")
    tag = plain.get("type")
    cls = TYPES.get(tag) if isinstance(tag, str) else None
    if cls is None:
        raise UnknownTypeError(f"message type: expected one this version knows, got {tag!r:.40}")
    message = _read_dataclass(cls, plain, tag_of(cls))
    if expected is not None and not isinstance(message, expected):
        raise WireError(f"message: expected {tag_of(expected)}, got {tag}")
    return cast("M", message)


def _read_dataclass(cls: type, plain: Any, path: str) -> Any:
    if not isinstance(plain, dict):
        raise WireError(f"{path}: expected an object, got {type(plain).__name__}")
    given = {}
    for name, read, required in _readers(cls):
        content = plain.get(name)
        if content is not None:
            given[name] = read(content, f"{path}.{name}")
        elif required:
            raise WireError(f"{path}.{name}: expected, but absent")
    try:
        return cls(**given)
    except ValueError as exc:
        raise WireError(f"{path}.{exc}") from exc


@cache
def _readers(cls: type) -> tuple[tuple[str, Read, bool], ...]:
    hints = get_type_hints(cls)
    return tuple(
        (f.name, _reader(hints[f.name]), f.default is MISSING and f.default_factory is MISSING) for f in fields(cls)
    )


def _reader(hint: Any) -> Read:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        members = [m for m in get_args(hint) if m is not type(None)]
        return _reader(members[0]) if len(members) == 1 else _read_tagged(tuple(members))
    if origin is tuple:
        return _read_tuple(get_args(hint)[0])
    if origin is dict:
        return _read_mapping(get_args(hint)[1])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _read_enum(hint)
    if is_dataclass(hint):
        nested = cast("type", hint)
        return lambda content, path: _read_dataclass(nested, content, path)
    return _SCALARS[hint]


def _read_tagged(members: tuple[type, ...]) -> Read:
    classes = {tag_of(member): member for member in members}

    def read(content: Any, path: str) -> Any:
        tag = content.get("type") if isinstance(content, dict) else None
        if not isinstance(tag, str) or (tag not in classes and tag in TYPES):
            raise WireError(f"{path}: expected one of {', '.join(classes)}, got {tag!r:.40}")
        if tag not in classes:
            raise UnknownTypeError(f"{path}.type: expected one this version knows, got {tag!r:.40}")
        return _read_dataclass(classes[tag], content, tag)

    return read


def _read_tuple(item_hint: Any) -> Read:
    def read(content: Any, path: str) -> Any:
        if not isinstance(content, list | tuple):
            raise WireError(f"{path}: expected a list, got {type(content).__name__}")
        if len(content) > limits.MAX_SAMPLES_PER_BLOCK:
            raise WireError(f"{path}: expected at most {limits.MAX_SAMPLES_PER_BLOCK} items, got {len(content)}")
        if item_hint is int and {*map(type, content)} <= {int}:  # the sample path: one quick pass
            return tuple(content)
        read_item = _reader(item_hint)
        return tuple(read_item(item, path) for item in content)

    return read


def _read_mapping(item_hint: Any) -> Read:
    read_item = _reader(item_hint)

    def read(content: Any, path: str) -> dict[str, Any]:
        if not isinstance(content, dict) or len(content) > limits.MAX_SAMPLES_PER_BLOCK:
            raise WireError(f"{path}: expected a small object, got {type(content).__name__}")
        return {_read_text(name, path): read_item(item, path) for name, item in content.items()}

    return read


def _read_enum(enum: type[Enum]) -> Read:
    def read(content: Any, path: str) -> Any:
        try:
            return enum(content)
        except ValueError as exc:
            raise WireError(
                f"{path}: expected one of {', '.join(str(m.value) for m in enum)}, got {content!r:.40}"
            ) from exc

    return read


def _read_int(content: Any, path: str) -> int:
    if type(content) is not int or not -(2**63) <= content < 2**63:  # what every store and both forms can carry
        raise WireError(f"{path}: expected an integer (64 bits), got {content!r:.40}")
    return content


def _read_float(content: Any, path: str) -> float:
    try:
        number = float(content) if type(content) in (int, float) else math.nan
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise WireError(f"{path}: expected a finite number, got {content!r:.40}")
    return number


def _read_text(content: Any, path: str) -> str:
    if not isinstance(content, str) or not _is_unicode(content):
        raise WireError(f"{path}: expected text, got {content!r:.40}")
    return content


def _is_unicode(text: str) -> bool:
    """JSON can escape half a character; no other form can carry it."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _read_bool(content: Any, path: str) -> bool:
    if not isinstance(content, bool):
        raise WireError(f"{path}: expected true or false, got {content!r:.40}")
    return content


_SCALARS: dict[Any, Read] = {int: _read_int, float: _read_float, str: _read_text, bool: _read_bool}

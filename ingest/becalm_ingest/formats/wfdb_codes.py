"""The ways WFDB stores samples (signal(5)): bytes to integers, exactly; sample values that stand for missing ones."""

import sys
from array import array
from collections.abc import Callable, Sequence

from becalm_protocol.events import value


@value
class Code:
    """One storage format."""

    n_bytes: int
    n_samples: int
    """`n_samples` samples fill `n_bytes` bytes."""
    invalid: int
    decode: Callable[[bytes], Sequence[int]]
    """Return the samples of whole groups."""


def _code_16(data: bytes) -> Sequence[int]:
    return _words(data, "h", swap=sys.byteorder == "big")


def _code_61(data: bytes) -> Sequence[int]:
    return _words(data, "h", swap=sys.byteorder == "little")


def _code_32(data: bytes) -> Sequence[int]:
    return _words(data, "i", swap=sys.byteorder == "big")


def _code_160(data: bytes) -> Sequence[int]:
    return [word - 0x8000 for word in _words(data, "H", swap=sys.byteorder == "big")]


def _code_80(data: bytes) -> Sequence[int]:
    return [byte - 0x80 for byte in data]


def _code_24(data: bytes) -> Sequence[int]:
    wide = bytearray(len(data) // 3 * 4)
    wide[1::4], wide[2::4], wide[3::4] = data[0::3], data[1::3], data[2::3]
    return [word >> 8 for word in _words(bytes(wide), "i", swap=sys.byteorder == "big")]


def _code_212(data: bytes) -> Sequence[int]:
    """Two samples of 12 bits in three bytes."""
    low, middle, high = data[0::3], data[1::3], data[2::3]
    counts = [0] * (2 * len(low))
    counts[0::2] = [((m & 0x0F) << 8 | b) - ((m & 0x08) << 9) for b, m in zip(low, middle, strict=True)]
    counts[1::2] = [((m & 0xF0) << 4 | b) - ((m & 0x80) << 5) for b, m in zip(high, middle, strict=True)]
    return counts


def _code_310(data: bytes) -> Sequence[int]:
    """Three samples of 10 bits in two words; the third from the upper bits of both."""
    counts = []
    words = _words(data, "H", swap=sys.byteorder == "big")
    for first, second in zip(words[0::2], words[1::2], strict=True):
        third = (second >> 11 & 0x1F) << 5 | (first >> 11 & 0x1F)
        counts += [_signed_10(first >> 1), _signed_10(second >> 1), _signed_10(third)]
    return counts


def _code_311(data: bytes) -> Sequence[int]:
    """Three samples of 10 bits in 32, one after the other from the lowest bit."""
    counts = []
    for word in _words(data, "I", swap=sys.byteorder == "big"):
        counts += [_signed_10(word), _signed_10(word >> 10), _signed_10(word >> 20)]
    return counts


def _words(data: bytes, kind: str, *, swap: bool) -> "array[int]":
    words: array[int] = array(kind, data)
    if swap:
        words.byteswap()
    return words


def _signed_10(bits: int) -> int:
    bits &= 0x3FF
    return bits - ((bits & 0x200) << 1)


CODES: dict[int, Code] = {
    16: Code(n_bytes=2, n_samples=1, invalid=-(2**15), decode=_code_16),
    24: Code(n_bytes=3, n_samples=1, invalid=-(2**23), decode=_code_24),
    32: Code(n_bytes=4, n_samples=1, invalid=-(2**31), decode=_code_32),
    61: Code(n_bytes=2, n_samples=1, invalid=-(2**15), decode=_code_61),
    80: Code(n_bytes=1, n_samples=1, invalid=-(2**7), decode=_code_80),
    160: Code(n_bytes=2, n_samples=1, invalid=-(2**15), decode=_code_160),
    212: Code(n_bytes=3, n_samples=2, invalid=-(2**11), decode=_code_212),
    310: Code(n_bytes=4, n_samples=3, invalid=-(2**9), decode=_code_310),
    311: Code(n_bytes=4, n_samples=3, invalid=-(2**9), decode=_code_311),
}
"""Format 8 (differences) and the FLAC formats are not among them."""

"""Samples in little room: differences of neighbours, their low bytes before their high ones, deflated.

Sensors sample faster than their signal changes, so differences are small and the high bytes nearly all zero. An hour of
a strap's ECG takes 0.50 MB in place of 0.94. The low bytes of a strap are noise, which deflate makes little smaller and
four times slower to read: they stand as they are in a stored block (RFC 1951, 3.2.4) before the deflated high ones.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from becalm_server.archive.raw_rows import INT16, INT32

_TYPES: Mapping[str, np.dtype[Any]] = {INT16: np.dtype("<i2"), INT32: np.dtype("<i4")}
SAMPLE_BYTES = {form: kind.itemsize for form, kind in _TYPES.items()}
# Raw deflate: a row has a checksum of its own in every page of the database.
_BARE = -zlib.MAX_WBITS
_LEVEL = _MEMORY_LEVEL = 9
_MAX_STORED = 0xFFFF
# A recorded strap takes 512 KB an hour in place of 457, and 2 ms to inflate in place of 6; one of a coarser sensor
# would take 1,311 in place of 760.
_WORTH_SPEED = 1.25

Counts = NDArray[Any]
"""Integers of 16 or 32 bits."""


def deflate(form: str, body: bytes) -> bytes:
    """Return little-endian samples, or whatever another form's body holds, in less room."""
    if form not in _TYPES:
        return _deflated(body)
    planes = _to_planes(form, body)
    n_low = len(planes) // SAMPLE_BYTES[form]
    whole = _deflated(planes)
    by_parts = _stored(planes[:n_low]) + _deflated(planes[n_low:])
    return by_parts if len(by_parts) < _WORTH_SPEED * len(whole) else whole


def inflate(form: str, content: bytes) -> bytes:
    """Return what deflate() was given."""
    return inflate_counts(form, [content]).tobytes() if form in _TYPES else zlib.decompress(content, _BARE)


def inflate_counts(form: str, contents: Sequence[bytes]) -> Counts:
    """Return the samples of many rows, one after another."""
    kind = _TYPES[form]
    rows = [zlib.decompress(content, _BARE) for content in contents]
    n_samples = [len(row) // kind.itemsize for row in rows]
    folded = np.zeros(sum(n_samples), f"<u{kind.itemsize}")
    for k in range(kind.itemsize):
        plane = b"".join([row[k * n : (k + 1) * n] for row, n in zip(rows, n_samples, strict=True)])
        folded |= np.frombuffer(plane, np.uint8).astype(folded.dtype) << (8 * k)
    signs = folded & 1
    folded >>= 1
    folded ^= np.negative(signs, out=signs)
    steps = folded.view(kind)
    # The first step of a row is its first sample: less the last one of the row before, all sums are one.
    firsts = np.cumsum([0, *n_samples])[:-1][np.array(n_samples, dtype=bool)]
    if len(firsts):
        lasts = np.add.reduceat(steps, firsts, dtype=kind)
        steps[firsts[1:]] -= lasts[:-1]
    return steps.cumsum(dtype=kind)


def _deflated(content: bytes) -> bytes:
    squeezer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _BARE, _MEMORY_LEVEL)
    return squeezer.compress(content) + squeezer.flush()


def _stored(content: bytes) -> bytes:
    """Return content as blocks that are not the last ones of their stream."""
    parts = [content[first : first + _MAX_STORED] for first in range(0, len(content), _MAX_STORED)]
    return b"".join(b"\0" + struct.pack("<HH", len(part), _MAX_STORED - len(part)) + part for part in parts)


def _to_planes(form: str, body: bytes) -> bytes:
    kind = _TYPES[form]
    steps = np.diff(np.frombuffer(body, kind), prepend=np.zeros(1, kind))
    signs = steps >> (8 * kind.itemsize - 1)
    return ((steps << 1) ^ signs).astype(kind).view(np.uint8).reshape(-1, kind.itemsize).T.tobytes()

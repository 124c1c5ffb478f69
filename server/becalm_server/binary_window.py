"""Windows of samples as bytes: a length, a JSON head, then plain little-endian arrays as the head says.

uint32      length of the head in bytes; head and length together are a multiple of eight
head        JSON: the window, and `arrays`: [name, type, number of elements] in their order
arrays      each without padding, so a browser reads one with `new Int32Array(buffer, offset, n)`
"""

import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

MEDIA_TYPE = "application/vnd.becalm.window"
_LENGTH = struct.Struct("<I")
_ALIGNED_BYTES = 8
_TYPES = {"i2": "int16", "i4": "int32", "u4": "uint32", "f4": "float32"}


def pack(head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a window as bytes. Arrays of wider elements go first, so that each is aligned."""
    told = [[name, _TYPES[array.dtype.str[1:]], len(array)] for name, array in arrays.items()]
    text = msgspec.json.encode({**head, "arrays": told})
    text += b" " * (-(len(text) + _LENGTH.size) % _ALIGNED_BYTES)
    bodies = (array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in arrays.values())
    return b"".join((_LENGTH.pack(len(text)), text, *bodies))


def narrow(counts: NDArray[np.int32]) -> NDArray[Any]:
    """Return counts in 16 bits where all of them fit."""
    fits = not len(counts) or (int(counts.min()) >= -0x8000 and int(counts.max()) <= 0x7FFF)
    return counts.astype(np.int16) if fits else counts

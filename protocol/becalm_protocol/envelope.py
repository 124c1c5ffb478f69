"""The seal around a binary frame of version 2: no flipped bit, wherever it is, is ever taken for a measurement.

    byte 0-1  BE CA   what this is; no bare MessagePack message begins so
    byte 2    02      version of the seal
    byte 3    00      flags: none is defined, so all are zero
    byte 4-7  CRC-32 (as in IEEE 802.3 and zlib, little-endian) over bytes 0-3 and the body
    byte 8-   body    one MessagePack message

TCP's own sum of 16 bits misses one damaged segment in 65,536, and memory between the sensor and the disk has none. The
CRC finds every flip of one or two bits and every burst of up to 32 in a frame of 64 KB, and of three bits up to 11 KB
(Koopman, DSN 2002, 10.1109/DSN.2002.1028931). CRC-32C is no better at these lengths and in no standard library: a phone
or a microcontroller would have to bring it, while zlib's is everywhere, at 1 GB/s.
"""

import struct
import zlib

from becalm_protocol.errors import MAX_SHOWN_BYTES, WireError

MAGIC = b"\xbe\xca"
_HEAD = MAGIC + b"\x02\x00"
_SUM = struct.Struct("<I")
N_HEADER_BYTES = len(_HEAD) + _SUM.size
_HEAD_CRC = zlib.crc32(_HEAD)


def seal(body: bytes) -> bytes:
    """Return the sealed frame of a body."""
    return _HEAD + _SUM.pack(zlib.crc32(body, _HEAD_CRC)) + body


def unseal(frame: bytes) -> bytes:
    """Return the body of a sealed frame. Raises WireError for anything that is not exactly what was sealed."""
    if len(frame) < N_HEADER_BYTES or not frame.startswith(_HEAD):
        got = frame[:MAX_SHOWN_BYTES].hex(" ") or "no bytes"
        raise WireError(f"frame: expected a header of {N_HEADER_BYTES} bytes from {_HEAD.hex(' ')} on, got {got}")
    body = frame[N_HEADER_BYTES:]
    (told,) = _SUM.unpack_from(frame, len(_HEAD))
    found = zlib.crc32(body, _HEAD_CRC)
    if found != told:
        raise WireError(f"frame: expected a body with CRC-32 {told:08x}, got {found:08x}. Send it again")
    return body

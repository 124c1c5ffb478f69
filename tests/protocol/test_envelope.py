"""The seal: whatever happens to a frame, it is what was sealed or an error."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol import codec
from becalm_protocol.envelope import N_HEADER_BYTES, seal, unseal
from becalm_protocol.errors import WireError
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK
from becalm_protocol.limits import MAX_FRAME_BYTES

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.sealed.hex"))


def flipped(frame: bytes, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name.partition(".sealed")[0])
def test_every_flip_of_one_bit_of_a_golden_frame_is_found(path: Path) -> None:
    frame = bytes.fromhex(path.read_text(encoding="utf-8"))
    for bit in range(8 * len(frame)):
        with pytest.raises(WireError):
            codec.decode(flipped(frame, bit), subprotocol=SUBPROTOCOL_2_MSGPACK)
        with pytest.raises(WireError):
            codec.decode(flipped(frame, bit))


@given(body=st.binary(max_size=3_000), data=st.data())
def test_flips_bursts_cuts_and_additions_are_found(body: bytes, data: st.DataObject) -> None:
    frame = seal(body)
    assert unseal(frame) == body
    bits = st.integers(0, 8 * len(frame) - 1)
    first = data.draw(bits)
    last = min(first + data.draw(st.integers(0, 31)), 8 * len(frame) - 1)
    burst = data.draw(st.integers(0, 2**32 - 1)) | 1
    number = int.from_bytes(frame, "little") ^ ((burst & ((1 << (last - first + 1)) - 1)) << first)
    wrong = [
        flipped(frame, first),
        flipped(flipped(frame, first), data.draw(bits.filter(lambda bit: bit != first))),
        number.to_bytes(len(frame), "little"),
        frame[: data.draw(st.integers(0, len(frame) - 1))],
        frame + bytes(data.draw(st.integers(1, 5))),
    ]
    for changed in wrong:
        with pytest.raises(WireError):
            unseal(changed)


def test_flips_in_the_largest_frame_are_found() -> None:
    frame = seal(bytes(range(256)) * ((MAX_FRAME_BYTES - N_HEADER_BYTES) // 256))
    for bit in range(0, 8 * len(frame), 997):
        with pytest.raises(WireError):
            unseal(flipped(frame, bit))


def test_seal_is_as_the_page_says() -> None:
    body = b"\x81\xa4type\xa4ping"
    frame = seal(body)
    assert frame[:4] == bytes.fromhex("be ca 02 00")
    assert struct.unpack("<I", frame[4:8]) == (zlib.crc32(frame[:4] + body),)
    assert frame[8:] == body


@pytest.mark.parametrize(
    "frame", ["", "be", "beca0200", "beca02000000000000", "ceca0200", "beca0100", "beca0300", "beca0201", "82a4747970"]
)
def test_other_headers_are_refused_with_what_was_expected(frame: str) -> None:
    with pytest.raises(WireError, match="expected"):
        unseal(bytes.fromhex(frame))

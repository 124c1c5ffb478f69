"""Delta-compressed samples, block by block, and whatever else may come in their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices.polar_delta import unpack_deltas
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError


def unpack(text: str, *, n_channels: int = 1, reference_bytes: int = 2) -> tuple[tuple[int, ...], ...]:
    data = bytes.fromhex(text)
    return unpack_deltas(data, n_channels=n_channels, reference_bytes=reference_bytes, device="test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00 80", ((-32768,),)),
        ("05 00 08 02 01 FF", ((5, 6, 5),)),
        # Three bits each, the first in the lowest ones: +3, -4, -1, and a byte filled up.
        ("00 00 03 03 E3 01", ((0, 3, -1, -2),)),
        # One bit holds 0 and -1.
        ("00 00 01 08 81", ((0, -1, -1, -1, -1, -1, -1, -1, -2),)),
        # Ten bits, across bytes: 0x155 = +341, 0x2AA = -342.
        ("00 00 0A 02 55 A9 0A", ((0, 341, -1),)),
        # Each block starts at a byte of its own, and goes on from the sample before.
        ("64 00 04 01 0F 04 01 01", ((100, 99, 100),)),
        ("00 00 08 00 08 01 07", ((0, 7),)),
    ],
)
def test_one_channel(text: str, expected: tuple[tuple[int, ...], ...]) -> None:
    assert unpack(text) == expected


def test_channels_are_interleaved() -> None:
    assert unpack("01 00 02 00 03 00 04 02 21 43 65", n_channels=3) == ((1, 2, 6), (2, 4, 9), (3, 6, 12))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "reference sample of 2"),
        ("00", "reference sample of 2"),
        ("00 00 08", "as announced"),
        ("00 00 08 02 01", "as announced"),
        ("00 00 00 05", "1 to 32 bits"),
        ("00 00 21 01 00 00 00 00 00", "1 to 32 bits"),
    ],
)
def test_wrong_bytes(text: str, why: str) -> None:
    with pytest.raises(DeviceDataError, match=why):
        unpack(text)


def test_no_frame_grows_beyond_what_a_block_may_hold() -> None:
    with pytest.raises(DeviceDataError, match="at most"):
        unpack("00 00" + ("01 FF" + "00" * 32) * 9)
    assert len(unpack("00 00" + ("01 FF" + "00" * 32) * 8)[0]) <= limits.MAX_SAMPLES_PER_BLOCK


@given(st.binary(max_size=600), st.integers(1, 25), st.integers(1, 3))
def test_any_bytes_give_equal_channels_or_device_data_error(data: bytes, n_channels: int, reference_bytes: int) -> None:
    try:
        channels = unpack_deltas(data, n_channels=n_channels, reference_bytes=reference_bytes, device="test")
    except DeviceDataError:
        return
    assert len(channels) == n_channels
    assert len({len(channel) for channel in channels}) == 1

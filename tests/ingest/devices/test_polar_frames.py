"""Every layout of a data frame, after the public description of the measurement service and the maker's open SDK."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices.polar_frames import Measurement, Pulse, Samples, parse_frame, parse_pulses, parse_samples
from becalm_protocol.errors import DeviceDataError

ECG, PPG, ACC, PPI = 0, 1, 2, 3


def frame(kind: int, form: int, payload: str) -> bytes:
    return struct.pack("<BQB", kind, 7, form) + bytes.fromhex(payload)


def samples_of(kind: int, form: int, payload: str) -> Samples:
    return parse_samples(parse_frame(frame(kind, form, payload)))


@pytest.mark.parametrize(
    ("kind", "form", "payload", "expected"),
    [
        (ECG, 0, "FF FF FF  00 00 80  E8 03 00", ((-1, -8_388_608, 1000),)),
        # Fourteen bits of voltage; what follows is oversampling, contact and impedance.
        (ECG, 1, "FF FF FF  01 40 00", ((0x3FFF, 1),)),
        # Eighteen bits of voltage, then tags.
        (ECG, 2, "FF FF FF  01 00 FC", ((0x3FFFF, 1),)),
        # A reading, a second one, a status.
        (ECG, 3, "FE FF FF 05 00 00 80  03 00 00 06 00 00 00", ((-2, 3),)),
        (ACC, 0, "01 FF 80  7F 00 02", ((1, 127), (-1, 0), (-128, 2))),
        (ACC, 1, "E8 03 18 FC 00 80", ((1000,), (-1000,), (-32768,))),
        (ACC, 2, "01 00 00 FF FF FF 00 00 80", ((1,), (-1,), (-8_388_608,))),
        (ACC, 0x80, "01 00 02 00 03 00 08 01 01 FF 00", ((1, 2), (2, 1), (3, 3))),
        (ACC, 0x81, "01 00 02 00 03 00", ((1,), (2,), (3,))),
        (PPG, 0, "01 00 00 02 00 00 03 00 00 FF FF FF", ((1,), (2,), (3,), (-1,))),
        (PPG, 0x80, "01 00 00 02 00 00 03 00 00 04 00 00 08 01 01 02 03 FF", ((1, 2), (2, 4), (3, 6), (4, 3))),
        (PPG, 0x8D, "01 00 00 02 00 00 80 00 00", ((1,), (2,), (128,))),
    ],
)
def test_samples(kind: int, form: int, payload: str, expected: Samples) -> None:
    assert samples_of(kind, form, payload) == expected


@pytest.mark.parametrize(("form", "n_channels"), [(0x87, 17), (0x88, 25), (0x8A, 21)])
def test_newer_light_has_many_channels(form: int, n_channels: int) -> None:
    assert len(samples_of(PPG, form, "01 00 00" * n_channels)) == n_channels


def test_the_head_of_a_frame() -> None:
    parsed = parse_frame(struct.pack("<BQB", 0x82, 599_616_000 * 10**9, 0x81) + b"\x00")
    assert parsed.measurement is Measurement.ACC  # bit 7: a recording of the sensor's own
    assert (parsed.sensor_ns, parsed.is_compressed, parsed.form) == (599_616_000 * 10**9, True, 1)
    assert not parsed.is_in_g
    assert parse_frame(frame(ACC, 0x80, "00")).is_in_g
    assert not parse_frame(frame(ACC, 0x00, "00")).is_in_g


def test_pulses() -> None:
    data = frame(PPI, 0, "3C E8 03 0A 00 06  00 FF FF FF FF 01  48 20 03 05 00 04")
    assert parse_pulses(parse_frame(data)) == (
        Pulse(heart_rate_bpm=60, interval_ms=1000, error_ms=10, is_blocked=False, in_contact=True),
        Pulse(heart_rate_bpm=0, interval_ms=65535, error_ms=65535, is_blocked=True, in_contact=None),
        Pulse(heart_rate_bpm=72, interval_ms=800, error_ms=5, is_blocked=False, in_contact=False),
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "header"),
        (frame(ECG, 0, ""), "header"),
        (frame(ECG, 0, "00 00"), "whole samples of 3"),
        (frame(ECG, 3, "00 00 00"), "whole samples of 7"),
        (frame(ACC, 1, "00 00 00 00"), "whole samples of 6"),
        (frame(PPG, 0, "00 00 00"), "whole samples of 12"),
        (frame(ACC, 3, "00 00 00"), "known frame, got ACC, type 3"),
        (frame(ECG, 0x80, "00 00 00"), "known frame, got ECG, compressed type 0"),
        (frame(PPG, 0x81, "00 00 00"), "known frame"),
        (frame(5, 0, "00"), "measurement 5"),
        (b"\x00" + bytes(7) + b"\x80\x00\x00\x00\x00", "stamp"),
    ],
)
def test_wrong_frames(data: bytes, why: str) -> None:
    with pytest.raises(DeviceDataError, match=why):
        parse_samples(parse_frame(data))


@pytest.mark.parametrize(("form", "payload"), [(0, "3C E8 03 0A 00"), (1, "3C E8 03 0A 00 06"), (0x80, "3C" * 6)])
def test_wrong_pulses(form: int, payload: str) -> None:
    with pytest.raises(DeviceDataError, match="expected"):
        parse_pulses(parse_frame(frame(PPI, form, payload)))


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))
def test_any_frame_gives_samples_or_device_data_error(kind: int, form: int, payload: bytes) -> None:
    try:
        parsed = parse_frame(frame(kind, form, payload.hex()))
        if parsed.measurement is Measurement.PPI:
            assert all(pulse.interval_ms <= 0xFFFF for pulse in parse_pulses(parsed))
        else:
            assert len(parse_samples(parsed)[0]) > 0
    except DeviceDataError:
        return

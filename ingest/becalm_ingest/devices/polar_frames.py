"""Data frames of Polar Measurement Data: bytes to samples, before anything is scaled or counted.

A frame is: measurement, u64 nanoseconds since 2000 of its LAST sample, frame type (bit 7: compressed), payload.
Facts: the published description (online_measurement.pdf 1.0) and the vendor's open SDK.
"""

import struct
from collections.abc import Callable
from enum import IntEnum

from becalm_ingest.devices.polar_delta import unpack_deltas
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import value

DEVICE = "polar_pmd"

_HEADER_BYTES = 10
_TYPE_MASK, _COMPRESSED = 0x3F, 0x80
_PULSE = struct.Struct("<BHHB")
_BLOCKED, _IN_CONTACT, _CONTACT_SUPPORTED = 1, 2, 4

Samples = tuple[tuple[int, ...], ...]
"""shape (n_channels, n_samples)"""


class Measurement(IntEnum):
    """The measurements this driver uses, by their number on the wire."""

    ECG = 0
    PPG = 1
    ACC = 2
    PPI = 3


@value
class Frame:
    """One data notification."""

    measurement: Measurement
    sensor_ns: int
    """Sensor time of the last sample, ns since 2000-01-01; some firmware gives 0 for pulse intervals."""
    is_compressed: bool
    form: int
    """Frame type, 0 to 127."""
    payload: bytes

    @property
    def is_in_g(self) -> bool:
        """Acceleration in g after the factor; every other form is in mg."""
        return self.measurement is Measurement.ACC and self.is_compressed and self.form == 0


@value
class Pulse:
    """One interval between pulses, with the sensor's own doubts."""

    heart_rate_bpm: int
    interval_ms: int
    error_ms: int
    is_blocked: bool
    """The sensor saw movement: the interval is not valid."""
    in_contact: bool | None
    """None where the sensor cannot tell."""


def parse_frame(data: bytes) -> Frame:
    """Return the frame in a data notification. Raises DeviceDataError."""
    if len(data) <= _HEADER_BYTES:
        raise _wrong(data, f"expected a header of {_HEADER_BYTES} bytes and samples, got {len(data)} bytes")
    kind = data[0] & _TYPE_MASK
    if kind not in Measurement.__members__.values():
        raise _wrong(data, f"expected ECG, PPG, acceleration or pulse intervals, got measurement {kind}")
    sensor_ns = int.from_bytes(data[1:9], "little")
    if sensor_ns >= 2**63:
        raise _wrong(data, f"expected a stamp below 2**63 ns, got {sensor_ns}")
    return Frame(
        measurement=Measurement(kind),
        sensor_ns=sensor_ns,
        is_compressed=bool(data[9] & _COMPRESSED),
        form=data[9] & ~_COMPRESSED,
        payload=data[_HEADER_BYTES:],
    )


def parse_samples(frame: Frame) -> Samples:
    """Return the samples of each channel of an ECG, PPG or acceleration frame. Raises DeviceDataError."""
    layouts = _COMPRESSED_LAYOUTS if frame.is_compressed else _RAW_LAYOUTS
    read = layouts.get((frame.measurement, frame.form))
    if read is None:
        pressed = "compressed " if frame.is_compressed else ""
        raise _wrong(frame.payload, f"expected a known frame, got {frame.measurement.name}, {pressed}type {frame.form}")
    return read(frame.payload)


def parse_pulses(frame: Frame) -> tuple[Pulse, ...]:
    """Return the intervals of a frame of pulse intervals, oldest first. Raises DeviceDataError."""
    if frame.is_compressed or frame.form != 0:
        raise _wrong(frame.payload, f"expected pulse intervals of type 0, got type {frame.form}")
    n_pulses, rest = divmod(len(frame.payload), _PULSE.size)
    if rest or n_pulses > limits.MAX_RR_PER_BLOCK:
        raise _wrong(frame.payload, f"expected intervals of {_PULSE.size} bytes, got {len(frame.payload)} bytes")
    return tuple(_pulse(*fields) for fields in _PULSE.iter_unpack(frame.payload))


def _pulse(heart_rate_bpm: int, interval_ms: int, error_ms: int, flags: int) -> Pulse:
    return Pulse(
        heart_rate_bpm=heart_rate_bpm,
        interval_ms=interval_ms,
        error_ms=error_ms,
        is_blocked=bool(flags & _BLOCKED),
        in_contact=bool(flags & _IN_CONTACT) if flags & _CONTACT_SUPPORTED else None,
    )


# -------------------------------------------------------------------------------------------------------------- layouts
def _signed(n_channels: int, n_bytes: int) -> Callable[[bytes], Samples]:
    """Channels of `n_bytes` each, one after the other, sample by sample."""

    def read(payload: bytes) -> Samples:
        _require_whole(payload, n_bytes=n_channels * n_bytes)
        flat = [
            int.from_bytes(payload[start : start + n_bytes], "little", signed=True)
            for start in range(0, len(payload), n_bytes)
        ]
        return tuple(tuple(flat[channel::n_channels]) for channel in range(n_channels))

    return read


def _masked(mask: int) -> Callable[[bytes], Samples]:
    """ECG samples of 3 bytes whose upper bits are flags."""

    def read(payload: bytes) -> Samples:
        _require_whole(payload, n_bytes=3)
        triples = range(0, len(payload), 3)
        return (tuple(int.from_bytes(payload[start : start + 3], "little") & mask for start in triples),)

    return read


def _ecg_with_status(payload: bytes) -> Samples:
    """ECG type 3: two readings of 3 bytes and a status; the first reading is kept."""
    _require_whole(payload, n_bytes=7)
    starts = range(0, len(payload), 7)
    return (tuple(int.from_bytes(payload[start : start + 3], "little", signed=True) for start in starts),)


def _deltas(n_channels: int, reference_bytes: int) -> Callable[[bytes], Samples]:
    def read(payload: bytes) -> Samples:
        return unpack_deltas(payload, n_channels=n_channels, reference_bytes=reference_bytes, device=DEVICE)

    return read


_RAW_LAYOUTS: dict[tuple[Measurement, int], Callable[[bytes], Samples]] = {
    (Measurement.ECG, 0): _signed(1, 3),
    (Measurement.ECG, 1): _masked(0x3FFF),  # then oversampling, contact and impedance
    (Measurement.ECG, 2): _masked(0x3FFFF),  # then tags of data and pacemaker
    (Measurement.ECG, 3): _ecg_with_status,
    (Measurement.ACC, 0): _signed(3, 1),
    (Measurement.ACC, 1): _signed(3, 2),
    (Measurement.ACC, 2): _signed(3, 3),
    (Measurement.PPG, 0): _signed(4, 3),
}
# Of the newer PPG frames the last channel is a status; which light each channel is, only the maker knows.
_COMPRESSED_LAYOUTS: dict[tuple[Measurement, int], Callable[[bytes], Samples]] = {
    (Measurement.ACC, 0): _deltas(3, 2),
    (Measurement.ACC, 1): _deltas(3, 2),
    (Measurement.PPG, 0): _deltas(4, 3),
    (Measurement.PPG, 7): _deltas(17, 3),
    (Measurement.PPG, 8): _deltas(25, 3),
    (Measurement.PPG, 10): _deltas(21, 3),
    (Measurement.PPG, 13): _deltas(3, 3),
}


def _require_whole(payload: bytes, *, n_bytes: int) -> None:
    if len(payload) % n_bytes or len(payload) > n_bytes * limits.MAX_SAMPLES_PER_BLOCK:
        raise _wrong(payload, f"expected whole samples of {n_bytes} bytes, got {len(payload)} bytes")


def _wrong(data: bytes, problem: str) -> DeviceDataError:
    return DeviceDataError(problem, device=DEVICE, data=data)

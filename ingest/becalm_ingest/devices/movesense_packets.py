r"""Bytes of the Movesense GATT SensorData Protocol (GSP), version 1, after its public specification.

To the sensor:   code, reference, data       0 HELLO, 1 SUBSCRIBE "path\0", 2 UNSUBSCRIBE, 4 GET "path\0"
From the sensor: 1, reference, u16 status, data    an answer, status as in HTTP; that of HELLO has none
                 2, reference, data                a packet of a subscribed path
                 3, reference, data                the rest of a packet that did not fit into one notification
"""

import math
import struct
from collections.abc import Iterable

from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import value

NAME = "movesense"

ANSWER, DATA, DATA_PART2 = 1, 2, 3
HELLO, SUBSCRIBE, UNSUBSCRIBE, GET = 0, 1, 2, 4
OK_BELOW = 300
STATUS_WORDS = {
    400: "did not understand the request",
    403: "forbids it",
    404: "does not have it",
    405: "does not allow it",
    409: "is busy with something else, such as a recording of its own",
    500: "had an error of its own",
    501: "does not implement it",
    503: "cannot do it at this moment",
    507: "has no room for another stream",
}

_MS_BYTES = 4
_VECTOR = struct.Struct("<3f")
_MAX_RR_MS = 63_999  # what an RrBlock holds in 1/1024 s


@value
class Answer:
    """An answer to a command."""

    ref: int
    status: int
    data: bytes


@value
class EcgPacket:
    """Samples of /Meas/ECG/{rate}."""

    t_ms: int
    """Sensor time of the first sample; wraps after 49 days."""
    counts: tuple[int, ...]


@value
class MotionPacket:
    """Vectors of /Meas/Acc/{rate} (one array) or /Meas/IMU6/{rate} (acceleration, then angular velocity)."""

    t_ms: int
    """Sensor time of the first vectors."""
    columns: tuple[tuple[float, ...], ...]
    """x, y, z of each array in turn: m/s2, then degrees a second."""


@value
class HeartRatePacket:
    """A value of /Meas/HR."""

    heart_rate_bpm: int | None
    rr_ms: tuple[int, ...]


def parse_answer(data: bytes, *, hello_ref: int) -> Answer:
    """Return the answer in a notification. Raises DeviceDataError."""
    if len(data) < 2 or data[0] != ANSWER:
        raise DeviceDataError("expected an answer 01 reference", device=NAME, data=data)
    if data[1] == hello_ref:
        return Answer(ref=hello_ref, status=200, data=data[2:])
    if len(data) < 4:
        raise DeviceDataError("expected a status of 2 bytes", device=NAME, data=data)
    return Answer(ref=data[1], status=int.from_bytes(data[2:4], "little"), data=data[4:])


def is_whole(payload: bytes, *, sample_bytes: int) -> bool:
    """Tell whether a packet has its stamp and whole samples only."""
    n_bytes = len(payload) - _MS_BYTES
    return n_bytes > 0 and n_bytes % sample_bytes == 0


def parse_ecg(payload: bytes) -> EcgPacket:
    """Return the samples of an ECG packet. Raises DeviceDataError."""
    n_samples = _n_samples(payload, sample_bytes=4)
    t_ms, *counts = struct.unpack(f"<I{n_samples}i", payload)
    return EcgPacket(t_ms=t_ms, counts=tuple(counts))


def parse_motion(payload: bytes, *, n_arrays: int) -> MotionPacket:
    """Return the vectors of a packet that holds `n_arrays`, one after the other. Raises DeviceDataError."""
    n_samples = _n_samples(payload, sample_bytes=n_arrays * _VECTOR.size)
    vectors = list(_VECTOR.iter_unpack(payload[_MS_BYTES:]))
    arrays = [vectors[start : start + n_samples] for start in range(0, len(vectors), n_samples)]
    columns = tuple(column for array in arrays for column in zip(*array, strict=True))
    if not all(map(_is_finite, columns)):
        raise DeviceDataError("expected finite vectors, got NaN or infinity", device=NAME, data=payload)
    return MotionPacket(t_ms=int.from_bytes(payload[:_MS_BYTES], "little"), columns=columns)


def parse_heart_rate(payload: bytes) -> HeartRatePacket:
    """Return the average and the RR intervals of a heart-rate packet. Raises DeviceDataError."""
    n_rr, rest = divmod(len(payload) - 4, 2)
    if n_rr < 0 or rest or n_rr > limits.MAX_RR_PER_BLOCK:
        raise DeviceDataError("expected an average of 4 bytes and RR of 2 bytes", device=NAME, data=payload)
    average_bpm, *rr_ms = struct.unpack(f"<f{n_rr}H", payload)
    if max(rr_ms, default=0) > _MAX_RR_MS:
        raise DeviceDataError(f"expected RR up to {_MAX_RR_MS} ms, got {max(rr_ms)}", device=NAME, data=payload)
    if math.isnan(average_bpm):  # no beat seen yet
        return HeartRatePacket(heart_rate_bpm=None, rr_ms=tuple(rr_ms))
    if not 0 <= average_bpm <= 0xFFFF:
        raise DeviceDataError(f"expected a heart rate, got {average_bpm:g}", device=NAME, data=payload)
    return HeartRatePacket(heart_rate_bpm=round(average_bpm), rr_ms=tuple(rr_ms))


def _n_samples(payload: bytes, *, sample_bytes: int) -> int:
    if not is_whole(payload, sample_bytes=sample_bytes):
        got = f"got {len(payload)} bytes"
        raise DeviceDataError(f"expected a stamp and samples of {sample_bytes} bytes, {got}", device=NAME, data=payload)
    n_samples = (len(payload) - _MS_BYTES) // sample_bytes
    if n_samples > limits.MAX_SAMPLES_PER_BLOCK:
        raise DeviceDataError(f"expected a packet, got {n_samples} samples", device=NAME, data=payload)
    return n_samples


def _is_finite(column: Iterable[float]) -> bool:
    return all(map(math.isfinite, column))

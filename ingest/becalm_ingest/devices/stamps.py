"""What a sensor's own time stamps tell: its time without the wraps, and how many samples are missing."""

from becalm_ingest.devices.cursor import Cursor
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

# Stamps never run ahead of the arrivals by more than a crowded link had held back.
_MAX_LEAD_NS = 5 * NS_PER_S


@value
class Reckoning:
    """One stamp, seen beside the one before."""

    sensor_ns: int
    """Sensor time of the last sample, wraps undone."""
    n_missing: int | None
    """Samples lost before this packet; None where there is nothing to compare with."""
    is_again: bool = False
    """The stamp before has come again: a packet delivered twice."""
    has_jumped: bool = False
    """The sensor's clock was set anew: continuity cannot be told."""


def reckon(stamp_ns: int, *, wrap_ns: int, cursor: Cursor, n_samples: int, received_ns: int) -> Reckoning:
    """Return what the stamp of the last of `n_samples` tells, on a clock that begins anew every `wrap_ns`."""
    rate_hz = cursor.sample_rate_hz
    if cursor.received_ns is None or cursor.sensor_ns is None or not rate_hz:
        return Reckoning(sensor_ns=stamp_ns, n_missing=None)
    by_arrival_ns = received_ns - cursor.received_ns
    expected_ns = cursor.sensor_ns + by_arrival_ns
    sensor_ns = expected_ns + (stamp_ns - expected_ns + wrap_ns // 2) % wrap_ns - wrap_ns // 2
    by_sensor_ns = sensor_ns - cursor.sensor_ns
    if by_sensor_ns == 0:
        return Reckoning(sensor_ns=sensor_ns, n_missing=None, is_again=True)
    if not 0 < by_sensor_ns < by_arrival_ns + _MAX_LEAD_NS:
        return Reckoning(sensor_ns=sensor_ns, n_missing=None, has_jumped=True)
    n_missing = round(by_sensor_ns * rate_hz / NS_PER_S) - n_samples
    # Sensors run a few per cent off their nominal rate: a sample or so a packet. What is lost is lost by whole packets.
    return Reckoning(sensor_ns=sensor_ns, n_missing=n_missing if n_missing > n_samples // 2 else 0)

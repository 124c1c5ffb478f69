"""Heart Rate Service 1.0 (0x180D): heart rate and RR intervals of any strap.

RR intervals stay the integers of 1/1024 s that the strap sent; it gives no time and no sequence with them.
"""

import struct
from collections.abc import Mapping

from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, StreamTemplate, Write, uuid_of
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import Clock, RawEvent, RrBlock, SignalKind, value

NAME = "heart_rate"
SERVICE_UUID = uuid_of(0x180D)
MEASUREMENT_UUID = uuid_of(0x2A37)

_RATE_IS_16_BIT = 0x01
_CONTACT_DETECTED = 0x02
_CONTACT_SUPPORTED = 0x04
_ENERGY_PRESENT = 0x08
_RR_PRESENT = 0x10
_RESERVED = 0xE0


@value
class Measurement:
    """One Heart Rate Measurement (characteristic 0x2A37)."""

    heart_rate_bpm: int
    in_contact: bool | None
    energy_kj: int | None
    rr_1024: tuple[int, ...]


def parse_measurement(data: bytes) -> Measurement:
    """Return the measurement in a notification. Raises DeviceDataError."""
    try:
        flags = data[0]
        offset = 1
        (heart_rate_bpm,) = struct.unpack_from("<H" if flags & _RATE_IS_16_BIT else "<B", data, offset)
        offset += 2 if flags & _RATE_IS_16_BIT else 1
        energy_kj = None
        if flags & _ENERGY_PRESENT:
            (energy_kj,) = struct.unpack_from("<H", data, offset)
            offset += 2
    except (struct.error, IndexError) as exc:
        raise DeviceDataError("expected flags, heart rate and energy", device=NAME, data=data) from exc
    contact = bool(flags & _CONTACT_DETECTED) if flags & _CONTACT_SUPPORTED else None
    return Measurement(
        heart_rate_bpm=heart_rate_bpm,
        in_contact=contact,
        energy_kj=energy_kj,
        rr_1024=_parse_rr(data, offset=offset),
    )


def _parse_rr(data: bytes, *, offset: int) -> tuple[int, ...]:
    flags, n_bytes = data[0], len(data) - offset
    if not flags & _RR_PRESENT:
        # A reserved flag may announce fields of a later version of the service.
        if n_bytes and not flags & _RESERVED:
            raise DeviceDataError(f"expected nothing after the rate, got {n_bytes} bytes", device=NAME, data=data)
        return ()
    if n_bytes % 2 or n_bytes > 2 * limits.MAX_RR_PER_BLOCK:
        raise DeviceDataError(f"expected RR intervals of 2 bytes, got {n_bytes} bytes", device=NAME, data=data)
    return struct.unpack_from(f"<{n_bytes // 2}H", data, offset)


class Conversation:
    """One connection: the service streams as soon as it is subscribed, so there is nothing to write."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor]) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self._cursor = cursors[SignalKind.RR]

    def start(self) -> tuple[Write, ...]:
        """Return no writes: subscribing starts the service."""
        return ()

    def stop(self) -> tuple[Write, ...]:
        """Return no writes: unsubscribing stops the service."""
        return ()

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the RR block of a notification, after a Gap where one was marked."""
        del channel  # the service has one
        measurement = parse_measurement(data)
        gaps = self._cursor.pass_gap(received_ns=received_ns)
        block = RrBlock(
            stream_id=self._cursor.stream_id,
            received_ns=received_ns,
            rr_1024=measurement.rr_1024,
            heart_rate_bpm=measurement.heart_rate_bpm,
            in_contact=measurement.in_contact,
        )
        return (*gaps, block)


FAMILY = Family(
    name=NAME,
    service_uuid=SERVICE_UUID,
    advertised_uuids=(SERVICE_UUID,),
    name_prefixes=("Polar ", "SIM-HR"),
    streams=(
        StreamTemplate(
            kind=SignalKind.RR,
            unit="1/1024 s",
            unit_per_count=1.0,
            sample_rate_hz=None,
            clock=Clock.ARRIVAL,
            late_after_s=4.0,  # straps notify once a second, and hold RR back for up to 4 s
            lost_after_s=8.0,
        ),
    ),
    channels=(Channel(name="measurement", uuids=(MEASUREMENT_UUID,)),),
    converse=Conversation,
)

"""Vernier Go Direct respiration belt (GDX-RB): the force around the chest, in newtons.

Commands and answers are packets `type length counter checksum command ...`; a long packet spans notifications and is
put together by its length. The belt sends no time: force n is n periods after the first, checked against its arrival.
"""

import math
import struct
from collections.abc import Mapping

from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, StreamTemplate, Write
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import Battery, Clock, GapReason, RawEvent, SignalKind, value
from becalm_protocol.units import NS_PER_MS

NAME = "vernier_belt"
SERVICE_UUID = "d91714ef-28b9-4f91-ba16-f0d9a604f112"
COMMAND_UUID = "f4bf14a6-c7d5-4b6d-8aa8-df1a7c83adcb"
RESPONSE_UUID = "b41e6675-a329-40e0-aa01-44d2f444babe"

FORCE_RATE_HZ = 10.0
FORCE_N_PER_COUNT = 0.001

_COMMAND, _MEASUREMENT = 0x58, 0x20
_HEADER_BYTES = 5
_CHUNK_BYTES = 20  # the belt's smallest packet, whatever the link has agreed
_FORCE_BIT = 1
_MASK = struct.pack("<I", 1 << _FORCE_BIT)
_PERIOD_US = struct.pack("<I", round(1_000_000 / FORCE_RATE_HZ))
_INIT = bytes.fromhex("1A A5 4A 06 49 07 48 08 47 09 46 0A 45 0B 44 0C 43 0D 42 0E 41")
_STATUS = bytes([0x10])
_SET_PERIOD = bytes([0x1B, 0xFF, 0x00]) + _PERIOD_US + bytes(4)
_START = bytes([0x18, 0xFF, 0x01]) + _MASK + bytes(8)
_STOP = bytes.fromhex("19 FF 00 FF FF FF FF")
_STATUS_BODY = struct.Struct("<BBBBHBBHBB")
_STATUS_OFFSET = 6
_NORMAL, _WIDE, _SINGLE, _SINGLE_ALSO, _DROPPED = 0x06, 0x07, 0x08, 0x0A, 0x0D
# Fragments of one packet follow each other within a connection interval or two; an older one lost its rest.
_MAX_FRAGMENT_AGE_NS = 1_000 * NS_PER_MS


@value
class Packet:
    """One whole packet of the belt, checksum right."""

    packet_type: int
    data: bytes


class Assembler:
    """Puts packets together from notifications that may cut them anywhere."""

    def __init__(self) -> None:
        self._buffer = b""
        self._began_ns = 0

    def feed(self, data: bytes, *, received_ns: int) -> tuple[Packet, ...]:
        """Return the packets completed by `data`. Raises DeviceDataError and starts afresh on a wrong one."""
        if not self._buffer or received_ns - self._began_ns > _MAX_FRAGMENT_AGE_NS:
            self._buffer, self._began_ns = b"", received_ns
        self._buffer += data
        packets = []
        while len(self._buffer) >= 2 and len(self._buffer) >= self._buffer[1]:
            n_bytes = self._buffer[1]
            raw, self._buffer = self._buffer[:n_bytes], self._buffer[n_bytes:]
            self._began_ns = received_ns
            self._check(raw)
            packets.append(Packet(packet_type=raw[0], data=raw))
        return tuple(packets)

    def _check(self, raw: bytes) -> None:
        problem = None
        if len(raw) < _HEADER_BYTES:
            problem = f"expected a packet of {_HEADER_BYTES} bytes or more, got {len(raw)}"
        elif checksum(raw) != raw[3]:
            problem = f"expected checksum {checksum(raw):02x}, got {raw[3]:02x}"
        if problem:
            shown, self._buffer = raw or self._buffer, b""
            raise DeviceDataError(problem, device=NAME, data=shown)


def checksum(packet: bytes | bytearray) -> int:
    """Return the low byte of the sum of all bytes but the checksum's own."""
    return (sum(packet) - packet[3]) & 0xFF


def parse_force(data: bytes) -> tuple[float, ...]:
    """Return the forces in newtons of a whole measurement packet, oldest first. Raises DeviceDataError."""
    form = data[4]
    try:
        if form in (_SINGLE, _SINGLE_ALSO):
            sensor, n_values = data[6], data[7]
            values: tuple[float, ...] = struct.unpack_from(f"<{n_values}f", data, 8)
            return values if sensor == _FORCE_BIT else ()
        if form in (_NORMAL, _WIDE):
            return _parse_masked(data, wide=form == _WIDE)
    except (struct.error, IndexError) as exc:
        raise DeviceDataError("expected as many values as announced", device=NAME, data=data) from exc
    return ()  # integers, start times and periods: nothing we asked for


def _parse_masked(data: bytes, *, wide: bool) -> tuple[float, ...]:
    (mask,) = struct.unpack_from("<I" if wide else "<H", data, 5)
    count_offset = 9 if wide else 7
    n_rows, first = data[count_offset], count_offset + 2
    columns = [bit for bit in range(32) if mask >> bit & 1]
    if _FORCE_BIT not in columns:
        return ()
    cells: tuple[float, ...] = struct.unpack_from(f"<{n_rows * len(columns)}f", data, first)
    return cells[columns.index(_FORCE_BIT) :: len(columns)]


class Conversation:
    """One connection: rolling command counter, packet assembly, samples counted."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor]) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self._cursor = cursors[SignalKind.RESPIRATION]
        self._assembler = Assembler()
        self._counter = 0

    def start(self) -> tuple[Write, ...]:
        """Return the commands that ask for the battery, set the period and start the force channel."""
        commands = (_INIT, _STATUS, _SET_PERIOD, _START)
        return tuple(write for command in commands for write in self._writes(command, expects_answer=True))

    def stop(self) -> tuple[Write, ...]:
        """Return the command that stops measuring; without it the belt goes on and stays busy."""
        return self._writes(_STOP, expects_answer=False)

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the forces and battery levels of the packets that `data` completes."""
        del channel  # the belt has one
        try:
            packets = self._assembler.feed(data, received_ns=received_ns)
            events = tuple(event for packet in packets for event in self._read(packet.data, received_ns=received_ns))
        except DeviceDataError:
            self._cursor.mark_break(GapReason.SENSOR_SILENT)  # how many samples it held is not known
            raise
        return events

    def _writes(self, command: bytes, *, expects_answer: bool) -> tuple[Write, ...]:
        self._counter = (self._counter - 1) & 0xFF
        packet = bytearray([_COMMAND, 4 + len(command), self._counter, 0]) + command
        packet[3] = checksum(packet)
        chunks = [bytes(packet[start : start + _CHUNK_BYTES]) for start in range(0, len(packet), _CHUNK_BYTES)]
        return tuple(
            Write(uuid=COMMAND_UUID, data=chunk, expects_answer=expects_answer and chunk is chunks[-1])
            for chunk in chunks
        )

    def _read(self, data: bytes, *, received_ns: int) -> tuple[RawEvent, ...]:
        if data[0] != _MEASUREMENT:
            self.n_answers += 1
            return self._read_status(data, received_ns=received_ns) if data[4] == _STATUS[0] else ()
        if data[4] == _DROPPED:
            self._cursor.mark_break(GapReason.SENSOR_SILENT)
            return ()
        forces = parse_force(data)
        if not forces:
            return ()
        if not all(math.isfinite(force) for force in forces):
            raise DeviceDataError("expected finite forces, got NaN or infinity", device=NAME, data=data)
        counts = tuple(round(force / FORCE_N_PER_COUNT) for force in forces)
        if min(counts) < limits.MIN_COUNT or max(counts) > limits.MAX_COUNT:
            raise DeviceDataError("expected forces within 2,000,000 N", device=NAME, data=data)
        return self._cursor.block(counts, received_ns=received_ns)

    def _read_status(self, data: bytes, *, received_ns: int) -> tuple[RawEvent, ...]:
        if len(data) < _STATUS_OFFSET + _STATUS_BODY.size:
            return ()
        *_, level_pct, _charger = _STATUS_BODY.unpack_from(data, _STATUS_OFFSET)
        if level_pct > 100:
            return ()
        return (Battery(stream_id=self._cursor.stream_id, received_ns=received_ns, level_pct=level_pct),)


FAMILY = Family(
    name=NAME,
    service_uuid=SERVICE_UUID,
    advertised_uuids=(SERVICE_UUID,),
    name_prefixes=("GDX", "SIM-BELT"),
    streams=(
        StreamTemplate(
            kind=SignalKind.RESPIRATION,
            unit="N",
            unit_per_count=FORCE_N_PER_COUNT,
            sample_rate_hz=FORCE_RATE_HZ,
            clock=Clock.ARRIVAL,
            late_after_s=1.6,
            lost_after_s=3.0,
        ),
    ),
    channels=(Channel(name="response", uuids=(RESPONSE_UUID,)),),
    converse=Conversation,
)

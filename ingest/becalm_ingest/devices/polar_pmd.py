"""Polar Measurement Data: the ECG of a chest strap, 130 Hz in microvolts, stamped by the strap's own clock.

A data frame is: type, u64 nanoseconds since 2000 of its LAST sample, frame type, samples of 3 bytes. The stamp is kept
as sent: straps restart their clock at 2019 after a minute off the body, so its absolute value means nothing.
"""

from collections.abc import Mapping

from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, StreamTemplate, Write
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import Clock, GapReason, RawEvent, SignalKind, value
from becalm_protocol.units import NS_PER_S

NAME = "polar_pmd"
SERVICE_UUID = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL_UUID = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA_UUID = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

ECG_RATE_HZ = 130.0
# start, ECG, setting 0 (rate) one value 130 Hz, setting 1 (resolution) one value 14 bit
START_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0E 00")
STOP_ECG = bytes.fromhex("03 00")

_ECG = 0x00
_MICROVOLT_FRAME = 0x00
_HEADER_BYTES = 10
_SAMPLE_BYTES = 3
_ANSWER = 0xF0
_ENDED_BY_DEVICE = 0x01
_FEATURES = 0x0F
_OP_START = 0x02
_OK, _ALREADY_ON, _BAD_MTU = 0, 6, 10
_REFUSALS = {
    1: "does not know the command",
    2: "does not know the measurement",
    3: "does not support it",
    4: "found the command too short",
    5: "found a parameter out of range",
    7: "does not have that resolution",
    8: "does not have that sample rate",
    _BAD_MTU: "has been given packets too small for ECG",
    12: "is in a state that does not allow it",
    13: "is in its charger",
}
# Stamps never run ahead of the arrivals by more than a crowded link had held back; a restarted clock jumps by years.
_MAX_LEAD_NS = 5 * NS_PER_S


@value
class EcgFrame:
    """One ECG notification."""

    sensor_ns: int
    """Strap time of the last sample, ns since 2000-01-01."""
    ecg_uv: tuple[int, ...]


def parse_ecg_frame(data: bytes) -> EcgFrame:
    """Return the samples in a data notification. Raises DeviceDataError."""
    if len(data) < _HEADER_BYTES:
        raise DeviceDataError(f"expected a header of {_HEADER_BYTES} bytes, got {len(data)}", device=NAME, data=data)
    if data[0] != _ECG or data[9] != _MICROVOLT_FRAME:
        got = f"type {data[0]}, frame {data[9]}"
        raise DeviceDataError(f"expected ECG frames of type 0, got {got}", device=NAME, data=data)
    sensor_ns = int.from_bytes(data[1:9], "little")
    if sensor_ns >= 2**63:
        raise DeviceDataError(f"expected a stamp below 2**63 ns, got {sensor_ns}", device=NAME, data=data)
    payload = data[_HEADER_BYTES:]
    if not payload or len(payload) % _SAMPLE_BYTES:
        raise DeviceDataError(f"expected samples of 3 bytes, got {len(payload)} bytes", device=NAME, data=data)
    ecg_uv = tuple(
        int.from_bytes(payload[start : start + _SAMPLE_BYTES], "little", signed=True)
        for start in range(0, len(payload), _SAMPLE_BYTES)
    )
    return EcgFrame(sensor_ns=sensor_ns, ecg_uv=ecg_uv)


class Conversation:
    """One connection: start and stop over the control point, frames checked against the strap's clock."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor]) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self._cursor = cursors[SignalKind.ECG]

    def start(self) -> tuple[Write, ...]:
        """Return the command that starts ECG; both channels must be subscribed before."""
        return (Write(uuid=CONTROL_UUID, data=START_ECG, expects_answer=True),)

    def stop(self) -> tuple[Write, ...]:
        """Return the command that stops ECG; without it the strap streams until its battery is empty."""
        return (Write(uuid=CONTROL_UUID, data=STOP_ECG, expects_answer=False),)

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the samples of a data frame; answers on the control channel give no events."""
        if channel == "control":
            self._parse_control(data)
            return ()
        frame = parse_ecg_frame(data)
        n_missing = self._count_missing(frame, data=data, received_ns=received_ns)
        return self._cursor.block(frame.ecg_uv, received_ns=received_ns, sensor_ns=frame.sensor_ns, n_missing=n_missing)

    def _parse_control(self, data: bytes) -> None:
        if data and data[0] == _FEATURES:  # reading the features lands here on some systems
            return
        if data and data[0] == _ENDED_BY_DEVICE:
            if _ECG in (kind & 0x3F for kind in data[1:]):
                self.refusal = LinkError("The strap ended its ECG by itself", advice="It is started again")
            return
        if len(data) < 4 or data[0] != _ANSWER:
            raise DeviceDataError("expected an answer F0 op type error", device=NAME, data=data)
        self.n_answers += 1
        op, error = data[1], data[3]
        if op == _OP_START and error not in (_OK, _ALREADY_ON):
            why = _REFUSALS.get(error, f"gave error {error}")
            advice = "Take it off, wait a minute, put it on again"
            self.refusal = LinkError(f"The strap refused to send ECG: it {why}", advice=advice)

    def _count_missing(self, frame: EcgFrame, *, data: bytes, received_ns: int) -> int | None:
        cursor, n_samples = self._cursor, len(frame.ecg_uv)
        if cursor.received_ns is None or cursor.sensor_ns is None:
            return None
        by_strap_ns = frame.sensor_ns - cursor.sensor_ns
        by_arrival_ns = received_ns - cursor.received_ns
        if by_strap_ns == 0:
            raise DeviceDataError(f"expected a stamp after {cursor.sensor_ns}, got it again", device=NAME, data=data)
        if not 0 < by_strap_ns < by_arrival_ns + _MAX_LEAD_NS:
            cursor.mark_break(GapReason.SENSOR_SILENT)  # the strap's clock jumped: continuity cannot be told
            return None
        n_missing = round(by_strap_ns * ECG_RATE_HZ / NS_PER_S) - n_samples
        # Real straps run up to 2 % off 130 Hz, one or two samples a frame; what is lost is lost by whole frames.
        return n_missing if n_missing > n_samples // 2 else 0


FAMILY = Family(
    name=NAME,
    service_uuid=SERVICE_UUID,
    advertised_uuids=(),  # straps advertise the Heart Rate Service; this one is seen once connected
    name_prefixes=(),
    streams=(
        StreamTemplate(
            kind=SignalKind.ECG,
            unit="uV",
            unit_per_count=1.0,
            sample_rate_hz=ECG_RATE_HZ,
            clock=Clock.DEVICE,
            late_after_s=2.1,  # a frame of 73 samples comes every 0.56 s
            lost_after_s=3.0,
        ),
    ),
    channels=(Channel(name="control", uuids=(CONTROL_UUID,)), Channel(name="data", uuids=(DATA_UUID,))),
    converse=Conversation,
)

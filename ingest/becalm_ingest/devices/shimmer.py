"""Shimmer3R GSR+ over Bluetooth Low Energy: skin conductance, in four ranges that the sensor chooses by itself.

Within a range conductance is a straight line of the converter's count: uS = (6 count / 4095 - 1) * 1000 / R, where R is
the feedback resistor in kOhm (the amplifier's equation in the maker's web SDK). The range changes between samples, so
uS is what can be kept as one stream: in steps of 0.0001 uS, a quarter of the finest range's own step.
"""

from collections.abc import Mapping

from becalm_ingest.devices import shimmer_packets as packets
from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, StreamTemplate, Write
from becalm_ingest.devices.shimmer_packets import Ack, Inquiry, PacketStream, Sample, Skipped
from becalm_ingest.devices.stamps import reckon
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import Clock, Dropped, GapReason, RawEvent, SignalKind
from becalm_protocol.units import NS_PER_S

NAME = packets.NAME
SERVICE_UUID = "65333333-a115-11e2-9e9a-0800200ca100"
COMMAND_UUID = "65333333-a115-11e2-9e9a-0800200ca102"
DATA_UUID = "65333333-a115-11e2-9e9a-0800200ca101"

# A response rises in half a second at the fastest: 16 Hz draw it, and divide the sensor's 32768 Hz without rest.
SKIN_RATE_HZ = 16.0
SKIN_US_PER_COUNT = 0.0001

_FEEDBACK_KOHM = (40.2, 287.0, 1_000.0, 3_300.0)
_MAX_ADC = 4_095
_WRAP_NS = packets.N_TICKS * NS_PER_S // packets.TICKS_PER_S


def skin_us(raw: int) -> float:
    """Return conductance from a raw value; an open input is 0."""
    adc, resistor_kohm = raw & 0x0FFF, _FEEDBACK_KOHM[raw >> 14 & 0x03]
    return max(0.0, (6 * adc / _MAX_ADC - 1) * 1_000 / resistor_kohm)


class Conversation:
    """One connection: settings, start, samples by the sensor's own clock."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor]) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self._cursor = cursors[SignalKind.SKIN_CONDUCTANCE]
        self._has_streamed = False
        self._rate_hz = self._cursor.sample_rate_hz or SKIN_RATE_HZ
        self._packets = PacketStream(period_ticks=max(1, round(packets.TICKS_PER_S / self._rate_hz)))

    def start(self) -> tuple[Write, ...]:
        """Return the commands that set sensor, rate and range, ask what came of it, and start."""
        settings = (packets.ENABLE_GSR, packets.set_rate(self._rate_hz), packets.AUTO_RANGE)
        asked = (*settings, packets.INQUIRE, packets.START)
        stop = Write(uuid=COMMAND_UUID, data=packets.STOP, expects_answer=False)  # a killed agent may have left it on
        return (stop, *(Write(uuid=COMMAND_UUID, data=data, expects_answer=True) for data in asked))

    def stop(self) -> tuple[Write, ...]:
        """Return the command that stops it; without it the sensor streams until its battery is empty."""
        return (Write(uuid=COMMAND_UUID, data=packets.STOP, expects_answer=False),)

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the samples that `data` completes; what is neither sample nor answer becomes a Dropped."""
        del channel  # there is one
        events: list[RawEvent] = []
        for item in self._packets.feed(data):
            match item:
                case Ack():
                    self._take_ack(item)
                case Inquiry():
                    self._take_inquiry(item)
                case Sample():
                    events.extend(self._sample(item, received_ns=received_ns))
                case Skipped(data=skipped):
                    events.append(self._dropped("expected answers and samples", skipped, received_ns=received_ns))
        return tuple(events)

    def _take_ack(self, ack: Ack) -> None:
        self.n_answers += 1
        if not ack.is_taken and not self._has_streamed:
            self.refusal = LinkError("The sensor refused a setting", advice="Switch it off and on; update its firmware")

    def _take_inquiry(self, inquiry: Inquiry) -> None:
        if packets.GSR_CHANNEL not in inquiry.channels:
            advice = "Use a Shimmer3R GSR+; other models have no electrodes for it"
            self.refusal = LinkError("The sensor measures no skin conductance", advice=advice)

    def _sample(self, sample: Sample, *, received_ns: int) -> tuple[RawEvent, ...]:
        self._has_streamed = True
        stamp_ns = round(sample.ticks * NS_PER_S / packets.TICKS_PER_S)
        told = reckon(stamp_ns, wrap_ns=_WRAP_NS, cursor=self._cursor, n_samples=1, received_ns=received_ns)
        if told.is_again:
            return (
                self._dropped("expected a later stamp", sample.ticks.to_bytes(3, "little"), received_ns=received_ns),
            )
        if told.has_jumped:
            self._cursor.mark_break(GapReason.SENSOR_SILENT)
        count = round(skin_us(sample.raw) / SKIN_US_PER_COUNT)
        return self._cursor.block((count,), received_ns=received_ns, sensor_ns=told.sensor_ns, n_missing=told.n_missing)

    def _dropped(self, problem: str, data: bytes, *, received_ns: int) -> Dropped:
        told = str(DeviceDataError(problem, device=NAME, data=data))
        return Dropped(stream_id=self._cursor.stream_id, received_ns=received_ns, problem=told)


FAMILY = Family(
    name=NAME,
    service_uuid=SERVICE_UUID,
    advertised_uuids=(SERVICE_UUID,),
    name_prefixes=("Shimmer3R", "SIM-GSR"),
    streams=(
        StreamTemplate(
            kind=SignalKind.SKIN_CONDUCTANCE,
            unit="uS",
            unit_per_count=SKIN_US_PER_COUNT,
            sample_rate_hz=SKIN_RATE_HZ,
            clock=Clock.DEVICE,
            late_after_s=1.6,
            lost_after_s=4.0,
        ),
    ),
    channels=(Channel(name="data", uuids=(DATA_UUID,)),),
    converse=Conversation,
)

"""Polar Measurement Data: ECG and acceleration of a chest strap, light signal and pulse intervals of an optical sensor.

`polar_choice` says what is started, `polar_control` how it is said, `polar_frames` what the data mean. A sensor's
stamps are kept as sent: straps restart their clock at 2019 after a minute off the body, so their absolute value means
nothing.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, Write
from becalm_ingest.devices.polar_choice import KINDS, USUAL, Plan, choose, plan
from becalm_ingest.devices.polar_control import (
    Answer,
    ControlChannel,
    Ended,
    Op,
    Settings,
    Status,
    ended,
    parse_features,
    parse_settings,
    refused,
    settings_command,
    stop_command,
)
from becalm_ingest.devices.polar_frames import (
    DEVICE,
    Frame,
    Measurement,
    Pulse,
    parse_frame,
    parse_pulses,
    parse_samples,
)
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import GapReason, RawEvent, RrBlock, SignalKind
from becalm_protocol.units import NS_PER_S

NAME = DEVICE
SERVICE_UUID = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL_UUID = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA_UUID = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

_CONTROL = "control"
# Stamps never run ahead of the arrivals by more than a crowded link had held back; a restarted clock jumps by years.
_MAX_LEAD_NS = 5 * NS_PER_S
# Systems that deliver a notification several times do so within a few others.
_REMEMBERED_STAMPS = 8
_MAX_PPI_TICKS = 0xFFFF
# Makers round the factor (0.000244 g for 8 g / 2**15). Accelerometers are good to 1 %: the counts stay as sent.
_SAME_STEP = 0.002


class Conversation:
    """One connection: measurements started and stopped, their frames checked against the sensor's clock."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor], *, plans: tuple[Plan, ...] = USUAL) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self.refused: dict[SignalKind, LinkError] = {}
        """Signals that the sensor would not start, though it has others."""
        self._plans = plans
        self._control = ControlChannel()
        self._tracks = {
            measurement: _Track(tuple(cursors[kind] for kind in kinds))
            for measurement, kinds in KINDS.items()
            if all(kind in cursors for kind in kinds)
        }

    def start(self) -> tuple[Write, ...]:
        """Return the commands that start the measurements; both channels must be subscribed before."""
        return tuple(Write(uuid=CONTROL_UUID, data=planned.start, expects_answer=True) for planned in self._plans)

    def stop(self) -> tuple[Write, ...]:
        """Return the commands that stop them; without these the sensor streams until its battery is empty."""
        return tuple(
            Write(uuid=CONTROL_UUID, data=stop_command(planned.measurement), expects_answer=False)
            for planned in self._plans
            if not self.refused.keys() & set(KINDS[planned.measurement])
        )

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the samples of a data frame; answers on the control channel give no events."""
        if channel == _CONTROL:
            self._hear(self._control.feed(data))
            return ()
        frame = parse_frame(data)
        track = self._tracks.get(frame.measurement)
        if track is None:
            raise DeviceDataError(f"expected what was started, got {frame.measurement.name}", device=NAME, data=data)
        if frame.measurement is Measurement.PPI:
            return track.pulses(frame, received_ns=received_ns)
        return track.samples(frame, received_ns=received_ns)

    def _hear(self, said: Answer | Ended | None) -> None:
        if isinstance(said, Ended):
            for kind in said.kinds & set(self._tracks):
                self.refusal = ended(Measurement(kind))
        elif said is not None and said.op == Op.START:  # nothing else is waited for
            self.n_answers += 1
            if said.kind in KINDS:
                self._hear_started(Measurement(said.kind), said)

    def _hear_started(self, measurement: Measurement, answer: Answer) -> None:
        if answer.error not in (Status.OK, Status.ALREADY_IN_STATE):
            refusal = refused(measurement, error=answer.error)
            self.refused |= dict.fromkeys(KINDS[measurement], refusal)
            self._tracks.pop(measurement, None)
            if all(self.refused.keys() >= set(KINDS[planned.measurement]) for planned in self._plans):
                self.refusal = refusal
        elif measurement in self._tracks and answer.parameters:
            self._tracks[measurement].factor = parse_settings(answer.parameters).factor


class _Track:
    """One measurement: its streams side by side, and the sensor's stamps over them."""

    def __init__(self, cursors: tuple[Cursor, ...]) -> None:
        self.factor: float | None = None
        self._cursors = cursors
        self._stamps: deque[int] = deque(maxlen=_REMEMBERED_STAMPS)

    def samples(self, frame: Frame, *, received_ns: int) -> tuple[RawEvent, ...]:
        """Return a block for each channel, each after its Gap where samples are missing."""
        channels = self._scale(frame, parse_samples(frame)[: len(self._cursors)])
        n_missing = self._count_missing(frame, n_samples=len(channels[0]), received_ns=received_ns)
        return tuple(
            event
            for cursor, counts in zip(self._cursors, channels, strict=False)  # newer PPG frames have fewer lights
            for event in cursor.block(counts, received_ns=received_ns, sensor_ns=frame.sensor_ns, n_missing=n_missing)
        )

    def pulses(self, frame: Frame, *, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the block of intervals, after a Gap where one was marked."""
        pulses = parse_pulses(frame)
        if frame.sensor_ns:  # some firmware gives 0 for all of them
            self._require_new(frame)
        cursor = self._cursors[0]
        gaps = cursor.pass_gap(received_ns=received_ns)
        contacts = [pulse.in_contact for pulse in pulses if pulse.in_contact is not None]
        block = RrBlock(
            stream_id=cursor.stream_id,
            received_ns=received_ns,
            rr_1024=tuple(min(round(pulse.interval_ms * 1.024), _MAX_PPI_TICKS) for pulse in pulses),
            heart_rate_bpm=pulses[-1].heart_rate_bpm,
            in_contact=all(contacts) if contacts else None,
            error_ms=tuple(pulse.error_ms for pulse in pulses),
            usable=tuple(map(_is_usable, pulses)),
        )
        return (*gaps, block)

    def _scale(self, frame: Frame, channels: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        """Return counts in the unit of the streams: what was sent where the steps are the same."""
        unit_per_count = self._cursors[0].unit_per_count
        sent_unit = (self.factor or (unit_per_count / 1000 if frame.is_in_g else 1.0)) if frame.is_compressed else 1.0
        ratio = sent_unit * (1000 if frame.is_in_g else 1) / unit_per_count
        low, high = min(map(min, channels)) * ratio, max(map(max, channels)) * ratio
        if low < limits.MIN_COUNT or high > limits.MAX_COUNT:
            raise DeviceDataError("expected samples of 32 bits", device=NAME, data=frame.payload)
        if abs(ratio - 1.0) < _SAME_STEP:
            return channels
        return tuple(tuple(round(count * ratio) for count in counts) for counts in channels)

    def _count_missing(self, frame: Frame, *, n_samples: int, received_ns: int) -> int | None:
        """Return how many samples did not come before this frame; None where the clock cannot tell."""
        self._require_new(frame)
        cursor = self._cursors[0]
        if cursor.received_ns is None or cursor.sensor_ns is None or not cursor.sample_rate_hz:
            return None
        by_sensor_ns = frame.sensor_ns - cursor.sensor_ns
        by_arrival_ns = received_ns - cursor.received_ns
        if not 0 < by_sensor_ns < by_arrival_ns + _MAX_LEAD_NS:
            for each in self._cursors:
                each.mark_break(GapReason.SENSOR_SILENT)  # the clock jumped: continuity cannot be told
            return None
        n_missing = round(by_sensor_ns * cursor.sample_rate_hz / NS_PER_S) - n_samples
        # Real sensors run some percent off their nominal rate, one or two samples a frame; what is lost is whole frames
        # (where they are compressed, of any length).
        return n_missing if n_missing > n_samples // 4 else 0

    def _require_new(self, frame: Frame) -> None:
        if frame.sensor_ns in self._stamps or frame.sensor_ns == self._cursors[0].sensor_ns:
            problem = f"expected a stamp after {frame.sensor_ns}, got it again"
            raise DeviceDataError(problem, device=NAME, data=frame.payload)
        self._stamps.append(frame.sensor_ns)


def _is_usable(pulse: Pulse) -> bool:
    """As the maker says: no movement, and contact where it can be told. An interval of nothing is none."""
    return not pulse.is_blocked and pulse.in_contact is not False and 0 < pulse.interval_ms * 1.024 < _MAX_PPI_TICKS


class Survey:
    """Asks a sensor for its measurements and settings, and ends what an earlier owner left running."""

    def __init__(self) -> None:
        self.reads: tuple[str, ...] = (CONTROL_UUID,)
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self._control = ControlChannel()
        self._measurements: tuple[Measurement, ...] = ()
        self._offers: dict[Measurement, Settings] = {}

    def take(self, uuid: str, data: bytes) -> None:
        """Take the features, which are what the control point reads."""
        del uuid  # we read one only
        self._measurements = choose(parse_features(data))

    def questions(self) -> tuple[Write, ...]:
        """Return the commands that ask for settings and stop what may be running with other ones."""
        asked = [settings_command(each) for each in self._measurements if each is not Measurement.PPI]
        stops = [stop_command(each) for each in self._measurements]
        return (
            *(Write(uuid=CONTROL_UUID, data=data, expects_answer=True) for data in asked),
            *(Write(uuid=CONTROL_UUID, data=data, expects_answer=False) for data in stops),
        )

    def parse(self, data: bytes, *, channel: str) -> None:
        """Take settings; an error means that a measurement is not offered."""
        said = self._control.feed(data) if channel == _CONTROL else None
        if not isinstance(said, Answer) or said.op != Op.SETTINGS:
            return
        self.n_answers += 1
        if said.kind in KINDS and said.error == Status.OK:
            self._offers[Measurement(said.kind)] = parse_settings(said.parameters)

    def found(self) -> Family:
        """Return the family with what this sensor can stream."""
        plans = tuple(p for p in (plan(each, self._offers) for each in self._measurements) if p is not None)
        return replace(
            FAMILY,
            streams=tuple(stream for planned in plans for stream in planned.streams),
            converse=partial(Conversation, plans=plans),
        )


FAMILY = Family(
    name=NAME,
    service_uuid=SERVICE_UUID,
    advertised_uuids=(),  # sensors advertise the Heart Rate Service; this one is seen once connected
    name_prefixes=(),
    streams=tuple(stream for planned in USUAL for stream in planned.streams),
    channels=(Channel(name=_CONTROL, uuids=(CONTROL_UUID,)), Channel(name="data", uuids=(DATA_UUID,))),
    converse=Conversation,
    survey=Survey,
)

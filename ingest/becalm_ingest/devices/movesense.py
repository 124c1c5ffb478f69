"""Movesense sensors over their GATT SensorData Protocol (GSP): ECG, motion, RR intervals, battery.

Each packet carries the sensor's own milliseconds, of its FIRST sample. Motion comes in m/s2 and is kept in hundredths
of a milli-g, a twentieth of the sensor's own step. Layouts: `movesense_packets`; paths: `movesense_resources`.
"""

from collections.abc import Mapping

from becalm_ingest.devices import movesense_packets as packets
from becalm_ingest.devices import movesense_resources as resources
from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, Write, uuid_of
from becalm_ingest.devices.movesense_resources import Resource
from becalm_ingest.devices.movesense_survey import Survey
from becalm_ingest.devices.stamps import reckon
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import Battery, Dropped, GapReason, RawEvent, RrBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

NAME = packets.NAME

_WRAP_NS = 2**32 * NS_PER_MS
_MG_PER_MS2 = 1_000 / 9.80665
_ADVERTISED_UUID = uuid_of(0xFDF3)  # Movesense Ltd's own; the 128-bit one does not fit beside it


class Conversation:
    """One connection: subscriptions by reference, packets joined, samples checked against the sensor's clock."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor]) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self.refused: dict[SignalKind, LinkError] = {}
        self._answered: set[int] = set()
        self._cursors = cursors
        self._resources = resources.wanted(cursors)
        self._by_ref = {resource.ref: resource for resource in resources.RESOURCES}
        self._begun: dict[int, bytes] = {}
        self._comes_in_parts: set[int] = set()

    def start(self) -> tuple[Write, ...]:
        """Return the subscriptions, and the question for the battery level."""
        battery = resources.command(
            packets.GET, ref=resources.BATTERY_REF, path=resources.BATTERY_PATH, expects_answer=False
        )
        return (*map(resources.subscribe, self._resources), battery)

    def stop(self) -> tuple[Write, ...]:
        """Return the ends of the subscriptions; without them the sensor streams until the link ends."""
        return tuple(resources.unsubscribe(resource, expects_answer=False) for resource in self._resources)

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the samples, intervals or battery level that a notification says or completes."""
        del channel  # there is one
        if data[:1] == bytes((packets.ANSWER,)):
            return self._take_answer(data, received_ns=received_ns)
        if len(data) < 2 or data[0] not in (packets.DATA, packets.DATA_PART2):
            raise DeviceDataError("expected 01, 02 or 03 and a reference", device=NAME, data=data)
        resource = self._by_ref.get(data[1])
        if resource is None:
            raise DeviceDataError(f"expected a reference we gave, got {data[1]}", device=NAME, data=data)
        if not all(kind in self._cursors for kind in resource.kinds):
            return ()  # the end of a trial
        try:
            payload = self._join(data, resource=resource)
            return () if payload is None else self._read(payload, resource=resource, received_ns=received_ns)
        except DeviceDataError:
            self._mark_break(resource)  # how many samples it held is not known
            raise

    def _take_answer(self, data: bytes, *, received_ns: int) -> tuple[RawEvent, ...]:
        answer = packets.parse_answer(data, hello_ref=resources.HELLO_REF)
        if answer.ref == resources.BATTERY_REF:
            if answer.status >= packets.OK_BELOW or not answer.data or answer.data[0] > 100 or not self._cursors:
                return ()
            stream_id = next(iter(self._cursors.values())).stream_id
            return (Battery(stream_id=stream_id, received_ns=received_ns, level_pct=answer.data[0]),)
        self.n_answers += 1
        resource = self._by_ref.get(answer.ref)
        if resource in self._resources and answer.ref not in self._answered:  # a second answer is that of the stop
            self._answered.add(answer.ref)
            if answer.status >= packets.OK_BELOW:
                self._forgo(resource, status=answer.status)
        return ()

    def _forgo(self, resource: Resource, *, status: int) -> None:
        why = packets.STATUS_WORDS.get(status, f"gave status {status}")
        refusal = LinkError(
            f"The sensor refused to send {resource.path}: it {why}",
            advice="Take it off its strap for a minute; end its own recording",
        )
        self.refused.update(dict.fromkeys(resource.kinds, refusal))
        if all(kind in self.refused for wanted in self._resources for kind in wanted.kinds):
            self.refusal = refusal

    def _join(self, data: bytes, *, resource: Resource) -> bytes | None:
        """Return a whole packet, None while its second part is to come."""
        code, ref = data[0], data[1]
        begun = self._begun.pop(ref, None)
        if code == packets.DATA_PART2:
            self._comes_in_parts.add(ref)
            if begun is None:
                raise DeviceDataError("expected the first part before the second", device=NAME, data=data)
            return begun + data[2:]
        payload, sample_bytes = data[2:], resource.sample_bytes
        if sample_bytes is None:
            return payload
        if packets.is_whole(payload, sample_bytes=sample_bytes) and ref not in self._comes_in_parts:
            return payload
        self._begun[ref] = payload
        if begun is not None:
            raise DeviceDataError("expected the second part of a packet, got the next one", device=NAME, data=data)
        return None

    def _read(self, payload: bytes, *, resource: Resource, received_ns: int) -> tuple[RawEvent, ...]:
        if resource is resources.HEART_RATE:
            return self._read_heart_rate(payload, received_ns=received_ns)
        if resource is resources.ECG:
            ecg = packets.parse_ecg(payload)
            return self._blocks((ecg.counts,), t_ms=ecg.t_ms, resource=resource, received_ns=received_ns, data=payload)
        motion = packets.parse_motion(payload, n_arrays=len(resource.kinds) // 3)
        columns = tuple(
            _counts(column, kind=kind, data=payload)
            for kind, column in zip(resource.kinds, motion.columns, strict=True)
        )
        return self._blocks(columns, t_ms=motion.t_ms, resource=resource, received_ns=received_ns, data=payload)

    def _blocks(
        self, columns: tuple[tuple[int, ...], ...], *, t_ms: int, resource: Resource, received_ns: int, data: bytes
    ) -> tuple[RawEvent, ...]:
        cursors = [self._cursors[kind] for kind in resource.kinds]
        n_samples, rate_hz = len(columns[0]), cursors[0].sample_rate_hz or 1.0
        stamp_ns = t_ms * NS_PER_MS + round((n_samples - 1) * NS_PER_S / rate_hz)
        told = reckon(stamp_ns, wrap_ns=_WRAP_NS, cursor=cursors[0], n_samples=n_samples, received_ns=received_ns)
        if told.is_again:  # nothing is lost with it
            problem = str(DeviceDataError(f"expected a stamp after {t_ms} ms, got it again", device=NAME, data=data))
            return (Dropped(stream_id=cursors[0].stream_id, received_ns=received_ns, problem=problem),)
        if told.has_jumped:
            self._mark_break(resource)
        return tuple(
            event
            for cursor, counts in zip(cursors, columns, strict=True)
            for event in cursor.block(
                counts, received_ns=received_ns, sensor_ns=told.sensor_ns, n_missing=told.n_missing
            )
        )

    def _read_heart_rate(self, payload: bytes, *, received_ns: int) -> tuple[RawEvent, ...]:
        told, cursor = packets.parse_heart_rate(payload), self._cursors[SignalKind.RR]
        gaps = cursor.pass_gap(received_ns=received_ns)
        rr_1024 = tuple(round(ms * 1.024) for ms in told.rr_ms)
        block = RrBlock(
            stream_id=cursor.stream_id,
            received_ns=received_ns,
            rr_1024=rr_1024,
            heart_rate_bpm=told.heart_rate_bpm,
        )
        return (*gaps, block)

    def _mark_break(self, resource: Resource) -> None:
        for kind in resource.kinds:
            self._cursors[kind].mark_break(GapReason.SENSOR_SILENT)


def _counts(column: tuple[float, ...], *, kind: SignalKind, data: bytes) -> tuple[int, ...]:
    if kind in resources.ACCELERATION_KINDS:
        per_unit = _MG_PER_MS2 / resources.ACCELERATION_MG_PER_COUNT
    else:
        per_unit = 1 / resources.ANGULAR_VELOCITY_DPS_PER_COUNT
    if max(map(abs, column)) * per_unit >= limits.MAX_COUNT:
        raise DeviceDataError("expected motion that a body can make", device=NAME, data=data)
    return tuple(round(x * per_unit) for x in column)


def family(*, with_gyroscope: bool) -> Family:
    """Return the family with or without angular velocity, which costs the sensor four times the current."""
    gyroscope = resources.GYROSCOPE_STREAMS if with_gyroscope else ()
    chosen = Family(
        name=NAME,
        service_uuid=resources.SERVICE_UUID,
        advertised_uuids=(resources.SERVICE_UUID, _ADVERTISED_UUID),
        name_prefixes=("Movesense", "SIM-MOVE"),
        streams=resources.STREAMS + gyroscope,
        channels=(Channel(name="data", uuids=(resources.DATA_UUID,)),),
        converse=Conversation,
        survey=lambda: Survey(chosen),
    )
    return chosen


FAMILY = family(with_gyroscope=False)

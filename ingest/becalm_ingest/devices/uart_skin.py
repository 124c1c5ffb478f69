r"""Skin conductance from a self-built sensor over the Nordic UART Service: text lines, eight a second.

Grammar, ASCII, `\n` or `\r\n` at the end of each line (docs/diy_skin_sensor.md has it with examples):

    line  = field *("," field)
    field = name "=" number / "transfer" "=" name
    eda_us=4.213                 microsiemens, 0 to 1000
    raw=300,transfer=grove       or a raw count, and the name of the way from there to microsiemens
    ...,t_ms=12345               with the sensor's own milliseconds, from which missing lines are counted

Unknown fields are ignored, so are lines without `=` (start-up banners). A notification may cut a line anywhere. Which
of the service's two characteristics notifies differs between makers, so it is chosen by what it can do.
"""

import re
from collections.abc import Mapping

from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, StreamTemplate, Write
from becalm_ingest.devices.skin_transfer import TRANSFERS
from becalm_protocol import limits
from becalm_protocol.errors import MAX_SHOWN_BYTES, DeviceDataError, LinkError
from becalm_protocol.events import Clock, Dropped, GapReason, RawEvent, SignalKind, value

NAME = "uart_skin"
SERVICE_UUID = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
CHARACTERISTIC_UUIDS = ("6e400003-b5a3-f393-e0a9-e50e24dcca9e", "6e400002-b5a3-f393-e0a9-e50e24dcca9e")

SKIN_RATE_HZ = 8.0
SKIN_US_PER_COUNT = 0.0001

# A line is some 30 bytes; 4 KiB without an end of line is not this grammar.
_MAX_BUFFER_BYTES = 4_096
_MAX_SKIN_US = 1_000.0
# A longer step is a clock set anew, not missing lines.
_MAX_STEP_MS = 60_000
_MIN_STEP_MS = 1
# Self-built clocks are uneven by a fifth or so; a lost line doubles the step.
_MISSING_STEPS = 1.7
_AVERAGED_STEPS = 16
_NUMBER = re.compile(rb"[+-]?\d{1,15}(\.\d{0,15})?([eE][+-]?\d{1,2})?")


@value
class Reading:
    """One line."""

    eda_us: float
    t_ms: float | None


def parse_line(line: bytes) -> Reading | None:
    """Return the reading in a line without its end, None for a banner or an empty line. Raises DeviceDataError."""
    if b"=" not in line:
        return None
    texts = dict(_parse_field(field, line=line) for field in line.split(b","))
    transfer = texts.pop("transfer", None)
    fields = {name: _parse_number(text, line=line) for name, text in texts.items()}
    eda_us = fields.get("eda_us") if transfer is None else _convert(transfer, fields, line=line)
    if eda_us is None or not 0 <= eda_us <= _MAX_SKIN_US:
        raise DeviceDataError(f"expected eda_us from 0 to {_MAX_SKIN_US:g}, got {eda_us}", device=NAME, data=line)
    return Reading(eda_us=eda_us, t_ms=fields.get("t_ms"))


def _parse_field(field: bytes, *, line: bytes) -> tuple[str, bytes]:
    name, _, text = field.partition(b"=")
    if not name.isascii():
        raise DeviceDataError("expected fields name=number", device=NAME, data=line)
    return name.strip().decode("ascii"), text.strip()


def _parse_number(text: bytes, *, line: bytes) -> float:
    if not _NUMBER.fullmatch(text):
        raise DeviceDataError("expected fields name=number", device=NAME, data=line)
    return float(text)


def _convert(name: bytes, fields: dict[str, float], *, line: bytes) -> float:
    transfer = TRANSFERS.get(name.decode("ascii", errors="replace"))
    if transfer is None:
        known = ", ".join(TRANSFERS)
        raise DeviceDataError(f"expected a transfer of {known}", device=NAME, data=line)
    try:
        return transfer(fields["raw"], fields)
    except (KeyError, ZeroDivisionError, OverflowError) as exc:
        raise DeviceDataError("expected what its transfer needs: raw, full, ref_kohm", device=NAME, data=line) from exc


class Conversation:
    """One connection: the line that is not complete yet, and the sensor's own time."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor]) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self._cursor = cursors[SignalKind.SKIN_CONDUCTANCE]
        self._buffer = b""
        self._n_lines = 0
        self._newest_line = b""
        self._t_ms: float | None = None
        self._period_ms: float | None = None

    def start(self) -> tuple[Write, ...]:
        """Return no writes: the sensor sends as soon as it is subscribed."""
        return ()

    def stop(self) -> tuple[Write, ...]:
        """Return no writes: the sensor rests when nobody is subscribed."""
        return ()

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the samples of the lines that `data` completes; a bad line among good ones becomes a Dropped."""
        del channel  # the service has one
        self._buffer += data
        if len(self._buffer) > _MAX_BUFFER_BYTES:
            start, self._buffer = self._buffer[:MAX_SHOWN_BYTES], b""
            self._cursor.mark_break(GapReason.SENSOR_SILENT)
            raise DeviceDataError(f"expected a line within {_MAX_BUFFER_BYTES} bytes", device=NAME, data=start)
        *lines, self._buffer = self._buffer.split(b"\n")
        events: list[RawEvent] = []
        run: list[int] = []
        for line in lines:
            self._read_line(line.strip(b"\r"), received_ns=received_ns, run=run, events=events)
        self._end_run(run, received_ns=received_ns, events=events)
        return tuple(events)

    def _read_line(self, line: bytes, *, received_ns: int, run: list[int], events: list[RawEvent]) -> None:
        self._n_lines += 1
        before, self._newest_line = self._newest_line, line
        try:
            reading = parse_line(line)
        except DeviceDataError as exc:
            if self._n_lines == 1:
                return  # we joined in the middle of this line
            self._end_run(run, received_ns=received_ns, events=events)
            self._cursor.mark_break(GapReason.NOT_A_NUMBER)
            events.append(self._dropped(exc, received_ns=received_ns))
            return
        if reading is None:
            return
        if line == before and reading.t_ms is not None:  # delivered twice: nothing is missing
            again = DeviceDataError("expected a later t_ms, got the same line again", device=NAME, data=line)
            self._end_run(run, received_ns=received_ns, events=events)
            events.append(self._dropped(again, received_ns=received_ns))
            return
        n_missing = self._count_missing(reading)
        if n_missing != 0:
            self._end_run(run, received_ns=received_ns, events=events)
            if n_missing is None:
                self._cursor.mark_break(GapReason.SENSOR_SILENT)
            else:
                events.extend(self._cursor.pass_gap(received_ns=received_ns, n_samples=1, n_missing=n_missing))
        run.append(round(reading.eda_us / SKIN_US_PER_COUNT))

    def _end_run(self, run: list[int], *, received_ns: int, events: list[RawEvent]) -> None:
        for start in range(0, len(run), limits.MAX_SAMPLES_PER_BLOCK):
            counts = tuple(run[start : start + limits.MAX_SAMPLES_PER_BLOCK])
            events.extend(self._cursor.block(counts, received_ns=received_ns))
        run.clear()

    def _dropped(self, exc: DeviceDataError, *, received_ns: int) -> Dropped:
        problem = str(exc)[: limits.MAX_NOTE_CHARS]
        return Dropped(stream_id=self._cursor.stream_id, received_ns=received_ns, problem=problem)

    def _count_missing(self, reading: Reading) -> int | None:
        before_ms, self._t_ms = self._t_ms, reading.t_ms
        if before_ms is None or reading.t_ms is None:
            return 0
        step_ms = reading.t_ms - before_ms
        if not _MIN_STEP_MS <= step_ms <= _MAX_STEP_MS:
            return None  # the sensor started anew
        period_ms = self._period_ms or step_ms  # builders choose their own rate: learnt from the lines themselves
        if step_ms >= _MISSING_STEPS * period_ms:
            return max(1, round(step_ms / period_ms) - 1)
        self._period_ms = period_ms + (step_ms - period_ms) / _AVERAGED_STEPS
        return 0


FAMILY = Family(
    name=NAME,
    service_uuid=SERVICE_UUID,
    advertised_uuids=(SERVICE_UUID,),
    name_prefixes=("SIM-EDA",),
    streams=(
        StreamTemplate(
            kind=SignalKind.SKIN_CONDUCTANCE,
            unit="uS",
            unit_per_count=SKIN_US_PER_COUNT,
            sample_rate_hz=SKIN_RATE_HZ,
            clock=Clock.ARRIVAL,
            late_after_s=1.6,
            lost_after_s=5.0,
        ),
    ),
    channels=(Channel(name="lines", uuids=CHARACTERISTIC_UUIDS),),
    converse=Conversation,
)

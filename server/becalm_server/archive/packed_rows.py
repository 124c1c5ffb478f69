"""Rows of raw events joined into one, and taken apart again: the same rows, byte for byte.

`body` is the bodies of the joined rows, one after another, deflated. What else they hold is told of the first; of the
others `side` has column after column: a line through their numbers, and how far each is off that line in as few bits as
the farthest needs. Steady stamps take no bit but the line's; positions are consecutive.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.packed_bodies import SAMPLE_BYTES, deflate, inflate
from becalm_server.archive.raw_rows import INT16, INT32, RR, RawRow

PACKED_FORMS = (INT16, INT32, RR)
"""Other events are rare, and counted by their form: they stay rows of their own."""
# `second` counts from here, 2020-01-01 UTC: four bytes reach from 1951 to 2088.
EPOCH_UNIX_NS = 1_577_836_800 * NS_PER_S
# A row has some 100 bytes of its own, and as much work whoever reads it: it takes so many seconds until there are this
# many samples, of intervals a minute. Between rows time is a straight line. In the first minute, while a clock is still
# learned, five seconds of it are 2 ms off in 95 of 100 packets, ten seconds 6 ms; later both are within 0.2 ms.
_SPANS_S = (5, 10, 15, 30, 60)
_SAMPLES_WORTH_A_ROW = 240
MAX_SPAN_S = _SPANS_S[-1]
# The time to build a row's bits grows faster than its events; a sensor sends some hundreds a second at most.
MAX_EVENTS = 4_096


@value
class PackedRow:
    """Consecutive events of one stream, all of one form, received in the same second, or span of seconds."""

    second: int
    arrival_idx: int
    seq: int
    first_sample_idx: int | None
    received_ns: int
    sensor_ns: int | None
    n_samples: int
    n_events: int
    form: str
    body: bytes
    side: bytes


def span_s_of(sample_rate_hz: float | None) -> int:
    """Return how many seconds of a stream make a row; None is the rate of intervals."""
    rate_hz = sample_rate_hz or 0.0
    return next((span for span in _SPANS_S if span * rate_hz >= _SAMPLES_WORTH_A_ROW), MAX_SPAN_S)


class Packing:
    """How the rows of one stream are joined."""

    def __init__(self, *, started_unix_ns: int, sample_rate_hz: float | None) -> None:
        self._ahead_ns = started_unix_ns - EPOCH_UNIX_NS
        self._span_s = span_s_of(sample_rate_hz)

    def second(self, row: RawRow) -> int:
        """Return where the span begins in which an event was received, in seconds since the epoch of the table."""
        return (self._ahead_ns + row.received_ns) // (self._span_s * NS_PER_S) * self._span_s

    def runs(self, rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
        """Give rows of one stream, which come in the order of their numbers, in groups that pack() takes."""
        run: list[RawRow] = []
        for row in rows:
            if run and (len(run) == MAX_EVENTS or not self._fit(run[-1], row)):
                yield run
                run = []
            run.append(row)
        if run:
            yield run

    def _fit(self, last: RawRow, row: RawRow) -> bool:
        """Tell whether a row follows on another without anything between them."""
        follows = last.first_sample_idx is None or row.first_sample_idx == last.first_sample_idx + last.n_samples
        alike = (last.form, last.sensor_ns is None) == (row.form, row.sensor_ns is None)
        return alike and follows and row.seq == last.seq + 1 and self.second(last) == self.second(row)

    def pack(self, rows: Sequence[RawRow]) -> PackedRow:
        """Join a run of rows."""
        first = rows[0]
        return PackedRow(
            second=self.second(first),
            arrival_idx=first.arrival_idx,
            seq=first.seq,
            first_sample_idx=first.first_sample_idx,
            received_ns=first.received_ns,
            sensor_ns=first.sensor_ns,
            n_samples=sum(row.n_samples for row in rows),
            n_events=len(rows),
            form=first.form,
            body=deflate(first.form, b"".join(row.body for row in rows)),
            side=_side(rows),
        )


def unpack(row: Mapping[str, Any]) -> list[RawRow]:
    """Return the rows that were joined, in their order; `row` also tells the stream_id."""
    form, n_events, n_others = row["form"], row["n_events"], row["n_events"] - 1
    body, side = inflate(form, bytes(row["body"])), _Side(bytes(row["side"]))
    arrivals = list(accumulate(side.column(n_others), initial=row["arrival_idx"]))
    received_ns = [0, *side.column(n_others)]
    stamps = None if row["sensor_ns"] is None else [0, *side.column(n_others)]
    sizes = side.column(n_events)
    sampled = form in SAMPLE_BYTES
    lengths = [SAMPLE_BYTES[form] * size for size in sizes] if sampled else side.column(n_events)
    first_sample_idx = row["first_sample_idx"]
    found, at = [], 0
    for k, (length, n_samples) in enumerate(zip(lengths, sizes, strict=True)):
        found.append(
            RawRow(
                stream_id=row["stream_id"],
                seq=row["seq"] + k,
                arrival_idx=arrivals[k],
                form=form,
                received_ns=row["received_ns"] + received_ns[k],
                sensor_ns=None if stamps is None else row["sensor_ns"] + stamps[k],
                first_sample_idx=first_sample_idx,
                n_samples=n_samples,
                body=body[at : at + length],
            )
        )
        at += length
        first_sample_idx = first_sample_idx + n_samples if sampled else None
    return found


def _side(rows: Sequence[RawRow]) -> bytes:
    """Write what unpack() reads, in that order."""
    first, others = rows[0], rows[1:]
    out = bytearray()
    _put_column(out, [row.arrival_idx - last.arrival_idx for last, row in pairwise(rows)])
    _put_column(out, [row.received_ns - first.received_ns for row in others])
    if first.sensor_ns is not None:
        _put_column(out, [(row.sensor_ns or 0) - first.sensor_ns for row in others])
    _put_column(out, [row.n_samples for row in rows])
    if first.form not in SAMPLE_BYTES:
        _put_column(out, [len(row.body) for row in rows])
    return bytes(out)


def _put_column(out: bytearray, numbers: Sequence[int]) -> None:
    n, half = len(numbers), len(numbers) // 2
    # Between the means of both halves: one late stamp at an end does not tilt the line.
    step = (sum(numbers[n - half :]) - sum(numbers[:half])) // (half * (n - half)) if half else 0
    off = [number - step * k for k, number in enumerate(numbers)]
    low = min(off, default=0)
    n_bits = (max(off, default=0) - low).bit_length()
    if n > 1:
        _put_number(out, step)
        _put_number(out, n_bits)
    if n:
        _put_number(out, low)
    bits = 0
    for one in reversed(off):
        bits = bits << n_bits | (one - low)
    out += bits.to_bytes((n_bits * n + 7) // 8, "little")


def _put_number(out: bytearray, number: int) -> None:
    """Seven bits a byte, the lowest first, more to come where the highest bit is set; the sign is the lowest bit."""
    rest = number << 1 if number >= 0 else (~number << 1) | 1
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)


class _Side:
    """Reads `side` from its start."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def number(self) -> int:
        rest = n_bits = 0
        while True:
            byte = self._content[self._at]
            self._at += 1
            rest |= (byte & 0x7F) << n_bits
            n_bits += 7
            if byte < 0x80:
                return ~(rest >> 1) if rest & 1 else rest >> 1

    def column(self, n: int) -> list[int]:
        step, n_bits = (self.number(), self.number()) if n > 1 else (0, 0)
        low = self.number() if n else 0
        n_bytes = (n_bits * n + 7) // 8
        bits = int.from_bytes(self._content[self._at : self._at + n_bytes], "little")
        self._at += n_bytes
        mask = (1 << n_bits) - 1
        return [low + step * k + (bits >> n_bits * k & mask) for k in range(n)]

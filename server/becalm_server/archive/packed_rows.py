"""Rows of raw events joined into one, and taken apart again: the same rows, byte for byte.

`body` is the bodies of the joined rows, one after another, deflated. `side` is what else they hold: a flag whether the
sensor stamped them, the first sequence number, then column after column a line through its numbers and how far each is
off that line, in as few bits as the farthest needs. Stamps of a steady sensor take no bit but the line's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.packed_bodies import SAMPLE_BYTES, deflate, inflate
from becalm_server.archive.raw_rows import INT16, INT32, RR, RawRow

PACKED_FORMS = (INT16, INT32, RR)
"""Other events are rare, and counted by their form: they stay rows of their own."""
# `second` counts from here, 2020-01-01 UTC: four bytes reach from 1951 to 2088.
EPOCH_UNIX_NS = 1_577_836_800 * NS_PER_S
SPAN_S = {INT16: 1, INT32: 1, RR: 60}
"""A second of a waveform; of intervals, of which there are one or two a second, a minute."""
# The time to build a row's bits grows faster than its events; a sensor sends some hundreds a second at most.
MAX_EVENTS = 4_096


@value
class PackedRow:
    """Consecutive events of one stream, all of one form, received in the same second or minute."""

    second: int
    arrival_idx: int
    n_samples: int
    n_events: int
    form: str
    body: bytes
    side: bytes


def second_of(row: RawRow, *, started_unix_ns: int) -> int:
    """Return the second or minute in which an event was received, in seconds since the epoch of this table."""
    span_ns = SPAN_S[row.form] * NS_PER_S
    return (started_unix_ns - EPOCH_UNIX_NS + row.received_ns) // span_ns * SPAN_S[row.form]


def runs(rows: Iterable[RawRow], *, started_unix_ns: int) -> Iterator[list[RawRow]]:
    """Give rows of one stream, which come in the order of their numbers, in groups that pack() takes."""
    run: list[RawRow] = []
    known: tuple[object, ...] = ()
    for row in rows:
        fitting = (row.form, row.sensor_ns is None, second_of(row, started_unix_ns=started_unix_ns))
        if run and (fitting != known or row.seq != run[-1].seq + 1 or len(run) == MAX_EVENTS):
            yield run
            run = []
        run.append(row)
        known = fitting
    if run:
        yield run


def pack(rows: Sequence[RawRow], *, started_unix_ns: int) -> PackedRow:
    """Join a run of rows."""
    first = rows[0]
    stamped = first.sensor_ns is not None
    side = bytearray([stamped])
    _put_number(side, first.seq)
    for numbers in _columns(rows, stamped=stamped):
        _put_column(side, numbers)
    return PackedRow(
        second=second_of(first, started_unix_ns=started_unix_ns),
        arrival_idx=first.arrival_idx,
        n_samples=sum(row.n_samples for row in rows),
        n_events=len(rows),
        form=first.form,
        body=deflate(first.form, b"".join(row.body for row in rows)),
        side=bytes(side),
    )


def unpack(row: Mapping[str, Any]) -> list[RawRow]:
    """Return the rows that were joined, in their order; `row` also tells the stream_id."""
    form, n_events = row["form"], row["n_events"]
    body = inflate(form, bytes(row["body"]))
    side = _Side(bytes(row["side"]))
    stamped = side.flag()
    first_seq = side.number()
    arrivals = side.column(n_events)
    received_ns = side.column(n_events)
    sizes = side.column(n_events)
    sensor_ns = side.column(n_events) if stamped else [None] * n_events
    sampled = form in SAMPLE_BYTES
    firsts: Sequence[int | None] = side.column(n_events) if sampled else [None] * n_events
    lengths = [SAMPLE_BYTES[form] * size for size in sizes] if sampled else side.column(n_events)
    found, at = [], 0
    for k, length in enumerate(lengths):
        found.append(
            RawRow(
                stream_id=row["stream_id"],
                seq=first_seq + k,
                arrival_idx=row["arrival_idx"] + arrivals[k],
                form=form,
                received_ns=received_ns[k],
                sensor_ns=sensor_ns[k],
                first_sample_idx=firsts[k],
                n_samples=sizes[k],
                body=body[at : at + length],
            )
        )
        at += length
    return found


def _columns(rows: Sequence[RawRow], *, stamped: bool) -> Iterator[list[int]]:
    """Give the columns of `side` in the order in which unpack() reads them."""
    yield [row.arrival_idx - rows[0].arrival_idx for row in rows]
    yield [row.received_ns for row in rows]
    yield [row.n_samples for row in rows]
    if stamped:
        yield [row.sensor_ns or 0 for row in rows]
    if rows[0].form in SAMPLE_BYTES:
        yield [row.first_sample_idx or 0 for row in rows]
    else:
        yield [len(row.body) for row in rows]


def _put_column(out: bytearray, numbers: Sequence[int]) -> None:
    first, n = numbers[0], len(numbers)
    _put_number(out, first)
    if n == 1:
        return
    step = (numbers[-1] - first) // (n - 1)
    off = [number - first - step * k for k, number in enumerate(numbers)]
    low = min(off)
    n_bits = (max(off) - low).bit_length()
    _put_number(out, step)
    _put_number(out, n_bits)
    if n_bits == 0:
        return
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

    def flag(self) -> bool:
        self._at += 1
        return bool(self._content[self._at - 1])

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
        first = self.number()
        if n == 1:
            return [first]
        step, n_bits = self.number(), self.number()
        if n_bits == 0:
            return [first + step * k for k in range(n)]
        low = self.number()
        n_bytes = (n_bits * n + 7) // 8
        bits = int.from_bytes(self._content[self._at : self._at + n_bytes], "little")
        self._at += n_bytes
        mask = (1 << n_bits) - 1
        return [first + step * k + low + (bits >> n_bits * k & mask) for k in range(n)]

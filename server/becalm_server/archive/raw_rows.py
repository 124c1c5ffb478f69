"""Raw events to columns of raw_event and back, without loss."""

import struct
import sys
from array import array

from becalm_protocol.codec import decode_json, encode_json, to_plain
from becalm_protocol.errors import StorageError
from becalm_protocol.events import Battery, Dropped, Gap, RawEvent, RrBlock, SampleBlock, StreamStatus, value

INT16 = "i2"
INT32 = "i4"
RR = "rr"
_RATE_SENT, _CONTACT_KNOWN, _IN_CONTACT, _ERROR_SENT, _USABLE_SENT = 1, 2, 4, 8, 16
_RR_HEAD = struct.Struct("<BH")
_TYPECODES = {INT16: "h", INT32: "i"}
_JSON_EVENTS = (Gap, StreamStatus, Battery, Dropped)


@value
class RawRow:
    """One event as its row: the columns that queries need, and the rest in `body`."""

    stream_id: str
    seq: int
    arrival_idx: int
    form: str
    received_ns: int
    sensor_ns: int | None
    first_sample_idx: int | None
    n_samples: int
    body: bytes


def to_row(event: RawEvent, *, seq: int, arrival_idx: int) -> RawRow:
    """Return the row of an event."""
    sensor_ns = first_sample_idx = None
    n_samples = 0
    if isinstance(event, SampleBlock):
        form, body = _pack_counts(event.counts)
        sensor_ns, first_sample_idx, n_samples = event.sensor_ns, event.first_sample_idx, len(event.counts)
    elif isinstance(event, RrBlock):
        form, body, n_samples = RR, _pack_rr(event), len(event.rr_1024)
    else:
        form, body = str(to_plain(event)["type"]), encode_json(event).encode()
    return RawRow(
        stream_id=event.stream_id,
        seq=seq,
        arrival_idx=arrival_idx,
        form=form,
        received_ns=event.received_ns,
        sensor_ns=sensor_ns,
        first_sample_idx=first_sample_idx,
        n_samples=n_samples,
        body=body,
    )


def to_event(row: RawRow) -> RawEvent:
    """Return the event of a row. Raises StorageError for a row this version did not write."""
    form, body = row.form, row.body
    if form in _TYPECODES and row.first_sample_idx is not None:
        return SampleBlock(
            stream_id=row.stream_id,
            received_ns=row.received_ns,
            first_sample_idx=row.first_sample_idx,
            sensor_ns=row.sensor_ns,
            counts=tuple(_integers(_TYPECODES[form], body)),
        )
    if form == RR:
        return _unpack_rr(row)
    event: object = decode_json(body)
    if not isinstance(event, _JSON_EVENTS):
        raise StorageError(f"raw_event: expected a raw event, got form {form!r}. A later becalm may have written it")
    return event


def _pack_counts(counts: tuple[int, ...]) -> tuple[str, bytes]:
    try:
        return INT16, _bytes(array(_TYPECODES[INT16], counts))
    except OverflowError:
        return INT32, _bytes(array(_TYPECODES[INT32], counts))


def _pack_rr(event: RrBlock) -> bytes:
    flags = _RATE_SENT if event.heart_rate_bpm is not None else 0
    if event.in_contact is not None:
        flags |= _CONTACT_KNOWN | (_IN_CONTACT if event.in_contact else 0)
    numbers = [*event.rr_1024]
    if event.error_ms is not None:
        flags |= _ERROR_SENT
        numbers += event.error_ms
    if event.usable is not None:
        flags |= _USABLE_SENT
        numbers += event.usable
    return _RR_HEAD.pack(flags, event.heart_rate_bpm or 0) + _bytes(array("H", numbers))


def _unpack_rr(row: RawRow) -> RrBlock:
    flags, heart_rate_bpm = _RR_HEAD.unpack_from(row.body)
    numbers = tuple(_integers("H", row.body[_RR_HEAD.size :]))
    n_rr = len(numbers) // (1 + bool(flags & _ERROR_SENT) + bool(flags & _USABLE_SENT))
    usable = numbers[-n_rr:] if n_rr else ()
    return RrBlock(
        stream_id=row.stream_id,
        received_ns=row.received_ns,
        rr_1024=numbers[:n_rr],
        error_ms=numbers[n_rr : 2 * n_rr] if flags & _ERROR_SENT else None,
        usable=tuple(map(bool, usable)) if flags & _USABLE_SENT else None,
        heart_rate_bpm=heart_rate_bpm if flags & _RATE_SENT else None,
        in_contact=bool(flags & _IN_CONTACT) if flags & _CONTACT_KNOWN else None,
    )


def _bytes(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _integers(typecode: str, body: bytes) -> "array[int]":
    numbers = array(typecode)
    numbers.frombytes(body)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers

"""EDF+C (Kemp and Olivan 2003): signals on even grids, gaps as a stated marker, what was found as annotations."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from becalm_protocol.units import NS_PER_S
from becalm_server.exports.annotations import Annotation, annotations
from becalm_server.exports.content import Content
from becalm_server.exports.edf_header import MARKER, EdfSignal, file_header, scale_of, signal_of
from becalm_server.exports.labels import labels
from becalm_server.exports.stretches import Stretch, grid_rate_hz, placed, stretches
from becalm_server.exports.track import Track
from becalm_server.refusals import FormatUnavailableError

# The specification asks for records of at most this many bytes.
_MAX_RECORD_BYTES = 61_440
# Longer records tell a rate more finely: 60 s to 1/60 Hz, so that one slot in 7,800 stays free at the most.
_RECORD_S = (60, 30, 20, 10, 5, 2, 1)
# Two days of padded signals are half a gigabyte.
_MAX_S = 2 * 24 * 3600
# Silence is written in pieces.
_PIECE = 65_536
# Ten seconds of quick beats and breaths, and more than one text may be long.
_MIN_ROOM_BYTES = 1_024
_SILENT = MARKER.to_bytes(2, "little", signed=True)


class _Grid:
    """One signal's digital values from the first slot to the last, in a file of our own."""

    def __init__(
        self, track: Track, found: Sequence[Stretch], *, file: BinaryIO, label: str, record_s: int, began_ns: int
    ) -> None:
        self.rate_hz = grid_rate_hz(track, found, record_s=record_s)
        self.n_a_record = round(self.rate_hz * record_s)
        self.held_ns: list[int] = []
        """When a slot was filled with the sample before it."""
        self.signal: EdfSignal = signal_of(track, label=label, n_a_record=self.n_a_record)
        self.n_slots = 0
        self._file = file
        scale = scale_of(track)
        last = np.int16(MARKER)
        for piece in placed(track, found, rate_hz=self.rate_hz, began_ns=began_ns):
            # The slot before the first sample may be one to hold.
            self._silence(min(piece.slots[:1].tolist() + piece.held[:1].tolist()))
            dense = np.full(int(piece.slots[-1]) + 1 - self.n_slots, MARKER, dtype="<i2")
            dense[piece.slots - self.n_slots] = scale.digital(piece.counts)
            held = piece.held - self.n_slots
            dense[held] = np.where(held == 0, last, dense[held - 1])
            last = dense[-1]
            self._file.write(dense.tobytes())
            self.held_ns += [round(began_ns + slot * NS_PER_S / self.rate_hz) for slot in piece.held]
            self.n_slots += len(dense)

    def _silence(self, until_slot: int) -> None:
        while self.n_slots < until_slot:
            n_slots = min(_PIECE, until_slot - self.n_slots)
            self._file.write(_SILENT * n_slots)
            self.n_slots += n_slots

    def pad(self, n_records: int) -> None:
        """Make it whole records long, and go back to its start."""
        self._silence(n_records * self.n_a_record)
        self._file.seek(0)

    def record(self) -> bytes:
        """Return the next record's values."""
        return self._file.read(2 * self.n_a_record)


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file. Raises FormatUnavailableError for a session longer than EDF is good for."""
    first_ns, last_ns = content.span_ns()
    # Records begin at whole seconds of the wall clock, as the header tells only those.
    start_unix_s = (content.started_unix_ns + first_ns) // NS_PER_S
    began_ns = start_unix_s * NS_PER_S - content.started_unix_ns
    span_s = (last_ns - began_ns) / NS_PER_S
    if span_s > _MAX_S:
        raise FormatUnavailableError(f"EDF+ carries sessions of at most {_MAX_S // 3600} h here. Take csv or xdf.")
    notes = annotations(content)
    record_s = _record_s(content, notes, span_s=span_s)
    grids = list(_grids(content, record_s=record_s, began_ns=began_ns))
    for grid in grids:
        notes += [Annotation(t_ns=t_ns, text=f"Held {grid.signal.label}") for t_ns in grid.held_ns]
    n_records = max([1, int(span_s // record_s) + 1, *(-(-grid.n_slots // grid.n_a_record) for grid in grids)])
    tals = _tals(notes, n_records=n_records, record_s=record_s, began_ns=began_ns)
    n_tal_bytes = 2 * max(-(-len(tal) // 2) for tal in tals)
    head = file_header(
        [grid.signal for grid in grids],
        n_records=n_records, record_s=record_s, n_tal_bytes=n_tal_bytes, start_unix_s=start_unix_s,
        session_id=content.record.session_id,
    )  # fmt: skip
    file.write(head)
    for grid in grids:
        grid.pad(n_records)
    for tal in tals:
        for grid in grids:
            file.write(grid.record())
        file.write(tal.ljust(n_tal_bytes, b"\0"))


def _grids(content: Content, *, record_s: int, began_ns: int) -> Iterator[_Grid]:
    label_of = labels(content.streams)
    for stream_id, track in content.tracks.items():
        found = list(stretches(track))
        if found:
            yield _Grid(
                track,
                found,
                file=content.scratch(),
                label=label_of[stream_id],
                record_s=record_s,
                began_ns=began_ns,
            )


def _record_s(content: Content, notes: Sequence[Annotation], *, span_s: float) -> int:
    """Return the longest record that the specification, and a short session, allow."""
    bytes_a_s = 2 * 1.05 * sum(track.sample_rate_hz for track in content.tracks.values() if track.n_samples)
    n_note_bytes = 40 * len(notes) / max(span_s, 1.0)
    for record_s in _RECORD_S:
        if record_s * (bytes_a_s + 2 * n_note_bytes) <= _MAX_RECORD_BYTES and record_s <= max(1.0, span_s / 10):
            return record_s
    return 1


def _tals(notes: Sequence[Annotation], *, n_records: int, record_s: int, began_ns: int) -> list[bytes]:
    """Return each record's time-stamped annotation lists; the first keeps the time of the record.

    All records have the room of the fullest: what is crowded beyond twice the mean goes to the first with room.
    """
    tals = [bytearray(f"+{idx * record_s}\x14\x14\0".encode()) for idx in range(n_records)]
    packed = [(note.t_ns, b"".join(_tal(note, began_ns=began_ns))) for note in sorted(notes, key=lambda one: one.t_ns)]
    n_room = 2 * sum(len(tal) for _, tal in packed) // n_records + _MIN_ROOM_BYTES
    spare_idx = 0
    for t_ns, tal in packed:
        idx = min(max(0, (t_ns - began_ns) // (record_s * NS_PER_S)), n_records - 1)
        if len(tals[idx]) + len(tal) > n_room:
            while len(tals[spare_idx]) + len(tal) > n_room:
                spare_idx += 1
            idx = spare_idx
        tals[idx] += tal
    return [bytes(tal) for tal in tals]


def _tal(note: Annotation, *, began_ns: int) -> Iterator[bytes]:
    yield f"{(note.t_ns - began_ns) / NS_PER_S:+.6f}".encode()
    if note.lasted_ns is not None:
        yield f"\x15{note.lasted_ns / NS_PER_S:.6f}".encode()
    text = "".join(character if character.isprintable() else " " for character in note.text)
    yield b"\x14" + text.encode() + b"\x14\0"

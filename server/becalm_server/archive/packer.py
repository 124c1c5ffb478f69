"""Finished sessions to packed rows: a process beside the live ones, minute after minute, each whole or not at all.

A piece is one transaction: packed rows in, the rows they were made of out, the stream's mark moved. Whatever ends it,
the next run goes on at the mark; two runs at once are one too many, and the second leaves.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import psycopg

from becalm_protocol.errors import StorageError
from becalm_protocol.events import Gap, SampleBlock, StreamInfo
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.arrival_order import ArrivalOrder
from becalm_server.archive.derived_rows import columns
from becalm_server.archive.packed_rows import EPOCH_UNIX_NS, PACKED_FORMS, PackedRow, Packing
from becalm_server.archive.pools import job_connection
from becalm_server.archive.raw_rows import RawRow, to_event
from becalm_server.archive.records import stream_record
from becalm_server.archive.statements import SQL
from becalm_signal.lane import Lane

# Rows a transaction: some minutes of a stream, some tens of milliseconds.
PIECE_ROWS = 300
_PAGE_ROWS = 500
_NICENESS = 10
_LOCK = 0x6265_6363
_NS_PER_US = 1_000
_INT32 = 2**31

Connection = psycopg.Connection[dict[str, Any]]


def pack_session(url: str, session_id: str) -> int:
    """Pack what is not packed of a finished session; return how many rows were made. Raises StorageError."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    one_moment = "-c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"
    try:
        with job_connection(url) as writer, job_connection(url, options=one_moment) as reader, reader.transaction():
            claim = writer.execute(SQL["claim_session"], {"key": _LOCK, "session_id": session_id}).fetchone()
            session = reader.execute(SQL["select_session"], {"session_id": session_id}).fetchone()
            if not claim or not claim["claimed"] or session is None or session["ended_at"] is None:
                return 0
            streams = reader.execute(SQL["select_streams"], {"session_id": session_id}).fetchall()
            return sum(_StreamPacking(reader, writer, session, stream).run() for stream in streams)
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__} while packing; it goes on from there") from exc


class _StreamPacking:
    def __init__(self, reader: Connection, writer: Connection, session: dict[str, Any], stream: dict[str, Any]) -> None:
        self._reader = reader
        self._writer = writer
        self._session = session
        self._stream = stream
        self._mark: int = stream["packed_seq"]
        self._last_seq = self._mark
        self._placing = _Placing(stream_record(stream).info)

    def run(self) -> int:
        """Pack the rest of the stream; return how many rows were made."""
        if self._stream["acked_seq"] <= self._mark:
            return 0
        packing = Packing(
            started_unix_ns=self._session["started_unix_ns"], sample_rate_hz=self._stream["sample_rate_hz"]
        )
        piece: list[dict[str, Any]] = []
        n_rows = 0
        for run in packing.runs(self._unpacked()):
            packed = packing.pack(run)
            piece.append(asdict(packed) | {"placed_us": self._placed_us(run, packed)})
            if len(piece) == PIECE_ROWS:
                self._commit(piece, mark=run[-1].seq)
                n_rows += len(piece)
                piece = []
        self._commit(piece, mark=self._last_seq)
        return n_rows + len(piece)

    def _unpacked(self) -> Iterator[RawRow]:
        """Give the rows to pack; the clock hears all, also what was packed before."""
        for row in self._rows():
            self._placing.feed(row)
            self._last_seq = max(self._last_seq, row.seq)
            if row.seq > self._mark and row.form in PACKED_FORMS:
                yield row

    def _rows(self) -> Iterator[RawRow]:
        order = ArrivalOrder()
        wanted = {"session_id": self._session["session_id"], "stream_id": self._stream["stream_id"]}
        with self._reader.cursor(name="to_pack", binary=True) as cursor:
            cursor.execute(SQL["select_raw"], wanted)
            pages: Iterable[Sequence[dict[str, Any]]] = iter(lambda: cursor.fetchmany(_PAGE_ROWS), [])
            for page in pages:
                yield from order.feed(page)
        yield from order.finish()

    def _placed_us(self, run: Sequence[RawRow], packed: PackedRow) -> int | None:
        t_ns = self._placing.taken(run[0].seq)
        if t_ns is None:
            return None
        second_ns = packed.second * NS_PER_S + EPOCH_UNIX_NS - self._session["started_unix_ns"]
        placed_us = round((t_ns - second_ns) / _NS_PER_US)
        return placed_us if abs(placed_us) < _INT32 else None

    def _commit(self, piece: Sequence[dict[str, Any]], *, mark: int) -> None:
        named = {"stream_id": self._stream["stream_id"], "mark": self._mark, "new_mark": mark}
        with self._writer.transaction():
            if piece:
                gone = self._writer.execute(SQL["delete_packed"], named | {"forms": list(PACKED_FORMS)})
                n_events = sum(row["n_events"] for row in piece)
                if gone.rowcount != n_events:
                    raise StorageError(
                        f"packing: expected {n_events} rows to replace, found {gone.rowcount}. Nothing was changed"
                    )
                made = columns([{"stream_no": self._stream["stream_no"], **row} for row in piece])
                self._writer.execute(SQL["insert_packed"], made)
            if self._writer.execute(SQL["move_mark"], named).rowcount != 1:
                raise StorageError("packing: somebody else packs this stream. Nothing was changed")
        self._mark = mark


class _Placing:
    """Where the live pipeline placed the first sample of each block: the same clock over the same blocks."""

    def __init__(self, info: StreamInfo) -> None:
        self._lane = Lane(info, None) if info.sample_rate_hz else None
        self._placed: dict[int, int] = {}

    def feed(self, row: RawRow) -> None:
        """Hear the next event of the stream."""
        if self._lane is None:
            return
        event = to_event(row)
        if isinstance(event, Gap):
            self._lane.gap(event)
        if isinstance(event, SampleBlock):
            _, drawn = self._lane.feed(event)
            if drawn:
                (waveform,) = drawn  # stored counts are whole numbers: no hole within a block
                n_repeated = len(event.counts) - len(waveform.values)
                self._placed[row.seq] = waveform.t_ns - round(n_repeated * waveform.sample_period_ns)

    def taken(self, seq: int) -> int | None:
        """Return the session time of the first sample of a block; earlier ones are forgotten."""
        t_ns = self._placed.get(seq)
        for known in [known for known in self._placed if known <= seq]:
            del self._placed[known]
        return t_ns

"""A fingerprint of what an archive holds, whatever lies where: packed or not, with TimescaleDB or without."""

import hashlib
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from becalm_server.archive.arrival_order import ArrivalOrder
from becalm_server.archive.raw_rows import RawRow
from becalm_server.archive.statements import SQL
from becalm_server.archive.table_facts import tables

RAW_TABLES = frozenset({"raw_event", "raw_packed"})
PLACES = {"stream": ("stream_no", "packed_seq")}
"""Columns that say where something lies and not what it is."""
_PAGE_ROWS = 500


class _Hash(Protocol):
    def update(self, content: bytes, /) -> None: ...


def content_hashes(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return {table: sha256 of its rows}, raw events as `raw`; needs a connection whose snapshot stands still."""
    connection.execute("set local timezone to 'UTC'")
    found = {}
    for table in tables(connection):
        if table.name in RAW_TABLES:
            continue
        digest = hashlib.sha256()
        with (
            connection.cursor() as cursor,
            cursor.copy(table.copy_out(form="text", without=PLACES.get(table.name, ()))) as copy,
        ):
            for piece in copy:
                digest.update(piece)
        found[table.name] = digest.hexdigest()
    digest = hashlib.sha256()
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(SQL["backup_sessions"]).fetchall():
            _add_raw(connection, row["session_id"], digest)
    return found | {"raw": digest.hexdigest()}


def overall(hashes: dict[str, str]) -> str:
    """Return one fingerprint of them all."""
    return hashlib.sha256("".join(f"{name} {one}\n" for name, one in sorted(hashes.items())).encode()).hexdigest()


def _add_raw(connection: psycopg.Connection[Any], session_id: str, digest: _Hash) -> None:
    order = ArrivalOrder()
    with connection.cursor(name="raw_to_hash", row_factory=dict_row, binary=True) as cursor:
        cursor.execute(SQL["select_raw"], {"session_id": session_id, "stream_id": None})
        while page := cursor.fetchmany(_PAGE_ROWS):
            for row in order.feed(page):
                digest.update(_told(row))
    for row in order.finish():
        digest.update(_told(row))


def _told(row: RawRow) -> bytes:
    numbers = (row.stream_id, row.seq, row.arrival_idx, row.form, row.received_ns, row.sensor_ns, row.first_sample_idx)
    return f"{numbers} {row.n_samples} {len(row.body)} ".encode() + row.body

"""A whole archive in one file, as it stood at one moment, and back into an empty one.

The file is a zip: a member for each table (PostgreSQL's binary COPY), and `manifest.json` with the migrations that made
the schema, where the counters stand, the sha256 of each member and the fingerprint of the content. Neither way needs a
program of PostgreSQL, let alone one of a certain version.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from becalm_protocol.errors import StorageError
from becalm_protocol.events import value
from becalm_server.archive.content_hash import content_hashes, overall
from becalm_server.archive.migrate import migrate
from becalm_server.archive.statements import SQL
from becalm_server.archive.table_facts import TableFacts, tables
from becalm_server.archive.writer import SINGLE_WRITER_LOCK
from becalm_server.whole_file import whole_file

FORMAT = 1
MANIFEST = "manifest.json"
_PIECE_BYTES = 1 << 20
_CONNECT_LIMIT_S = 10

Connection = psycopg.Connection[Any]


@value
class BackedUp:
    """What a backup or a restore came to."""

    content_sha256: str
    """The same for the same content, wherever it lies."""
    n_rows: dict[str, int]
    n_bytes: int


def back_up(url: str, path: Path) -> BackedUp:
    """Write everything to `path`, whole or not at all; a running server goes on. Raises StorageError."""
    options = "-c timezone=UTC -c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"
    try:
        with (
            whole_file(path) as file,
            psycopg.connect(url, options=options, connect_timeout=_CONNECT_LIMIT_S) as connection,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            _require_all_seen(connection)
            manifest = _write(connection, archive)
    except psycopg.Error as exc:
        raise StorageError(f"backup: the database refused: {_first_line(exc)}") from exc
    except OSError as exc:
        raise StorageError(f"backup: cannot write {path}: {exc.strerror}. Choose another file") from exc
    return _told(manifest, path)


def restore(url: str, path: Path) -> BackedUp:
    """Fill an empty archive from `path`, all of it or nothing. Raises StorageError with the reason in words."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _verified(archive, path)
            with psycopg.connect(
                url, autocommit=True, options="-c timezone=UTC", connect_timeout=_CONNECT_LIMIT_S
            ) as connection:
                _require_empty(connection)
                migrate(url, known=manifest["migrations"])
                with connection.transaction():
                    _fill(connection, archive, manifest)
                    _require_same(connection, manifest)
        migrate(url)
    except (zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise StorageError(
            f"restore: expected a file made by becalm backup, got another or a damaged one: {path}"
        ) from exc
    except psycopg.Error as exc:
        raise StorageError(f"restore: the database refused: {_first_line(exc)}. Nothing was restored") from exc
    except OSError as exc:
        raise StorageError(f"restore: cannot read {path}: {exc.strerror}") from exc
    return _told(manifest, path)


def _require_all_seen(connection: Connection) -> None:
    hidden = [name for (name,) in connection.execute(SQL["backup_hidden"]).fetchall()]
    if hidden:
        raise StorageError(
            f"backup: expected to see every row, got row security that may hide some of {', '.join(hidden)}. "
            "Use the account that owns the tables"
        )


def _write(connection: Connection, archive: zipfile.ZipFile) -> dict[str, Any]:
    found = [_write_table(connection, archive, table) for table in tables(connection)]
    with connection.cursor(row_factory=dict_row) as cursor:
        counters = cursor.execute(SQL["backup_sequences"]).fetchall()
        migrations = cursor.execute(SQL["backup_migrations"]).fetchall()
    hashes = content_hashes(connection)
    manifest = {
        "becalm_backup": FORMAT,
        "migrations": {row["name"]: row["sha256"] for row in migrations},
        "tables": found,
        "counters": {row["name"]: row["last_value"] for row in counters},
        "content": hashes,
        "content_sha256": overall(hashes),
    }
    archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return manifest


def _write_table(connection: Connection, archive: zipfile.ZipFile, table: TableFacts) -> dict[str, Any]:
    digest = hashlib.sha256()
    member = f"tables/{table.name}.copy"
    counted = connection.execute(sql.SQL("select count(*) from {}").format(sql.SQL(table.name))).fetchone()
    with (
        archive.open(member, "w", force_zip64=True) as file,
        connection.cursor() as cursor,
        cursor.copy(table.copy_out(form="binary")) as copy,
    ):
        for piece in copy:
            digest.update(piece)
            file.write(piece)
    return {
        "name": table.name,
        "member": member,
        "columns": list(table.columns),
        "n_rows": counted[0] if counted else 0,
        "sha256": digest.hexdigest(),
    }


def _verified(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Return the manifest, after every member was read and held against it: nothing is written before that."""
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest["becalm_backup"] != FORMAT:
        raise StorageError(
            f"restore: expected format {FORMAT}, got {manifest['becalm_backup']}: a later becalm made {path}"
        )
    for table in manifest["tables"]:
        digest = hashlib.sha256()
        for piece in _pieces(archive, table):
            digest.update(piece)
        if digest.hexdigest() != table["sha256"]:
            raise StorageError(f"restore: {path} is damaged: the rows of {table['name']} are not those that were saved")
    return manifest


def _require_empty(connection: Connection) -> None:
    claimed = connection.execute("select pg_try_advisory_lock(%s)", (SINGLE_WRITER_LOCK,)).fetchone()
    if not claimed or not claimed[0]:
        raise StorageError("restore: a becalm server writes to this database. Stop it, or choose another database")
    for table in tables(connection):
        if connection.execute(sql.SQL("select from {} limit 1").format(sql.SQL(table.name))).fetchone() is not None:
            raise StorageError(
                f"restore: expected an empty archive, found rows in {table.name}. Choose an empty database or folder"
            )


def _fill(connection: Connection, archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    here = {table.name: table for table in tables(connection)}
    saved = {table["name"]: table for table in manifest["tables"]}
    if set(here) != set(saved) or any(list(here[name].columns) != saved[name]["columns"] for name in here):
        raise StorageError("restore: expected the tables of the backup, found others. Choose a new, empty database")
    with _unforced(connection), _without_triggers(connection):
        for name in reversed(here):  # what a migration put there is in the backup too
            connection.execute(sql.SQL("delete from {}").format(sql.SQL(name)))
        for name, table in here.items():
            with connection.cursor() as cursor, cursor.copy(table.copy_in()) as copy:
                for piece in _pieces(archive, saved[name]):
                    copy.write(piece)
    for name, last in manifest["counters"].items():
        if last is not None:
            connection.execute("select setval(%s::regclass, %s)", (name, last))


@contextmanager
def _unforced(connection: Connection) -> Iterator[None]:
    """PostgreSQL copies no rows into a table for somebody under its row security: until commit, the owner is not."""
    forced = [sql.SQL(name) for (name,) in connection.execute(SQL["backup_forced"]).fetchall()]
    for name in forced:
        connection.execute(sql.SQL("alter table {} no force row level security").format(name))
    yield
    for name in forced:
        connection.execute(sql.SQL("alter table {} force row level security").format(name))


@contextmanager
def _without_triggers(connection: Connection) -> Iterator[None]:
    """Rows come back as they were: what a trigger would add to them, or forbid, was done when they first came."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["backup_triggers"]).fetchall()
    for switch in ("disable", "enable"):
        for row in found:
            statement = sql.SQL("alter table {} {} trigger {}").format(
                sql.SQL(row["table_name"]), sql.SQL(switch), sql.Identifier(row["name"])
            )
            connection.execute(statement)
        if switch == "disable":
            yield


def _require_same(connection: Connection, manifest: dict[str, Any]) -> None:
    """Read back what was written, before it is committed."""
    here = {table.name: table for table in tables(connection)}
    other = [one["name"] for one in manifest["tables"] if _sha256(connection, here[one["name"]]) != one["sha256"]]
    if other:
        raise StorageError(f"restore: {', '.join(other)} did not come back as it was. Nothing was restored")


def _sha256(connection: Connection, table: TableFacts) -> str:
    digest = hashlib.sha256()
    with connection.cursor() as cursor, cursor.copy(table.copy_out(form="binary")) as copy:
        for piece in copy:
            digest.update(piece)
    return digest.hexdigest()


def _pieces(archive: zipfile.ZipFile, table: dict[str, Any]) -> Iterator[bytes]:
    with archive.open(table["member"]) as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _told(manifest: dict[str, Any], path: Path) -> BackedUp:
    return BackedUp(
        content_sha256=manifest["content_sha256"],
        n_rows={table["name"]: table["n_rows"] for table in manifest["tables"]},
        n_bytes=path.stat().st_size,
    )


def _first_line(exc: psycopg.Error) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__

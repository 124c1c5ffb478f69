"""Bring a database to today's schema: numbered SQL files, each applied once, under an advisory lock."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from becalm_protocol.errors import StorageError
from becalm_server.archive.roles import make_roles
from becalm_server.archive.row_security import lift, protect
from becalm_server.archive.statements import MIGRATIONS

ADVISORY_LOCK = 0x6265_6361
LOCK_LIMIT_S = 30
TIMESCALE_SUFFIX = ".timescale.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What a run of migrate() found and did."""

    applied: tuple[str, ...]
    timescale: str
    """One sentence for the operator: active with its version, absent, or why it could not be used."""


def migrate(url: str, *, folder: Path = MIGRATIONS, known: Mapping[str, str] | None = None) -> Migrated:
    """Apply every migration that is not applied yet. Raises StorageError with the reason in words.

    `known` ({name: sha256}) makes the schema of an earlier becalm in its place: these, and TimescaleDB's up to there.
    """
    try:
        with psycopg.connect(
            url, autocommit=True, connect_timeout=10, options=f"-c lock_timeout={LOCK_LIMIT_S}s -c timezone=UTC"
        ) as connection:
            connection.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            if folder == MIGRATIONS:
                make_roles(connection)  # first: without them nothing is begun
            timescale = _offer_timescale(connection)
            paths = _wanted(folder, with_timescale=timescale.startswith("active"), known=known)
            applied = _apply(connection, paths)
            if folder == MIGRATIONS and known is None:
                protect(connection)
    except psycopg.Error as exc:
        raise StorageError(f"database: expected to bring its schema up to date, got: {_sentence(exc)}") from exc
    return Migrated(applied=applied, timescale=timescale)


def _offer_timescale(connection: psycopg.Connection) -> str:
    """Create the extension where this PostgreSQL offers it; say what came of it."""
    row = connection.execute(
        "select installed_version, default_version from pg_available_extensions where name = 'timescaledb'"
    ).fetchone()
    if row is None:
        return "absent: this PostgreSQL does not offer TimescaleDB; everything works without it"
    if row[0] is None:
        try:
            connection.execute("create extension if not exists timescaledb")
        except psycopg.Error as exc:
            return f"available {row[1]}, not used: {_sentence(exc)}"
    return f"active {row[0] or row[1]}"


def _wanted(folder: Path, *, with_timescale: bool, known: Mapping[str, str] | None) -> list[Path]:
    paths = sorted(folder.glob("*.sql"))
    overlay = [path for path in paths if path.name.endswith(TIMESCALE_SUFFIX)]
    plain = [path for path in paths if path not in overlay]
    if known is not None:
        here = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in plain}
        strange = sorted(name for name, sha256 in known.items() if here.get(name) != sha256)
        if strange:
            raise StorageError(f"database: expected migrations that this becalm knows, got {', '.join(strange)}")
        plain = [path for path in plain if path.name in known]
        overlay = [path for path in overlay if path.name <= max(known, default="")]
    return sorted([*plain, *overlay]) if with_timescale else plain


def _apply(connection: psycopg.Connection, paths: Sequence[Path]) -> tuple[str, ...]:
    connection.execute(
        "create table if not exists schema_migration"
        " (name text primary key, sha256 text not null, applied_at timestamptz not null default now())"
    )
    known: dict[str, str] = dict(connection.execute("select name, sha256 from schema_migration").fetchall())
    applied = []
    for path in paths:
        text = path.read_bytes()
        checksum = hashlib.sha256(text).hexdigest()
        if path.name in known:
            if known[path.name] != checksum:
                raise StorageError(
                    f"database: migration {path.name} was changed after it had been applied. "
                    "Install the release that made this database, or a later one"
                )
            continue
        with connection.transaction():
            lift(connection)
            connection.execute(text)
            connection.execute("insert into schema_migration (name, sha256) values (%s, %s)", (path.name, checksum))
        applied.append(path.name)
    return tuple(applied)


def _sentence(exc: psycopg.Error) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__

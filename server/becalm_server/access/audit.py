"""The audit log: who did what about whom, in order, each entry chained to the one before; off the live path."""

import asyncio
import hashlib
import json
import logging
import re
from collections import deque
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from becalm_protocol.errors import ConfigError, StorageError
from becalm_server.access.caller import Caller
from becalm_server.access.first_start import write_private
from becalm_server.archive.access_store import AccessStore, RefusedError, Row
from becalm_server.problems import printable

log = logging.getLogger(__name__)

HEAD_FILE = "audit_head"
# Ten minutes of a busy clinic; more unwritten entries mean that the database is gone, and then nobody is let in.
MAX_QUEUED = 20_000
# One transaction of so many takes some 20 ms.
MAX_BATCH = 1_000
# Entries of one moment are written together.
LINGER_S = 0.05
BACKOFF_S = 0.5
# As long as a connection to the database is waited for.
WAIT_LIMIT_S = 3.0
GENESIS = bytes(32)
# A route with an identifier; whoever asks may write more into an address.
MAX_SUBJECT_CHARS = 300
_PERSON_ID = re.compile(r"[0-9a-zA-Z_-]{1,64}")
EVERYBODY = "everybody"
"""In place of a person: the operator's lists are about all of them."""
CUT = "the log does not end where it was left"
_UNKNOWN_END = "whether entries were cut off before cannot be told"
UNWRITABLE = "the database took no more of this entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that somebody did, or was refused."""

    at: datetime
    account_id: str | None
    role: str | None
    action: str
    person_id: str | None
    subject: str
    """What exactly: a route, an identifier; never a word from a recording."""
    outcome: str
    """done, allowed (whether it then went well, nobody waited to see), or why not."""


def chained(entry: Entry, *, seq: int, previous: bytes) -> bytes:
    """Return the digest of an entry at its place: SHA-256 over the one before and every field."""
    fields = [seq, entry.at.astimezone(UTC).isoformat(), *(getattr(entry, name) for name in ENTRY_FIELDS[1:])]
    return hashlib.sha256(previous + json.dumps(fields, separators=(",", ":")).encode()).digest()


ENTRY_FIELDS: tuple[str, ...] = ("at", "account_id", "role", "action", "person_id", "subject", "outcome")


class AuditTrail:
    """Filled without waiting, written in order by run(). Policy of a full queue: nobody is let in (StorageError)."""

    def __init__(self, store: AccessStore, *, data_dir: Path) -> None:
        self._store = store
        self._head_path = data_dir / HEAD_FILE
        self._queue: deque[Entry] = deque()
        self._filled = asyncio.Event()
        self._written = asyncio.Condition()
        self._n_noted = 0
        self._n_written = 0
        self._is_waiting = False
        """The database is away, and the operator was told."""

    def note(
        self, action: str, *, caller: Caller | None, subject: str, person_id: str | None = None, outcome: str = "done"
    ) -> None:
        """Keep what happened, of words from outside only what any database takes.

        Raises StorageError where too much waits to be written.
        """
        if len(self._queue) >= MAX_QUEUED:
            raise StorageError("audit: the log cannot be written. The database is away; try again later")
        self._queue.append(
            Entry(
                at=datetime.now(UTC),
                account_id=caller.account_id if caller else None,
                role=caller.role.value if caller else None,
                action=action,
                person_id=person_id if person_id and _PERSON_ID.fullmatch(person_id) else None,
                subject=printable(subject)[:MAX_SUBJECT_CHARS],
                outcome=outcome,
            )
        )
        self._n_noted += 1
        self._filled.set()

    async def wait_written(self) -> None:
        """Return once everything noted so far is in the database. Raises StorageError where that takes too long."""
        wanted = self._n_noted
        try:
            async with asyncio.timeout(WAIT_LIMIT_S), self._written:
                while self._n_written < wanted:
                    await self._written.wait()
        except TimeoutError as exc:
            raise StorageError("audit: the log cannot be written. The database is away; try again later") from exc

    async def run(self) -> None:
        """Write, again and again until the database takes it; until cancelled."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(LINGER_S)
            await self.write()

    async def write(self) -> None:
        """Write what waits; an entry that the database refuses leaves a bare one, and blocks no other."""
        n_at_once = MAX_BATCH
        while self._queue:
            batch = [self._queue[n] for n in range(min(len(self._queue), n_at_once))]
            try:
                head = await self._append(batch)
            except RefusedError:
                n_at_once = max(1, len(batch) // 2)
                if len(batch) == 1:
                    await self._replace_first(batch[0])
                continue
            except StorageError:
                if not self._is_waiting:
                    log.warning("the audit log waits for the database")
                self._is_waiting = True
                await asyncio.sleep(BACKOFF_S)
                continue
            self._is_waiting = False
            await asyncio.to_thread(self._keep_head, *head)
            for _ in batch:
                self._queue.popleft()
            async with self._written:
                self._n_written += len(batch)
                self._written.notify_all()
            n_at_once = min(MAX_BATCH, 2 * n_at_once)
        self._filled.clear()

    async def _replace_first(self, refused: Entry) -> None:
        log.error("the database refused an entry of the audit log; a bare one stands in its place")
        if refused.subject == UNWRITABLE:  # then it is no entry's fault
            await asyncio.sleep(BACKOFF_S)
        self._queue[0] = replace(refused, person_id=None, subject=UNWRITABLE)

    async def _append(self, batch: list[Entry]) -> tuple[int, bytes]:
        async with self._store.together() as steps:
            last = await steps.rows("select_audit_head")
            seq, previous = (last[0]["seq"], bytes(last[0]["sha256"])) if last else (0, GENESIS)
            columns: dict[str, list[Any]] = {name: [] for name in ("seq", *ENTRY_FIELDS, "previous_sha256", "sha256")}
            for entry in batch:
                seq += 1
                digest = chained(entry, seq=seq, previous=previous)
                told = asdict(entry) | {"seq": seq, "previous_sha256": previous, "sha256": digest}
                for name, values in columns.items():
                    values.append(told[name])
                previous = digest
            await steps.rows("insert_audit", **columns)
        return seq, previous

    def _keep_head(self, seq: int, digest: bytes) -> None:
        """Note the newest entry outside of the database: the end of the chain cannot be cut off unseen."""
        try:
            write_private(self._head_path, f"{seq} {digest.hex()}")
        except ConfigError as exc:
            log.warning("the head of the audit log was not kept: %s", exc)


async def is_cut(store: AccessStore, *, data_dir: Path) -> bool:
    """Tell, before anything is written, whether the log lacks the entry that was noted outside, or the note is gone."""
    seq, digest = _read_head(data_dir / HEAD_FILE)
    rows = await store.rows("select_audit", after_seq=(seq or 1) - 1, person_id=None, limit=1)
    if seq is None:
        return bool(rows)
    return not rows or rows[0]["seq"] != seq or bytes(rows[0]["sha256"]) != digest


async def verify(store: AccessStore, *, data_dir: Path) -> tuple[int, list[str]]:
    """Return how many entries there are, and every one that was changed, removed or put in, by its number."""
    findings: list[str] = []
    seq, previous, n_entries = 0, GENESIS, 0
    anchor_seq, anchor = _read_head(data_dir / HEAD_FILE)
    while rows := await store.rows("select_audit", after_seq=seq, person_id=None, limit=MAX_BATCH):
        for row in rows:
            n_entries += 1
            findings += _missing(seq + 1, row["seq"])
            findings += _broken(row, previous=previous if row["seq"] == seq + 1 else None)
            seq, previous = row["seq"], bytes(row["sha256"])
            if row["outcome"] == CUT:
                findings.append(f"entry {seq}: at that start {HEAD_FILE} was not of this log: {_UNKNOWN_END}")
            if seq == anchor_seq and previous != anchor:
                findings.append(f"entry {seq}: it is not the one that this server wrote")
    findings += _missing(seq + 1, (anchor_seq or 0) + 1)
    if anchor_seq is None and n_entries:
        findings.append(f"{HEAD_FILE}: expected the newest entry's number in the data folder, got none: {_UNKNOWN_END}")
    return n_entries, findings


def _missing(expected_seq: int, found_seq: int) -> list[str]:
    return [f"entry {seq}: it was removed" for seq in range(expected_seq, found_seq)]


def _broken(row: Row, *, previous: bytes | None) -> list[str]:
    entry = Entry(**{name: row[name] for name in ENTRY_FIELDS})
    if chained(entry, seq=row["seq"], previous=bytes(row["previous_sha256"])) != bytes(row["sha256"]):
        return [f"entry {row['seq']}: it was changed"]
    if previous is not None and previous != bytes(row["previous_sha256"]):
        return [f"entry {row['seq']}: it does not follow the one before; one of the two was put in or changed"]
    return []


def _read_head(path: Path) -> tuple[int | None, bytes]:
    try:
        seq, digest = path.read_text(encoding="ascii").split()
        return int(seq), bytes.fromhex(digest)
    except (OSError, ValueError):
        return None, b""

"""Everything that is kept about a person, as one zip of JSON files and the CSV export of each session."""

import asyncio
import json
import zipfile
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, Any

from becalm_server.access.desk import Access
from becalm_server.archive.store import Archive
from becalm_server.exports.catalogue import ExportFormat
from becalm_server.exports.office import ExportOffice, Wish
from becalm_server.refusals import NothingToExportError

_AUDIT_PAGE = 1_000


async def collect(access: Access, archive: Archive, office: ExportOffice, person_id: str) -> IO[bytes]:
    """Return an unnamed file with the zip, at its beginning. Raises StorageError or ExportsBusyError."""
    file = TemporaryFile()  # noqa: SIM115  (whoever sends it closes it)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        _add(whole, "person.json", await access.store.one("select_person", person_id=person_id))
        for name, statement in (
            ("accounts.json", "select_person_accounts"),
            ("consents.json", "select_consents"),
            ("grants.json", "select_grants"),
        ):
            _add(whole, name, await access.store.rows(statement, person_id=person_id))
        _add(whole, "audit.json", await _audit(access, person_id))
        for row in await access.store.rows("select_person_sessions", person_id=person_id):
            await _add_session(whole, row["session_id"], archive=archive, office=office)
    file.seek(0)
    return file


async def _audit(access: Access, person_id: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    while True:
        after_seq = entries[-1]["seq"] if entries else 0
        page = await access.store.rows("select_audit", person_id=person_id, after_seq=after_seq, limit=_AUDIT_PAGE)
        if not page:
            return entries
        entries += page


async def _add_session(whole: zipfile.ZipFile, session_id: str, *, archive: Archive, office: ExportOffice) -> None:
    folder = f"sessions/{session_id}"
    for name, statement in (
        ("session.json", "select_session"),
        ("markers.json", "select_markers"),
        ("notes.json", "select_notes"),
        ("report.json", "select_report"),
    ):
        _add(whole, f"{folder}/{name}", await archive.rows(statement, session_id=session_id))
    try:
        made = await office.make(Wish(session_id=session_id, export_format=ExportFormat.CSV, device_names=True))
    except NothingToExportError:
        return
    try:
        with whole.open(f"{folder}/recording.zip", "w", force_zip64=True) as target:
            async for piece in made.pieces():
                await asyncio.to_thread(target.write, piece)
    finally:
        await made.close()


def _add(whole: zipfile.ZipFile, name: str, content: Any) -> None:
    whole.writestr(name, json.dumps(content, default=_plain, indent=1))


def _plain(content: object) -> str:
    if isinstance(content, datetime):
        return content.isoformat()
    return bytes(content).hex() if isinstance(content, bytes | memoryview) else str(content)

"""Everything that is kept about a person, as one zip: a JSON file a table, and the CSV export of each session.

It is read as the person itself: what row security shows is what there is about them, in tables of later versions too.
"""

import asyncio
import contextlib
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, Any

from becalm_server.archive.own_rows import OwnRows, open_own_rows
from becalm_server.archive.row_security import FOR_WHOM, ForWhom
from becalm_server.archive.store import Archive
from becalm_server.exports.catalogue import ExportFormat
from becalm_server.exports.office import ExportOffice, Wish
from becalm_server.refusals import ExportsBusyError, NothingToExportError

# Each holds a connection, and most of the time one of the places for exports.
MAX_AT_ONCE = 2


class PersonExports:
    """Collects what is kept about people, for a few at a time."""

    def __init__(self, archive: Archive, office: ExportOffice) -> None:
        self._archive = archive
        self._office = office
        self._n_free = MAX_AT_ONCE

    async def collect(self, person_id: str) -> IO[bytes]:
        """Return an unnamed file with the zip, at its beginning. Raises StorageError or ExportsBusyError."""
        if self._n_free == 0:
            raise ExportsBusyError(f"Everything about {MAX_AT_ONCE} people is being collected. Ask again later.")
        self._n_free -= 1
        for_whom = ForWhom(people=frozenset({person_id}), person_id=person_id)
        token = FOR_WHOM.set(for_whom)
        try:
            with contextlib.ExitStack() as unless_whole:
                file = unless_whole.enter_context(TemporaryFile())
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
                    async with open_own_rows(self._archive.entrances.caller, for_whom) as own:
                        await self._fill(whole, own)
                file.seek(0)
                unless_whole.pop_all()  # whoever sends it closes it
                return file
        finally:
            FOR_WHOM.reset(token)
            self._n_free += 1

    async def _fill(self, whole: zipfile.ZipFile, own: OwnRows) -> None:
        for table in own.tables:
            await _add(whole, f"{table}.json", own.pages(table))
        session_ids = [row["session_id"] async for page in own.pages("session") for row in page]
        for session_id in session_ids:
            for table in own.session_tables:
                await _add(whole, f"sessions/{session_id}/{table}.json", own.pages(table, session_id=session_id))
            await self._add_recording(whole, session_id)

    async def _add_recording(self, whole: zipfile.ZipFile, session_id: str) -> None:
        try:
            made = await self._office.make(
                Wish(session_id=session_id, export_format=ExportFormat.CSV, device_names=True)
            )
        except NothingToExportError:
            return
        try:
            with whole.open(f"sessions/{session_id}/recording.zip", "w", force_zip64=True) as target:
                async for piece in made.pieces():
                    await asyncio.to_thread(target.write, piece)
        finally:
            await made.close()


async def _add(whole: zipfile.ZipFile, name: str, pages: AsyncIterator[list[dict[str, Any]]]) -> None:
    """Write rows as a JSON list."""
    before = "[\n"
    with whole.open(name, "w", force_zip64=True) as target:
        async for page in pages:
            text = ",\n".join(json.dumps(row, default=_plain) for row in page)
            await asyncio.to_thread(target.write, f"{before}{text}".encode())
            before = ",\n"
        target.write(b"[]\n" if before == "[\n" else b"\n]\n")


def _plain(content: object) -> str:
    if isinstance(content, datetime):
        return content.isoformat()
    return bytes(content).hex() if isinstance(content, bytes | memoryview) else str(content)

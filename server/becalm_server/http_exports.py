"""`/v1/sessions/{id}/export`: a session as a file for other programs."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from becalm_server.exports.catalogue import KINDS, ExportFormat, file_name
from becalm_server.exports.office import Export, ExportOffice, Wish
from becalm_server.http_sessions import SessionId, known_session
from becalm_server.problems import BUSY, responses
from becalm_server.refusals import ExportsBusyError, FormatUnavailableError, NothingToExportError, UnknownSessionError

_REFUSALS = responses(
    UnknownSessionError, NothingToExportError, HTTPStatus.UNPROCESSABLE_ENTITY, FormatUnavailableError,
    BUSY, ExportsBusyError,
)  # fmt: skip
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "description": "The file, whole; its name is in Content-Disposition, its size in Content-Length",
    "content": {kind.media_type: {"schema": {}} if "json" in kind.media_type else _BINARY for kind in KINDS.values()},
}
router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["recordings"], responses=_REFUSALS)
FormatWish = Annotated[
    ExportFormat,
    Query(
        alias="format",
        description="edf (EDF+ with annotations), xdf, csv (zip with a data dictionary), parquet (zip), kubios (RR "
        "text), fit (Garmin activity with HRV messages), fhir (R4 bundle), html (a page to read or print); see "
        "docs/exports.md",
    ),
]
NamesWish = Annotated[
    bool,
    Query(description="Keep the names that sensors call themselves; without it they are sensor 1, sensor 2 ..."),
]


# An hour's largest file is 11 MB: two minutes even at 100 kB/s. Readers that never end would keep others waiting.
SEND_LIMIT_S = 600.0


class ExportResponse(StreamingResponse):
    """An export on its way; its process is ended however the reader goes."""

    def __init__(self, made: Export, *, wish: Wish) -> None:
        name = file_name(wish.session_id, wish.export_format)
        super().__init__(
            made.pieces(),
            media_type=KINDS[wish.export_format].media_type,
            headers={
                "Content-Length": str(made.n_bytes),
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )
        self._made = made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; whoever is slower than the limit is cut off, and sees by the length that it is not whole."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SEND_LIMIT_S):
                    await super().__call__(scope, receive, send)
        finally:
            await self._made.close()


@router.get(
    "/export", summary="Export a session", response_class=StreamingResponse, responses={int(HTTPStatus.OK): _FILE}
)
async def export(
    request: Request, session_id: SessionId, export_format: FormatWish, device_names: NamesWish = False
) -> ExportResponse:
    """Return a session as one file: what is stored up to now, raw and derived."""
    await known_session(request.app.state.parts, session_id)
    office: ExportOffice = request.app.state.exports
    wish = Wish(session_id=session_id, export_format=export_format, device_names=device_names)
    return ExportResponse(await office.make(wish), wish=wish)

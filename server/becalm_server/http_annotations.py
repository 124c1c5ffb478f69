"""`/v1/sessions/{id}/markers` and `/notes`: what people say about a session."""

import secrets
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from becalm_protocol.wishes import Marker
from becalm_server.bodies.fields import MAX_ID_CHARS
from becalm_server.bodies.sessions import MarkerList, MarkerRow, MarkerWish, NoteList, NoteRow, NoteWish
from becalm_server.http_sessions import SessionId, known_session
from becalm_server.parts import Parts
from becalm_server.problems import BODY, BUSY, responses
from becalm_server.refusals import TooManyAnnotationsError, UnknownAnnotationError, UnknownSessionError

router = APIRouter(
    prefix="/v1/sessions/{session_id}", tags=["sessions"], responses=responses(UnknownSessionError, BUSY)
)
_ADDED = responses(*BODY, TooManyAnnotationsError)
_TAKEN_BACK = responses(UnknownSessionError, UnknownAnnotationError)
MarkerId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a marker")]
NoteId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a note")]
# A marker a second for a quarter of an hour, a note a day for years: more is a program that runs away.
MAX_ANNOTATIONS = 1_000
_MARKER, _NOTE = "marker", "note"


@router.get("/markers", summary="Markers")
async def list_markers(request: Request, session_id: SessionId) -> MarkerList:
    """Return the marked moments of a session in order of session time."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    rows = await parts.archive.rows("select_markers", session_id=session_id)
    return MarkerList(items=[MarkerRow(**row) for row in rows])


@router.post("/markers", summary="Mark a moment", status_code=HTTPStatus.CREATED, responses=_ADDED)
async def add_marker(request: Request, session_id: SessionId, wish: MarkerWish) -> MarkerRow:
    """Mark a moment: live clients of the session see it at once, exports carry it."""
    parts: Parts = request.app.state.parts
    record = await known_session(parts, session_id)
    session = parts.sessions.live(session_id)
    t_ns = wish.t_ns
    if t_ns is None:
        at_least_ns = session.newest_ns if session else record.duration_ns or 0
        t_ns = session.session_now_ns(at_least_ns=at_least_ns) if session else at_least_ns
    row = await _added(parts, session_id, kind=_MARKER, t_ns=t_ns, text=wish.label)
    if session is not None:
        parts.sessions.publish(session, Marker(marker_id=row["annotation_id"], t_ns=t_ns, label=wish.label), None)
    return MarkerRow(marker_id=row["annotation_id"], t_ns=t_ns, label=wish.label, created_at=row["created_at"])


@router.delete("/markers/{marker_id}", summary="Take a marker back", status_code=204, responses=_TAKEN_BACK)
async def remove_marker(request: Request, session_id: SessionId, marker_id: MarkerId) -> Response:
    """Take a marker back; live clients of the session are told."""
    parts: Parts = request.app.state.parts
    row = await _removed(parts, session_id, kind=_MARKER, annotation_id=marker_id)
    session = parts.sessions.live(session_id)
    if session is not None:
        marker = Marker(marker_id=marker_id, t_ns=row["t_ns"], label=row["text"], removed=True)
        parts.sessions.publish(session, marker, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/notes", summary="Notes")
async def list_notes(request: Request, session_id: SessionId) -> NoteList:
    """Return the notes of a session in the order they were written."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    rows = await parts.archive.rows("select_notes", session_id=session_id)
    return NoteList(items=[NoteRow(**row) for row in rows])


@router.post("/notes", summary="Write a note", status_code=HTTPStatus.CREATED, responses=_ADDED)
async def add_note(request: Request, session_id: SessionId, wish: NoteWish) -> NoteRow:
    """Keep a note with a session. Exports leave notes out, as people write names into them."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    row = await _added(parts, session_id, kind=_NOTE, t_ns=wish.t_ns, text=wish.text)
    return NoteRow(note_id=row["annotation_id"], t_ns=wish.t_ns, text=wish.text, created_at=row["created_at"])


@router.delete("/notes/{note_id}", summary="Take a note back", status_code=204, responses=_TAKEN_BACK)
async def remove_note(request: Request, session_id: SessionId, note_id: NoteId) -> Response:
    """Take a note back."""
    await _removed(request.app.state.parts, session_id, kind=_NOTE, annotation_id=note_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _added(parts: Parts, session_id: str, *, kind: str, t_ns: int | None, text: str) -> dict[str, Any]:
    row = await parts.archive.one(
        "insert_annotation",
        annotation_id=secrets.token_hex(16),
        session_id=session_id,
        kind=kind,
        t_ns=t_ns,
        text=text,
        n_max=MAX_ANNOTATIONS,
    )
    if row is None:
        raise TooManyAnnotationsError(f"The session has {MAX_ANNOTATIONS} {kind}s. Take some back, then add another.")
    return row


async def _removed(parts: Parts, session_id: str, *, kind: str, annotation_id: str) -> dict[str, Any]:
    await known_session(parts, session_id)
    row = await parts.archive.one("delete_annotation", annotation_id=annotation_id, session_id=session_id, kind=kind)
    if row is None:
        raise UnknownAnnotationError(f"The session has no {kind} {annotation_id!r:.70}.")
    return row

"""`/v1/sessions`: start, stop, list."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import SessionPhase
from becalm_protocol.units import s_from_ns
from becalm_server.archive.records import SessionRecord
from becalm_server.http_bodies import SessionBody, SessionChange, SessionPage, SessionWish
from becalm_server.parts import Parts
from becalm_server.problems import responses
from becalm_server.refusals import UnknownSessionError
from becalm_server.session import Session

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
SessionId = Annotated[str, Path(max_length=64, description="Identifier of a session")]
_BUSY = HTTPStatus.SERVICE_UNAVAILABLE


@router.get("", responses=responses(HTTPStatus.UNPROCESSABLE_ENTITY, _BUSY))
async def list_sessions(
    request: Request, before: datetime | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> SessionPage:
    """Return sessions, newest first."""
    parts: Parts = request.app.state.parts
    records = await parts.archive.sessions(before=before, limit=limit)
    return SessionPage(items=[_body(record, live=parts.sessions.live(record.session_id)) for record in records])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=responses(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, _BUSY),
)
async def start_session(request: Request, wish: SessionWish | None = None) -> SessionBody:
    """Start a session: the agent beside the body opens it, then clients see it begin."""
    parts: Parts = request.app.state.parts
    wished, settings = wish or SessionWish(), parts.settings
    record = await parts.sessions.start(
        baseline_s=settings.baseline_s if wished.baseline_s is None else wished.baseline_s,
        inhale_s=settings.inhale_s if wished.inhale_s is None else wished.inhale_s,
        exhale_s=settings.exhale_s if wished.exhale_s is None else wished.exhale_s,
        agent_id=wished.agent_id,
    )
    return _body(record, live=parts.sessions.live(record.session_id))


@router.get("/current", responses=responses(HTTPStatus.NOT_FOUND))
async def current_session(request: Request) -> SessionBody:
    """Return the session that is under way; of several, the one that clients see who chose none."""
    current = request.app.state.parts.sessions.current
    if current is None:
        raise UnknownSessionError("No session is under way.")
    return _body(current.record, live=current)


@router.get("/{session_id}", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, _BUSY))
async def one_session(request: Request, session_id: SessionId) -> SessionBody:
    """Return one session."""
    parts: Parts = request.app.state.parts
    return _body(await known_session(parts, session_id), live=parts.sessions.live(session_id))


@router.patch("/{session_id}", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, _BUSY))
async def change_session(request: Request, session_id: SessionId, change: SessionChange) -> SessionBody:
    """Choose where the breath is taken from, in the session that is under way."""
    parts: Parts = request.app.state.parts
    session = parts.sessions.live(session_id)
    if session is None:
        raise UnknownSessionError(f"Session {session_id!r:.70} is not under way.")
    session.wish_breath(None if change.breath_source is None else SignalKind(change.breath_source))
    return _body(session.record, live=session)


@router.post("/{session_id}/stop", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, _BUSY))
async def stop_session(request: Request, session_id: SessionId) -> SessionBody:
    """Stop a session: the agent sends what it still has, then clients see it ended. Again is harmless."""
    parts: Parts = request.app.state.parts
    record = await parts.sessions.stop(session_id)
    return _body(record, live=parts.sessions.live(session_id))


async def known_session(parts: Parts, session_id: str) -> SessionRecord:
    """Return a session of the archive. Raises UnknownSessionError."""
    record = await parts.archive.session(session_id)
    if record is None:
        raise UnknownSessionError(f"There is no session {session_id!r:.70}.")
    return record


def _body(record: SessionRecord, *, live: Session | None) -> SessionBody:
    # An unfinished session that is not under way was left by its agent: late data may still come, no feedback.
    return SessionBody(
        session_id=record.session_id,
        phase=SessionPhase.ENDED if live is None else live.phase,
        source=record.source,
        baseline_s=record.baseline_s,
        inhale_s=record.inhale_s,
        exhale_s=record.exhale_s,
        created_at=record.created_at,
        ended_at=record.ended_at,
        duration_s=None if record.duration_ns is None else s_from_ns(record.duration_ns),
    )

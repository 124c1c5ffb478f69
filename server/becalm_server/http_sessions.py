"""`/v1/sessions`: start, stop, find."""

import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import SessionPhase, Source
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_server.access.erasure import erase_session
from becalm_server.access.gate import CallerIs
from becalm_server.access.rules import Action, may, people_of
from becalm_server.archive.records import SessionRecord
from becalm_server.bodies.examples import SESSION_ID
from becalm_server.bodies.fields import MAX_ID_CHARS, Moment, PersonQuery
from becalm_server.bodies.sessions import (
    ErasedSessionBody,
    PhaseList,
    PhaseRow,
    SessionBody,
    SessionChange,
    SessionPage,
    SessionWish,
)
from becalm_server.parts import Parts
from becalm_server.problems import BODY, BUSY, responses
from becalm_server.refusals import NoAgentError, SessionRunningError, UnknownSessionError
from becalm_server.session import Session

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], responses=responses(BUSY))
SessionId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a session", examples=[SESSION_ID])]
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
# Microseconds, so that every text of this shape is a moment; sessions that an agent opened may have any identifier.
_CURSOR = "^[0-9]{1,16}-[^\u0000]{0,64}$"
_Cursor = Annotated[str | None, Query(pattern=_CURSOR, description="`next_cursor` of a page")]


@router.get("", summary="List sessions")
async def list_sessions(
    request: Request,
    caller: CallerIs,
    *,
    person_id: PersonQuery = None,
    before: Annotated[Moment | None, Query(description="Created before this moment")] = None,
    since: Annotated[Moment | None, Query(description="Created at or after this moment")] = None,
    source: Annotated[Source | None, Query(description="live, or replay: of recordings")] = None,
    ended: Annotated[bool | None, Query(description="true: only ended ones; false: only unfinished ones")] = None,
    cursor: _Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many")] = 50,
) -> SessionPage:
    """Return sessions, newest first."""
    parts: Parts = request.app.state.parts
    after_created_at, after_session_id = _place(cursor)
    people = people_of(caller, Action.READ, only=person_id)
    records = await parts.archive.session_page(
        people=None if people is None else list(people),
        after_created_at=after_created_at,
        after_session_id=after_session_id,
        before=before,
        since=since,
        source=None if source is None else source.value,
        ended=ended,
        limit=limit + 1,
    )
    items = [_body(record, live=parts.sessions.live(record.session_id)) for record in records[:limit]]
    return SessionPage(items=items, next_cursor=_cursor(records[limit - 1]) if len(records) > limit else None)


@router.post(
    "",
    summary="Start a session",
    status_code=HTTPStatus.CREATED,
    responses=responses(*BODY, NoAgentError, SessionRunningError),
)
async def start_session(request: Request, caller: CallerIs, wish: SessionWish | None = None) -> SessionBody:
    """Start a session: the agent beside the body opens it, then clients see it begin."""
    parts: Parts = request.app.state.parts
    wished, settings = wish or SessionWish(), parts.settings
    record = SessionRecord(
        session_id=secrets.token_hex(16),
        source=Source.LIVE,
        baseline_s=settings.baseline_s if wished.baseline_s is None else wished.baseline_s,
        inhale_s=settings.inhale_s if wished.inhale_s is None else wished.inhale_s,
        exhale_s=settings.exhale_s if wished.exhale_s is None else wished.exhale_s,
    )
    people = people_of(caller, Action.CONTROL)
    record = await parts.sessions.start(record, people=people, agent_id=wished.agent_id)
    return _body(record, live=parts.sessions.live(record.session_id))


@router.get("/current", summary="The session under way", responses=responses(UnknownSessionError))
async def current_session(request: Request, caller: CallerIs) -> SessionBody:
    """Return the session that is under way; of several, the one that clients see who chose none."""
    current = request.app.state.parts.sessions.shown(partial(may, caller, Action.READ))
    if current is None:
        raise UnknownSessionError("No session is under way.")
    return _body(current.record, live=current)


@router.get("/{session_id}", summary="One session", responses=responses(UnknownSessionError))
async def one_session(request: Request, session_id: SessionId) -> SessionBody:
    """Return one session."""
    parts: Parts = request.app.state.parts
    return _body(await known_session(parts, session_id), live=parts.sessions.live(session_id))


@router.patch(
    "/{session_id}",
    summary="Choose the source of breath",
    responses=responses(*BODY, UnknownSessionError),
)
async def change_session(request: Request, session_id: SessionId, change: SessionChange) -> SessionBody:
    """Choose where the breath is taken from, in the session that is under way."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    session = parts.sessions.live(session_id)
    if session is None:
        raise UnknownSessionError(f"Session {session_id!r:.70} is not under way.")
    session.wish_breath(None if change.breath_source is None else SignalKind(change.breath_source))
    return _body(session.record, live=session)


@router.post("/{session_id}/stop", summary="Stop a session", responses=responses(UnknownSessionError))
async def stop_session(request: Request, session_id: SessionId) -> SessionBody:
    """Stop a session: the agent sends what it still has, then clients see it ended. Again is harmless."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    record = await parts.sessions.stop(session_id)
    return _body(record, live=parts.sessions.live(session_id))


@router.delete("/{session_id}", summary="Erase a session", responses=responses(UnknownSessionError))
async def erase(request: Request, caller: CallerIs, session_id: SessionId) -> ErasedSessionBody:
    """Erase a session here and at its agent, also while it runs. For good: what stays is an audit entry."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    await erase_session(parts, session_id, caller=caller)
    return ErasedSessionBody(session_id=session_id)


@router.get("/{session_id}/phases", summary="Phases", responses=responses(UnknownSessionError))
async def phases(request: Request, session_id: SessionId) -> PhaseList:
    """Return the phases of a session, with the pacer of the practice."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    rows = await parts.archive.rows("select_phases", session_id=session_id)
    return PhaseList(items=[PhaseRow(**row) for row in rows])


async def known_session(parts: Parts, session_id: str) -> SessionRecord:
    """Return a session of the archive. Raises UnknownSessionError."""
    record = await parts.archive.session(session_id)
    if record is None:
        raise UnknownSessionError(f"There is no session {session_id!r:.70}.")
    return record


def _cursor(record: SessionRecord) -> str:
    created_at = record.created_at or _EPOCH
    return f"{(created_at - _EPOCH) // _MICROSECOND}-{record.session_id}"


def _place(cursor: str | None) -> tuple[datetime | None, str | None]:
    """Return the last session that was seen."""
    if cursor is None:
        return None, None
    microseconds, _, session_id = cursor.partition("-")
    return _EPOCH + int(microseconds) * _MICROSECOND, session_id


def _body(record: SessionRecord, *, live: Session | None) -> SessionBody:
    # An unfinished session that is not under way was left by its agent: late data may still come, no feedback.
    started = record.started_unix_ns
    return SessionBody(
        session_id=record.session_id,
        agent_id=record.agent_id,
        person_id=record.person_id,
        phase=SessionPhase.ENDED if live is None else live.phase,
        source=record.source,
        baseline_s=record.baseline_s,
        inhale_s=record.inhale_s,
        exhale_s=record.exhale_s,
        created_at=record.created_at,
        started_at=None if started is None else datetime.fromtimestamp(started / NS_PER_S, tz=UTC),
        ended_at=record.ended_at,
        duration_s=None if record.duration_ns is None else s_from_ns(record.duration_ns),
        closed_by_server=record.closed_by_server,
    )

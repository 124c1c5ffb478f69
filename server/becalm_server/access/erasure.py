"""A session goes, or all of a person: rows, what agents still hold, what is live now. What stays is an audit entry."""

import asyncio
import logging
from collections.abc import Sequence

from becalm_protocol.errors import StorageError
from becalm_server.access.caller import Caller, Role
from becalm_server.access.desk import Access
from becalm_server.access.tokens import digest, new_id
from becalm_server.archive.access_store import Row
from becalm_server.archive.metric_days import count_days_anew_at, metric_days_at
from becalm_server.archive.row_security import by_the_server
from becalm_server.parts import Parts

log = logging.getLogger(__name__)


async def erase_person(parts: Parts, person_id: str, *, caller: Caller) -> int:
    """Erase a person, also in the middle of a session; return how many sessions there were. Raises StorageError.

    Agents are told to stop and to drop what they spooled, when they come back where they are away now. The gate let it
    pass; it reaches the accounts of agents too, and is the server's own work.
    """
    with by_the_server():
        n_sessions = await _erase(parts, person_id)
    parts.access.audit.note("erase", caller=caller, subject=f"{n_sessions} sessions", person_id=person_id)
    return n_sessions


async def _erase(parts: Parts, person_id: str) -> int:
    access = parts.access
    sessions = await access.store.rows("select_person_sessions", person_id=person_id)
    session_ids = [row["session_id"] for row in sessions]
    await _discard(parts, session_ids)
    accounts = await access.store.rows("empty_accounts", person_id=person_id)
    await access.store.rows("empty_devices", person_id=person_id)
    _send_away(access, accounts)
    await _delete(parts, session_ids)
    begun_meanwhile = await _delete_person(access, person_id, accounts=accounts)
    for session_id in begun_meanwhile:
        parts.sessions.discard(session_id)
    _send_away(access, accounts)
    return len(session_ids) + len(begun_meanwhile)


async def erase_session(parts: Parts, session_id: str, *, caller: Caller) -> None:
    """Erase one session, also while it runs; its agent is told as for a person. Raises StorageError."""
    person_id = await parts.access.session_person(session_id)
    with by_the_server():
        await _discard(parts, [session_id])
        await _delete(parts, [session_id])
    parts.access.changed()
    parts.access.audit.note("erase", caller=caller, subject=f"session {session_id}", person_id=person_id)


async def _discard(parts: Parts, session_ids: Sequence[str]) -> None:
    """Take nothing more of sessions, and have their agents forget them."""
    await parts.access.store.rows("insert_erased", digests=[digest(session_id) for session_id in session_ids])
    for session_id in session_ids:
        parts.sessions.discard(session_id)


async def _delete(parts: Parts, session_ids: Sequence[str]) -> None:
    owner_url = parts.archive.entrances.owner
    await parts.archive.writer.wait_drained()  # what was queued before lands before the rows go
    days = await asyncio.to_thread(metric_days_at, owner_url, session_ids)
    for session_id in session_ids:  # each by itself: all at once may take longer than a statement may
        async with parts.access.store.together() as steps:
            await steps.rows("delete_session", session_id=session_id)
    try:
        await asyncio.to_thread(count_days_anew_at, owner_url, days)
    except StorageError as exc:
        log.warning("the days of what was erased are counted anew within the hour, not now: %s", exc)


async def _delete_person(access: Access, person_id: str, *, accounts: Sequence[Row]) -> list[str]:
    """Delete a person with what is left of it; return sessions that began while the others were deleted."""
    async with access.store.together() as steps:
        await steps.rows("lock_person", person_id=person_id)
        session_ids = [row["session_id"] for row in await steps.rows("select_person_sessions", person_id=person_id)]
        await steps.rows("insert_erased", digests=[digest(session_id) for session_id in session_ids])
        for session_id in session_ids:
            await steps.rows("delete_session", session_id=session_id)
        for account in accounts:
            if account["role"] == Role.OPERATOR:  # the operator goes on, as somebody new
                fresh = new_id()
                await steps.rows("insert_person", person_id=fresh, label=None)
                await steps.rows("move_account", account_id=account["account_id"], person_id=fresh)
        await steps.rows("delete_person", person_id=person_id)
    return session_ids


def _send_away(access: Access, accounts: Sequence[Row]) -> None:
    access.changed()
    for account in accounts:
        access.visitors.send_away(account_id=account["account_id"])

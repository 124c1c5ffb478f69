"""`/v1/audit`: who did what about whom."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from becalm_server.access.desk import Access
from becalm_server.bodies.logins import AuditEntryBody, AuditPage
from becalm_server.http_people import PersonId, known_person
from becalm_server.problems import BUSY, responses
from becalm_server.refusals import UnknownPersonError

router = APIRouter(prefix="/v1", tags=["access"], responses=responses(BUSY))
AfterSeq = Annotated[int, Query(ge=0, le=2**53, description="Entries after this number")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many")]


@router.get("/audit", summary="Audit log")
async def audit(request: Request, after_seq: AfterSeq = 0, limit: Limit = 100) -> AuditPage:
    """Return the audit log in its order. Whether anybody changed it: `becalm audit verify`."""
    return await _page(request.app.state.parts.access, person_id=None, after_seq=after_seq, limit=limit)


@router.get("/people/{person_id}/audit", summary="Who saw a person", responses=responses(UnknownPersonError))
async def person_audit(request: Request, person_id: PersonId, after_seq: AfterSeq = 0, limit: Limit = 100) -> AuditPage:
    """Return who saw, exported or changed something of a person, and when."""
    access: Access = request.app.state.parts.access
    await known_person(access, person_id)
    return await _page(access, person_id=person_id, after_seq=after_seq, limit=limit)


async def _page(access: Access, *, person_id: str | None, after_seq: int, limit: int) -> AuditPage:
    await access.audit.wait_written()
    rows = await access.store.rows("select_audit", person_id=person_id, after_seq=after_seq, limit=limit)
    return AuditPage(items=[AuditEntryBody(**row) for row in rows])

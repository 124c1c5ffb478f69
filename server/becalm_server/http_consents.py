"""`/v1/people/{id}/...`: consents, everything that is kept as one file, and erasure."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from becalm_server.access.caller import Caller
from becalm_server.access.consents import Purpose, has_agreed
from becalm_server.access.desk import Access
from becalm_server.access.erasure import erase_person
from becalm_server.access.gate import CallerIs, access_of
from becalm_server.access.person_export import PersonExports
from becalm_server.access.tokens import new_id
from becalm_server.archive.access_store import Row
from becalm_server.bodies.people import ConsentBody, ConsentList, ConsentWish, ErasedBody
from becalm_server.http_people import PersonId, known_person
from becalm_server.parts import Parts
from becalm_server.problems import BODY, BUSY, NO_STORE, responses
from becalm_server.refusals import ExportsBusyError, UnknownConsentError, UnknownPersonError

router = APIRouter(prefix="/v1/people/{person_id}", tags=["people"], responses=responses(UnknownPersonError, BUSY))
PurposeOf = Annotated[Purpose, Path(description="storage, clinician_access or export")]
NEVER_ASKED = "never asked"
"""In place of a text's version."""
_PIECE_BYTES = 262_144
_ZIP: dict[str, Any] = {
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    "description": "The zip",
}


@router.get("/consents", summary="Consents")
async def consents(request: Request, person_id: PersonId) -> ConsentList:
    """Return what a person agreed to, in which words, and what they took back."""
    access = access_of(request)
    await known_person(access, person_id)
    rows = await access.store.rows("select_consents", person_id=person_id)
    return ConsentList(items=[ConsentBody(**row) for row in rows])


@router.post("/consents", summary="Agree", status_code=HTTPStatus.CREATED, responses=responses(*BODY))
async def give_consent(request: Request, caller: CallerIs, person_id: PersonId, wish: ConsentWish) -> ConsentBody:
    """Keep that a person agrees to a purpose, in the words of a version; an earlier consent to it is closed."""
    access = access_of(request)
    await known_person(access, person_id)
    given = await _keep_consent(access, caller, person_id, wish)
    access.changed()
    access.audit.note("consent", caller=caller, subject=f"{wish.purpose} {wish.text_version}", person_id=person_id)
    return ConsentBody(**given)


@router.delete("/consents/{purpose}", summary="Take a consent back", responses=responses(UnknownConsentError))
async def withdraw_consent(request: Request, caller: CallerIs, person_id: PersonId, purpose: PurposeOf) -> ConsentBody:
    """Take a consent back: what it allowed ends at once, also for who is connected.

    Storage may be refused without ever having been asked for: that is kept as a consent that was taken back at once.
    """
    access = access_of(request)
    await known_person(access, person_id)
    if purpose is Purpose.STORAGE and await has_agreed(access, person_id, purpose) is None:
        await _keep_consent(access, caller, person_id, ConsentWish(purpose=purpose, text_version=NEVER_ASKED))
    row = await access.store.one("withdraw_consents", person_id=person_id, purpose=purpose.value)
    if row is None:
        raise UnknownConsentError(f"The person has not agreed to {purpose.value}.")
    access.changed()
    access.audit.note("consent", caller=caller, subject=f"{purpose.value} withdrawn", person_id=person_id)
    for one in await access.store.rows("select_clinicians", person_id=person_id):
        access.visitors.send_away(account_id=one["clinician_id"])
    if purpose is Purpose.STORAGE:
        access.visitors.send_away(agents_of=person_id)
    return ConsentBody(**row)


async def _keep_consent(access: Access, caller: Caller, person_id: str, wish: ConsentWish) -> Row:
    async with access.store.together() as steps:
        await steps.rows("withdraw_consents", person_id=person_id, purpose=wish.purpose.value)
        (given,) = await steps.rows(
            "insert_consent",
            consent_id=new_id(),
            person_id=person_id,
            purpose=wish.purpose.value,
            text_version=wish.text_version,
            given_by=caller.account_id,
        )
    return given


@router.get(
    "/export",
    summary="Everything about a person",
    response_class=StreamingResponse,
    responses={int(HTTPStatus.OK): _ZIP, **responses(ExportsBusyError)},
)
async def person_export(request: Request, person_id: PersonId) -> StreamingResponse:
    """Return a zip of everything that is kept: a JSON file a table, and of every session its recording as CSV."""
    parts: Parts = request.app.state.parts
    await known_person(parts.access, person_id)
    exports: PersonExports = request.app.state.person_exports
    file = await exports.collect(person_id)
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    name = f'attachment; filename="becalm-{person_id}.zip"'
    headers = {"Content-Disposition": name, "Content-Length": str(n_bytes), **NO_STORE}
    return StreamingResponse(_pieces(file), media_type="application/zip", headers=headers)


@router.delete("", summary="Erase a person")
async def erase_person_data(request: Request, caller: CallerIs, person_id: PersonId) -> ErasedBody:
    """Erase everything about a person, here and at their agents, also in the middle of a session. For good."""
    parts: Parts = request.app.state.parts
    await known_person(parts.access, person_id)
    return ErasedBody(person_id=person_id, n_sessions=await erase_person(parts, person_id, caller=caller))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece

"""`/v1/people`: whose sessions are kept, and which clinicians may see them."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request

from becalm_server.access.caller import Role
from becalm_server.access.consents import Purpose, has_agreed
from becalm_server.access.desk import Access
from becalm_server.access.gate import CallerIs, access_of
from becalm_server.access.rules import Action, people_of
from becalm_server.access.tokens import new_id
from becalm_server.archive.access_store import Row
from becalm_server.bodies.examples import PERSON_ID
from becalm_server.bodies.fields import MAX_ID_CHARS
from becalm_server.bodies.people import (
    GrantBody,
    GrantList,
    GrantWish,
    PersonBody,
    PersonList,
    PersonWish,
)
from becalm_server.problems import BODY, BUSY, responses
from becalm_server.refusals import UnknownAccountError, UnknownGrantError, UnknownPersonError

router = APIRouter(prefix="/v1/people", tags=["people"], responses=responses(BUSY))
_KNOWN = responses(UnknownPersonError)
PersonId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a person", examples=[PERSON_ID])]
GrantId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a grant")]


@router.get("", summary="People")
async def people(request: Request, caller: CallerIs) -> PersonList:
    """Return the people whose sessions the caller may see."""
    wanted = people_of(caller, Action.READ)
    rows = await access_of(request).store.rows("select_people", people=None if wanted is None else list(wanted))
    return PersonList(items=[PersonBody(**row) for row in rows])


@router.post("", summary="Add a person", status_code=HTTPStatus.CREATED, responses=responses(*BODY))
async def add_person(request: Request, wish: PersonWish) -> PersonBody:
    """Make a person that has no account yet."""
    row = await access_of(request).store.one("insert_person", person_id=new_id(), label=wish.label)
    return PersonBody.model_validate(row)


@router.get("/{person_id}", summary="One person", responses=_KNOWN)
async def one_person(request: Request, person_id: PersonId) -> PersonBody:
    """Return one person."""
    return await known_person(access_of(request), person_id)


@router.patch("/{person_id}", summary="Label a person", responses=_KNOWN | responses(*BODY))
async def rename_person(request: Request, person_id: PersonId, wish: PersonWish) -> PersonBody:
    """Change the local label of a person, or take it away."""
    access = access_of(request)
    await known_person(access, person_id)
    return PersonBody.model_validate(await access.store.one("rename_person", person_id=person_id, label=wish.label))


@router.get("/{person_id}/grants", summary="Grants", responses=_KNOWN)
async def grants(request: Request, person_id: PersonId) -> GrantList:
    """Return who may see a person, and who could before."""
    access = access_of(request)
    await known_person(access, person_id)
    rows = await access.store.rows("select_grants", person_id=person_id)
    return GrantList(items=[await _shown(access, row) for row in rows])


@router.post(
    "/{person_id}/grants",
    summary="Grant a clinician",
    status_code=HTTPStatus.CREATED,
    responses=responses(*BODY, UnknownPersonError, UnknownAccountError),
)
async def grant(request: Request, caller: CallerIs, person_id: PersonId, wish: GrantWish) -> GrantBody:
    """Let a clinician see a person, for ever or until a time; in force once the person agreed to `clinician_access`."""
    access = access_of(request)
    await known_person(access, person_id)
    clinician = await access.gate_store.one("select_account", account_id=wish.clinician_id)
    if clinician is None or clinician["role"] != Role.CLINICIAN or clinician["disabled_at"] is not None:
        raise UnknownAccountError(f"There is no clinician's account {wish.clinician_id!r:.70}.")
    row = await access.store.one(
        "insert_grant",
        grant_id=new_id(),
        person_id=person_id,
        clinician_id=wish.clinician_id,
        granted_by=caller.account_id,
        until_at=wish.until_at,
    )
    access.changed()
    access.visitors.send_away(account_id=wish.clinician_id)
    access.audit.note("grant", caller=caller, subject=f"clinician {wish.clinician_id}", person_id=person_id)
    return await _shown(access, row or {})


@router.delete(
    "/{person_id}/grants/{grant_id}",
    summary="Withdraw a grant",
    responses=responses(UnknownPersonError, UnknownGrantError),
)
async def withdraw_grant(request: Request, person_id: PersonId, grant_id: GrantId) -> GrantBody:
    """Let a clinician see a person no more, from this moment on. Again is harmless."""
    access = access_of(request)
    await known_person(access, person_id)
    row = await access.store.one("withdraw_grant", person_id=person_id, grant_id=grant_id)
    if row is None:
        raise UnknownGrantError(f"There is no grant {grant_id!r:.70}.")
    access.changed()
    access.visitors.send_away(account_id=row["clinician_id"])
    return await _shown(access, row)


async def _shown(access: Access, row: Row) -> GrantBody:
    is_over = row["withdrawn_at"] is not None or (row["until_at"] is not None and row["until_at"] <= datetime.now(UTC))
    in_force = not is_over and bool(await has_agreed(access, row["person_id"], Purpose.CLINICIAN_ACCESS))
    return GrantBody(**row, in_force=in_force)


async def known_person(access: Access, person_id: str) -> PersonBody:
    """Return a person. Raises UnknownPersonError."""
    row = await access.store.one("select_person", person_id=person_id)
    if row is None:
        raise UnknownPersonError(f"There is no person {person_id!r:.70}.")
    return PersonBody.model_validate(row)

"""`/v1/access`: pairing, one's own devices, accounts and invitations."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request

from becalm_server.access import invitations
from becalm_server.access.caller import Caller, Role
from becalm_server.access.desk import Access
from becalm_server.access.gate import CallerIs, access_of, own_account
from becalm_server.access.pace import address_of
from becalm_server.access.rules import RULES
from becalm_server.access.tokens import new_id
from becalm_server.bodies.access import (
    AccountBody,
    AccountList,
    InvitationBody,
    InvitationWish,
    MeBody,
    PairedBody,
    PairedDeviceBody,
    PairedDeviceList,
    PairWish,
)
from becalm_server.bodies.fields import MAX_ID_CHARS
from becalm_server.problems import BODY, BUSY, responses
from becalm_server.refusals import (
    OwnerStaysError,
    TooManyTriesError,
    UnknownAccountError,
    UnknownDeviceError,
    UnknownPersonError,
    WhoError,
)

router = APIRouter(prefix="/v1/access", tags=["access"], responses=responses(BUSY))
AccountId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of an account")]
DeviceId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a paired device")]


@router.post(
    "/pair",
    summary="Pair a device",
    status_code=HTTPStatus.CREATED,
    responses=responses(*BODY, TooManyTriesError),
)
async def pair(request: Request, wish: PairWish) -> PairedBody:
    """Exchange a one-time code for a token of this device's own; the code is used up."""
    access, address = access_of(request), address_of(request.scope)
    with access.pace.trial("pair", address=address) as trial:
        paired = await invitations.pair(access.gate_store, code=wish.code, label=wish.label or "")
        trial.is_wrong = paired is None
    if paired is None:
        access.audit.note("pair", caller=None, subject="one-time code", outcome="refused")
        raise WhoError("The link was used already, has run out or never was one. Make another: becalm invite")
    account = paired.account
    access.audit.note("pair", caller=None, subject=f"account {account['account_id']} device {paired.device_id}")
    return PairedBody(
        device_id=paired.device_id,
        account_id=account["account_id"],
        role=account["role"],
        person_id=account["person_id"],
        token=paired.token,
    )


@router.get("/me", summary="Who asks")
async def me(caller: CallerIs) -> MeBody:
    """Return who asks, and what it may do."""
    return MeBody(
        account_id=caller.account_id,
        role=caller.role,
        person_id=caller.person_id,
        granted=sorted(caller.granted),
        device_id=caller.device_id,
        may=sorted(RULES[caller.role]),
    )


@router.get("/devices", summary="Paired devices")
async def devices(request: Request, caller: CallerIs) -> PairedDeviceList:
    """Return one's own paired devices; the operator's list is everybody's."""
    rows = await access_of(request).store.rows("select_devices", account_id=own_account(caller))
    return PairedDeviceList(items=[PairedDeviceBody(**row) for row in rows])


@router.delete("/devices/{device_id}", summary="Revoke a device", responses=responses(UnknownDeviceError))
async def revoke_device(request: Request, caller: CallerIs, device_id: DeviceId) -> PairedDeviceBody:
    """Take a device's token back: it opens nothing any more, and its open connections are closed. Again is harmless."""
    access = access_of(request)
    row = await access.store.one("revoke_device", device_id=device_id, account_id=own_account(caller))
    if row is None:
        raise UnknownDeviceError(f"There is no device {device_id!r:.70}.")
    access.changed()
    access.visitors.send_away(device_id=device_id)
    access.audit.note("revoke", caller=caller, subject=f"account {row['account_id']} device {device_id}")
    known = await access.store.rows("select_devices", account_id=row["account_id"])
    return next(PairedDeviceBody(**one) for one in known if one["device_id"] == device_id)


@router.post(
    "/invitations",
    summary="Invite",
    status_code=HTTPStatus.CREATED,
    responses=responses(*BODY, UnknownAccountError, UnknownPersonError),
)
async def invite(request: Request, caller: CallerIs, wish: InvitationWish) -> InvitationBody:
    """Make a one-time link: for a known account, for a new one of a role, or for one more device of the caller's."""
    access = access_of(request)
    if wish.account_id is not None:
        account_id = (await _account(access, wish.account_id)).account_id
    elif wish.role is not None:
        account_id = await _new_account(access, caller, wish, role=wish.role)
    else:
        account_id = caller.account_id
    made = await invitations.invite(access.store, account_id=account_id)
    access.audit.note("invite", caller=caller, subject=f"account {account_id}")
    link = made.link(request.app.state.parts.address)
    return InvitationBody(account_id=account_id, code=made.code, link=link, expires_at=made.expires_at)


@router.get("/accounts", summary="Accounts")
async def accounts(request: Request) -> AccountList:
    """Return every account."""
    rows = await access_of(request).store.rows("select_accounts")
    return AccountList(items=[AccountBody(**row) for row in rows])


@router.delete(
    "/accounts/{account_id}",
    summary="Disable an account",
    responses=responses(UnknownAccountError, OwnerStaysError),
)
async def disable_account(request: Request, account_id: AccountId) -> AccountBody:
    """Let an account in no more; its open connections are closed. Its person and sessions stay."""
    access = access_of(request)
    await _account(access, account_id)
    if account_id == access.owner.account_id:
        raise OwnerStaysError("The owner's account cannot be disabled: nobody could run this server any more.")
    row = await access.store.one("disable_account", account_id=account_id)
    access.changed()
    access.visitors.send_away(account_id=account_id)
    return AccountBody.model_validate(row)


async def _new_account(access: Access, caller: Caller, wish: InvitationWish, *, role: Role) -> str:
    """Make an account: an agent's stands beside the caller's own person unless another is named."""
    person_id = wish.person_id or (caller.person_id if role is Role.AGENT else None)
    account_id = new_id()
    async with access.store.together() as steps:
        if person_id is not None and not await steps.rows("select_person", person_id=person_id):
            raise UnknownPersonError(f"There is no person {person_id!r:.70}.")
        if person_id is None and role is Role.PARTICIPANT:
            person_id = new_id()
            await steps.rows("insert_person", person_id=person_id, label=wish.label)
        await steps.rows(
            "insert_account", account_id=account_id, role=role.value, person_id=person_id, label=wish.label or ""
        )
    return account_id


async def _account(access: Access, account_id: str) -> AccountBody:
    row = await access.store.one("select_account", account_id=account_id)
    if row is None:
        raise UnknownAccountError(f"There is no account {account_id!r:.70}.")
    return AccountBody.model_validate(row)

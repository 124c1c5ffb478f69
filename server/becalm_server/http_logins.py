"""`/v1/access/...`: logins by password, for browsers; programs and phones are paired."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from becalm_server.access import tickets
from becalm_server.access.gate import CallerIs, access_of, own_account
from becalm_server.access.logins import REFRESH_LASTS_S, Login
from becalm_server.access.pace import address_of
from becalm_server.access.tokens import digest
from becalm_server.archive.access_store import TakenError
from becalm_server.bodies.fields import MAX_ID_CHARS
from becalm_server.bodies.logins import (
    LoginBody,
    LoginWish,
    PasswordWish,
    RefreshWish,
    SignedInBody,
    SignedInList,
    TicketBody,
)
from becalm_server.problems import BODY, BUSY, responses
from becalm_server.refusals import LoginTakenError, TooManyTriesError, UnknownLoginError, WhoError

router = APIRouter(prefix="/v1/access", tags=["access"], responses=responses(BUSY))
LoginId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a login")]
_TRIED = responses(*BODY, TooManyTriesError)
_WRONG = "The login name or the password is not right."


@router.post("/login", summary="Log in", responses=_TRIED)
async def log_in(request: Request, wish: LoginWish) -> LoginBody:
    """Exchange a login name and its password for tokens; wrong ones are slowed down, by name and by address."""
    access, address = access_of(request), address_of(request.scope)
    with access.pace.trial(f"login {wish.login}", address=address, everywhere=True) as trial:
        login = await access.logins.log_in(login=wish.login, password=wish.password)
        trial.is_wrong = login is None
    if login is None:
        # Never the name itself: people also type their password there, and this log forgets nothing.
        known = await access.gate_store.one("select_login", login=wish.login)
        subject = f"account {known['account_id']}" if known else "an unknown login name"
        access.audit.note("login", caller=None, subject=subject, outcome="refused")
        raise WhoError(_WRONG)
    access.audit.note("login", caller=None, subject=f"account {login.account_id}")
    return _body(login)


@router.post("/refresh", summary="Next tokens", responses=_TRIED)
async def refresh(request: Request, wish: RefreshWish) -> LoginBody:
    """Exchange a refresh token for the next two tokens. One that was used before ends its login: log in again."""
    access = access_of(request)
    # By the token alone: nobody guesses one, and a house behind one address is not to wait for its worst browser.
    with access.pace.trial(digest(wish.refresh_token).hex(), address=None) as trial:
        login = await access.logins.refresh(wish.refresh_token)
        trial.is_wrong = login is None
    if login is None:
        access.changed()
        access.audit.note("login", caller=None, subject="refresh token", outcome="refused")
        raise WhoError("The refresh token is unknown, over or was used before. Log in again.")
    return _body(login)


@router.post("/me/logout", summary="Log out", status_code=HTTPStatus.NO_CONTENT)
async def log_out(request: Request, caller: CallerIs) -> Response:
    """End the login whose token this is; its tokens open nothing any more."""
    access = access_of(request)
    if caller.login_id is not None:
        await access.store.one("revoke_family", family_id=caller.login_id)
        access.changed()
        access.visitors.send_away(login_id=caller.login_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/logins", summary="Logins")
async def list_logins(request: Request, caller: CallerIs) -> SignedInList:
    """Return the logins by password that go on: one's own; the operator's list is everybody's."""
    rows = await access_of(request).store.rows("select_logins", account_id=own_account(caller), lasts_s=REFRESH_LASTS_S)
    return SignedInList(items=[SignedInBody(**row, is_this=row["login_id"] == caller.login_id) for row in rows])


@router.delete(
    "/logins/{login_id}",
    summary="End a login",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(UnknownLoginError),
)
async def end_login(request: Request, caller: CallerIs, login_id: LoginId) -> Response:
    """End one login: its tokens open nothing any more, and its open connections are closed. Again is harmless."""
    access = access_of(request)
    ended = await access.store.one("end_login", login_id=login_id, account_id=own_account(caller))
    if ended is None:
        raise UnknownLoginError(f"There is no login {login_id!r:.70}.")
    access.changed()
    access.visitors.send_away(login_id=login_id)
    access.audit.note("log out", caller=caller, subject=f"account {ended['account_id']} login {login_id}")
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/me/password",
    summary="Set a password",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_TRIED | responses(LoginTakenError),
)
async def set_password(request: Request, caller: CallerIs, wish: PasswordWish) -> Response:
    """Choose how to log in from a browser; logins of before are over."""
    access, address = access_of(request), address_of(request.scope)
    account = await access.gate_store.one("select_account", account_id=caller.account_id)
    if account is not None and account["password_hash"] is not None:
        with access.pace.trial(f"account {caller.account_id}", address=address, everywhere=True) as trial:
            is_right, _ = await access.logins.check(wish.old_password or "", account["password_hash"])
            trial.is_wrong = not is_right
        if not is_right:
            raise WhoError(_WRONG)
    try:
        await access.logins.set_password(account_id=caller.account_id, login=wish.login, password=wish.password)
    except TakenError as exc:
        raise LoginTakenError(f"The login name {wish.login!r:.70} is somebody else's. Choose another.") from exc
    access.changed()
    access.visitors.send_away(logins_of=caller.account_id)
    access.audit.note("password", caller=caller, subject=f"account {caller.account_id}")
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/me/ticket", summary="Ticket for a WebSocket", status_code=HTTPStatus.CREATED)
async def ticket(request: Request, caller: CallerIs) -> TicketBody:
    """Return a ticket for the first message of one WebSocket; browsers cannot send a header there."""
    return TicketBody(ticket=access_of(request).tickets.give(caller), expires_in_s=tickets.LASTS_S)


def _body(login: Login) -> LoginBody:
    return LoginBody(
        account_id=login.account_id,
        access_token=login.access_token,
        expires_in_s=login.expires_in_s,
        refresh_token=login.refresh_token,
    )

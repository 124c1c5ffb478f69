"""The one gate before every HTTP route: a valid token, an action that the role may do, a person it may do it about.

A route that is added is behind it by itself: what it needs is told from its method and from the identifiers in its
path; the exceptions are in the two tables here.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from becalm_server.access.audit import EVERYBODY
from becalm_server.access.caller import Caller
from becalm_server.access.consents import may_export
from becalm_server.access.desk import Access
from becalm_server.access.pace import address_of
from becalm_server.access.rules import Action, Scope, knows, may, people_of, scope
from becalm_server.access.tokens import anew
from becalm_server.archive.row_security import FOR_WHOM, THE_SERVER, ForWhom, TheServer
from becalm_server.problems import printable
from becalm_server.refusals import NotAllowedError, UnknownPersonError, UnknownSessionError, WhoError

OPEN_PATHS = frozenset(
    {"/", "/pair", "/healthz", "/readyz", "/docs", "/problems/{name}", "/openapi.json", "/v1/asyncapi.json"}
    | {"/v1/access/pair", "/v1/access/login", "/v1/access/refresh"}
)
"""Routes that anybody may reach; none of them tells anything about anybody."""

ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "/v1/health"): Action.OWN,
    ("GET", "/metrics"): Action.MANAGE,
    ("POST", "/v1/people"): Action.MANAGE,
    ("GET", "/v1/sessions/{session_id}/export"): Action.EXPORT,
    ("DELETE", "/v1/people/{person_id}"): Action.SHARE,
    ("DELETE", "/v1/sessions/{session_id}"): Action.SHARE,
}
"""Routes whose action does not follow from their method."""

_PREFIXES: tuple[tuple[re.Pattern[str], Action], ...] = (
    (re.compile(r"/v1/people/\{person_id\}/(grants|consents|export|audit)\b"), Action.SHARE),
    (re.compile(r"/v1/access/(me|devices|logins)\b"), Action.OWN),
    (re.compile(r"/v1/(access/|audit\b)"), Action.MANAGE),
)
_UNKNOWN_SESSION = "There is no session {!r:.70}."
_UNKNOWN_PERSON = "There is no person {!r:.70}."


async def gate(request: Request) -> None:
    """Let a request pass, or refuse it: 401 who are you, 403 not with this role, 404 nothing here for you."""
    path = request.scope["route"].path
    if path in OPEN_PATHS:
        return
    access = access_of(request)
    caller = request.state.caller = await _identified(request, access)
    FOR_WHOM.set(_for_whom(caller))
    action = action_of(request.method, path)
    if action is not Action.OWN and access.wants_password_of(caller):
        raise NotAllowedError(
            "In a clinic this account needs a password first: becalm password NAME, or POST /v1/access/me/password."
        )
    about = _Asked(access=access, caller=caller, action=action, route=f"{request.method} {path}")
    for name, refuse in (("session_id", _no_session), ("person_id", _no_person)):
        identifier = request.path_params.get(name, request.query_params.get(name))
        if identifier is not None:
            person_id = await access.session_person(identifier) if name == "session_id" else identifier
            if not knows(caller, person_id):
                about.note(person_id, identifier, outcome="not found for this caller")
                raise refuse(identifier)
            await about.judge(person_id, identifier)
    if scope(caller, action) is Scope.NOBODY:
        about.note(None, "", outcome="not allowed")
        raise _not_allowed(caller, action)
    if action is not Action.OWN and not about.is_noted:
        about.note_list()
    if about.is_noted and access.is_clinic:
        await access.audit.wait_written()


def _for_whom(caller: Caller) -> ForWhom | TheServer:
    """Return what the database may show a caller."""
    people = people_of(caller, Action.READ)
    if people is None:
        return THE_SERVER
    return ForWhom(people=people, person_id=caller.person_id, account_id=caller.account_id)


async def _identified(request: Request, access: Access) -> Caller:
    """Return who asks; a stranger is noted. Raises WhoError."""
    try:
        return await identify(request, access)
    except WhoError:
        if access.pace.is_news(address_of(request.scope)):
            subject = f"{request.method} {request.scope['route'].path}"
            access.audit.note("enter", caller=None, subject=subject, outcome="no valid token")
        raise


def describe(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document which routes want a token."""
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["security"] = [] if path in OPEN_PATHS else [{"token": []}]


def caller_of(request: Request) -> Caller:
    """Return who asks; for routes behind the gate."""
    caller: Caller = request.state.caller
    return caller


def access_of(request: Request) -> Access:
    """Return the parts of access that the server runs with."""
    access: Access = request.app.state.parts.access
    return access


CallerIs = Annotated[Caller, Depends(caller_of)]


def own_account(caller: Caller) -> str | None:
    """Return whose devices and logins a caller may list and end; None: everybody's."""
    return None if scope(caller, Action.MANAGE) is Scope.EVERYBODY else caller.account_id


async def identify(connection: HTTPConnection, access: Access) -> Caller:
    """Return who asks by the Authorization header. Raises WhoError."""
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise WhoError("Expected a token (Authorization: Bearer ...), got none. Pair this device: becalm pair")
    caller = await access.identities.of_token(token.strip())
    if caller is None:
        raise WhoError(f"The token is unknown, has run out or was taken back. {anew(token.strip())}")
    return caller


@dataclass(kw_only=True)
class _Asked:
    """One request, for the audit log."""

    access: Access
    caller: Caller
    action: Action
    route: str
    is_noted: bool = False

    async def judge(self, person_id: str | None, identifier: str) -> None:
        """Let pass what the role and the person allow. Raises NotAllowedError."""
        if not may(self.caller, self.action, person_id):
            self.note(person_id, identifier, outcome="not allowed")
            raise _not_allowed(self.caller, self.action)
        is_export = self.action is Action.EXPORT and person_id is not None
        if is_export and not await may_export(self.access, self.caller, person_id or ""):
            self.note(person_id, identifier, outcome="no consent")
            raise NotAllowedError("The person has not agreed that clinicians take recordings away.")
        self.note(person_id, identifier)

    def note_list(self) -> None:
        """Note a route without an identifier: a list is about each person whom the caller may see."""
        seen = people_of(self.caller, Action.READ) if self.action is Action.READ else frozenset[str]()
        people: list[str] = [EVERYBODY] if seen is None else sorted(seen)
        for person_id in people or (None,):
            self.note(person_id, "")

    def note(self, person_id: str | None, identifier: str, *, outcome: str = "allowed") -> None:
        subject = f"{self.route} {printable(identifier)}".strip()
        self.access.audit.note(self.action, caller=self.caller, subject=subject, person_id=person_id, outcome=outcome)
        self.is_noted = True


def action_of(method: str, path: str) -> Action:
    """Return what a route does, by its method and its path template."""
    named = ACTIONS.get((method, path))
    if named is not None:
        return named
    for pattern, action in _PREFIXES:
        if pattern.match(path):
            return action
    return Action.READ if method in {"GET", "HEAD"} else Action.CONTROL


def _no_session(session_id: str) -> UnknownSessionError:
    return UnknownSessionError(_UNKNOWN_SESSION.format(session_id))


def _no_person(person_id: str) -> UnknownPersonError:
    return UnknownPersonError(_UNKNOWN_PERSON.format(person_id))


def _not_allowed(caller: Caller, action: Action) -> NotAllowedError:
    return NotAllowedError(f"An account with the role {caller.role} may not {action} here. Ask the operator.")

"""Every route x every role x own and other identifiers: made from the OpenAPI document, so that none is left out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest

from becalm_server.access.gate import ACTIONS

OPEN = {"/healthz", "/readyz", "/v1/access/pair", "/v1/access/login", "/v1/access/refresh"}
ERASES = {("delete", "/v1/people/{person_id}"), ("delete", "/v1/sessions/{session_id}")}
SESSION = b"""insert into session (session_id, person_id, source, baseline_s, created_at, ended_at)
values (%(session_id)s, %(person_id)s, 'live', 60, now() - interval '1 day', now() - interval '1 day')"""
SUBJECTS = ("session_id", "person_id")
NOBODY, PARTICIPANT, STRANGER, FRIEND, OPERATOR, AGENT = (
    "none", "participant", "clinician without grant", "clinician with grant", "operator", "agent",
)  # fmt: skip
SEES_OWN = {PARTICIPANT, FRIEND, OPERATOR, AGENT}
"""Who may learn of the first person; of the second one only the operator may."""


@dataclass(kw_only=True)
class House:
    """Two people with a session each, and somebody of every role."""

    document: dict[str, Any]
    callers: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)

    def routes(self) -> list[tuple[str, str]]:
        return [(method, path) for path, methods in self.document["paths"].items() for method in methods]


async def paired(server: Any, operator: httpx.AsyncClient, **wish: str) -> tuple[dict[str, Any], httpx.AsyncClient]:
    invitation = (await operator.post("/v1/access/invitations", json=wish)).json()
    async with server.stranger() as fresh:
        told = (await fresh.post("/v1/access/pair", json={"code": invitation["code"]})).json()
    return told, server.http(told["token"])


@pytest.fixture
async def house(server: Any) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(server.http())
        house = House(document=(await operator.get("/openapi.json")).json())
        house.callers[NOBODY] = await stack.enter_async_context(server.stranger())
        house.callers[OPERATOR] = operator
        me, house.callers[PARTICIPANT] = await paired(server, operator, role="participant")
        other, unused = await paired(server, operator, role="participant")
        await unused.aclose()
        friend, house.callers[FRIEND] = await paired(server, operator, role="clinician")
        _, house.callers[STRANGER] = await paired(server, operator, role="clinician")
        _, house.callers[AGENT] = await paired(server, operator, role="agent", person_id=me["person_id"])
        granted = await house.callers[PARTICIPANT].post(
            f"/v1/people/{me['person_id']}/grants", json={"clinician_id": friend["account_id"]}
        )
        assert granted.status_code == 201
        for purpose in ("clinician_access", "export"):
            wish = {"purpose": purpose, "text_version": "1"}
            agreed = await house.callers[PARTICIPANT].post(f"/v1/people/{me['person_id']}/consents", json=wish)
            assert agreed.status_code == 201
        house.own = {"person_id": me["person_id"], "session_id": "a" * 32}
        house.other = {"person_id": other["person_id"], "session_id": "b" * 32}
        with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
            for ids in (house.own, house.other):
                connection.execute(SESSION, ids)
        yield house
        for caller in house.callers.values():
            await caller.aclose()


def allowed(role: str, method: str, path: str) -> bool:
    """The policy once more, written from the outside."""
    if (
        role == OPERATOR
        or path == "/v1/health"
        or path.startswith(("/v1/access/me", "/v1/access/devices", "/v1/access/logins"))
    ):
        return True
    if path.startswith(("/v1/access/", "/v1/audit")) or (method, path) == ("post", "/v1/people") or path == "/metrics":
        return False
    own_affairs = tuple(f"/v1/people/{{person_id}}/{part}" for part in ("grants", "consents", "export", "audit"))
    if (method, path) in ERASES or path.startswith(own_affairs):
        return role == PARTICIPANT
    return role != AGENT


def filled(path: str, ids: dict[str, str]) -> str:
    for name, identifier in ids.items():
        path = path.replace(f"{{{name}}}", identifier)
    while "{" in path:  # an identifier of something that nobody has
        path = f"{path[: path.index('{')]}none{path[path.index('}') + 1 :]}"
    return path


async def test_nobody_comes_in_without_a_token(house: House) -> None:
    routes = [(method, path) for method, path in house.routes() if path not in OPEN]
    assert len(routes) > 30
    for method, path in routes:
        answer = await house.callers[NOBODY].request(method, filled(path, house.own))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        answer = await house.callers[NOBODY].request(
            method, filled(path, house.own), headers={"Authorization": "Bearer becalm-device-made-up"}
        )
        assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("role", [PARTICIPANT, STRANGER, FRIEND, OPERATOR, AGENT])
async def test_every_route_for_every_role(house: House, role: str) -> None:
    """Another person's identifier is a 404 everywhere; what the role does not cover is a 403; the rest gets through."""
    caller, n_asked = house.callers[role], 0
    for method, path in house.routes():
        if path in OPEN or path in {"/v1/access/devices/{device_id}", "/v1/access/logins/{login_id}"}:
            continue
        for whose, ids in (("own", house.own), ("other", house.other)):
            has_subject = any(f"{{{name}}}" in path for name in SUBJECTS)
            if (method, path) in ERASES and allowed(role, method, path) and (whose == "own" or role == OPERATOR):
                continue  # it would leave nobody to ask about
            seen = role in SEES_OWN if whose == "own" else role == OPERATOR
            answer = await caller.request(method, filled(path, ids), json=body_for(method, path, house.document))
            told = answer.json()["type"].rpartition("/")[2] if answer.status_code >= 400 else ""
            where = (role, whose, method, path, answer.status_code, told)
            n_asked += 1
            if has_subject and not seen:
                assert answer.status_code == 404, where
                assert told in {"unknown-session", "unknown-person"}, where
            elif not allowed(role, method, path):
                assert (answer.status_code, told) == (403, "not-allowed"), where
            else:
                assert answer.status_code not in {401, 403}, where
                assert answer.status_code < 500 or told in {"exports-busy"}, where
    assert n_asked > 60


async def test_the_gate_names_no_route_that_is_not_there(house: House) -> None:
    assert {(method.lower(), path) for method, path in ACTIONS} - {("get", "/metrics")} <= set(house.routes())


async def test_another_persons_answer_is_that_of_nothing(house: House) -> None:
    """What is somebody else's and what was never there answer alike, letter by letter."""
    caller = house.callers[PARTICIPANT]
    theirs = await caller.get(f"/v1/sessions/{house.other['session_id']}")
    nothing = await caller.get(f"/v1/sessions/{'c' * 32}")
    assert theirs.text.replace("b" * 32, "") == nothing.text.replace("c" * 32, "")
    assert theirs.headers.keys() == nothing.headers.keys()


async def test_lists_hold_only_what_is_seen(house: House) -> None:
    for role, expected in ((PARTICIPANT, 1), (FRIEND, 1), (STRANGER, 0), (OPERATOR, 2)):
        sessions = (await house.callers[role].get("/v1/sessions")).json()["items"]
        assert len(sessions) == expected, role
        people = {one["person_id"] for one in (await house.callers[role].get("/v1/people")).json()["items"]}
        assert (house.own["person_id"] in people) is (expected > 0), role
        assert (house.other["person_id"] in people) is (role == OPERATOR), role


def body_for(method: str, path: str, document: dict[str, Any]) -> Any:
    """The document's own example of a body, so that not its validation refuses and the database is asked."""
    content = document["paths"][path][method].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return None
    named = next(one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one).rpartition("/")[2]
    example = document["components"]["schemas"][named]["example"]
    return example | {"old_password": example["password"]} if path.endswith("/password") else example

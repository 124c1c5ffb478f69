"""Coming in: pairing once, tokens taken back, agents kept apart, passwords, refresh tokens, tickets, pace."""

import asyncio
import base64
import json
import logging
import secrets
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from limits import RateLimitItemPerSecond

from becalm_protocol.errors import CloseCode
from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import AgentHello, AgentStatus, ClientHello, Ping, Pong, Problem, StartSession
from becalm_protocol.sensor_state import SensorState
from becalm_server.access import logins, pace, tickets
from becalm_server.access import passwords as passwords_of_server
from becalm_server.access.caller import Caller, Role
from becalm_server.access.first_start import ensure_operator_token, ensure_owner
from becalm_server.access.identities import Identities
from becalm_server.access.passwords import Passwords
from becalm_server.access.signing import Signer
from becalm_server.archive.access_store import open_owners_store
from becalm_server.refusals import TooManyTriesError
from becalm_server.settings import Profile

PASSWORD = "seven calm words in a row"


async def invited(http: httpx.AsyncClient, **wish: str) -> dict[str, Any]:
    made: dict[str, Any] = (await http.post("/v1/access/invitations", json=wish)).json()
    return made


async def paired(server: Any, http: httpx.AsyncClient, **wish: str) -> dict[str, Any]:
    code = (await invited(http, **wish))["code"]
    async with server.stranger() as fresh:
        told: dict[str, Any] = (await fresh.post("/v1/access/pair", json={"code": code, "label": "a phone"})).json()
    return told


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_link_pairs_once(server: Any, http: httpx.AsyncClient) -> None:
    made = await invited(http, role="participant")
    assert made["link"] == f"{server.url}/pair#{made['code']}"
    async with server.stranger() as fresh:
        first = await fresh.post("/v1/access/pair", json={"code": made["code"], "label": "phone"})
        assert first.status_code == 201
        again = await fresh.post("/v1/access/pair", json={"code": made["code"]})
        assert (again.status_code, again.json()["type"]) == (401, "/problems/who")
        me = await fresh.get("/v1/access/me", headers=bearer(first.json()["token"]))
    assert me.json()["role"] == "participant"
    assert me.json()["person_id"] == first.json()["person_id"]


async def test_a_link_names_where_others_reach_the_server(start_server: Any, database_url: str) -> None:
    """Whatever address the operator's own program asked under."""
    async with start_server(database_url, public_url="https://calm.example.org") as server, server.http() as http:
        made = await invited(http, role="participant")
    assert made["link"] == f"https://calm.example.org/pair#{made['code']}"


async def test_the_key_on_this_machine_is_its_owners_alone_and_stays(
    start_server: Any, database_url: str, fetch: Any
) -> None:
    async with start_server(database_url) as server:
        path = server.settings.data_dir / "operator_token"
        token = server.token
        assert path.stat().st_mode & 0o777 == 0o600
    async with start_server(database_url) as server:
        assert server.token == token
    stored = await fetch(database_url, b"select token_sha256 from access_device")
    assert token.encode() not in bytes(stored[0]["token_sha256"])


async def test_a_key_that_others_could_read_opens_nothing_any_more(start_server: Any, database_url: str) -> None:
    async with start_server(database_url) as server:
        exposed = server.token
        (server.settings.data_dir / "operator_token").chmod(0o644)
    async with start_server(database_url) as server:
        for token, status in ((exposed, 401), (server.token, 200)):
            async with server.http(token) as http:
                assert (await http.get("/v1/access/me")).status_code == status


async def test_an_owner_with_a_password_is_offered_no_link(start_server: Any, database_url: str) -> None:
    links: list[str] = []
    given = {"profile": Profile.CLINIC, "on_invitation": links.append}
    async with start_server(database_url, **given) as server, server.stranger() as http:
        code = links[0].partition("#")[2]
        device = (await http.post("/v1/access/pair", json={"code": code})).json()
        http.headers.update(bearer(device["token"]))
        await http.post("/v1/access/me/password", json={"login": "owner", "password": PASSWORD})
        assert (await http.delete(f"/v1/access/devices/{device['device_id']}")).status_code == 200
    async with start_server(database_url, **given):
        assert len(links) == 1


async def test_a_login_name_is_given_once_also_at_the_same_moment(server: Any, http: httpx.AsyncClient) -> None:
    tokens = [(await paired(server, http, role="participant"))["token"] for _ in range(3)]
    wish = {"login": "ann", "password": PASSWORD}
    answers = await asyncio.gather(
        *(http.post("/v1/access/me/password", json=wish, headers=bearer(token)) for token in tokens)
    )
    assert sorted(one.status_code for one in answers) == [204, 409, 409]


async def test_what_changes_while_it_is_asked_for_is_not_remembered(database_url: str, tmp_path: Path) -> None:
    async with open_owners_store(database_url) as store:
        owner = await ensure_owner(store)
        token = await ensure_operator_token(store, owner=owner, data_dir=tmp_path)
        identities = Identities(store, signer=Signer(tmp_path))
        whole = identities.caller

        async def revoked_meanwhile(row: Any) -> Caller:
            caller = await whole(row)
            await store.rows("revoke_device", device_id=row["device_id"], account_id=None)
            identities.forget()
            return caller

        identities.caller = revoked_meanwhile  # type: ignore[method-assign]
        await identities.of_token(token)
        assert await identities.of_token(token) is None


async def test_a_revoked_token_closes_its_sockets_and_opens_nothing(server: Any, http: httpx.AsyncClient) -> None:
    told = await paired(server, http, role="participant")
    headers = bearer(told["token"])
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.hello()
        listed = (await http.get("/v1/access/devices")).json()["items"]
        assert next(one["label"] for one in listed if one["device_id"] == told["device_id"]) == "a phone"
        revoked = await http.delete(f"/v1/access/devices/{told['device_id']}")
        assert revoked.json()["revoked_at"] is not None
        assert await client.closed() == CloseCode.AUTH
    async with server.http(told["token"]) as mine:
        assert (await mine.get("/v1/sessions")).status_code == 401
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.send(ClientHello(versions=(2,), client="test"))
        assert await client.closed() == CloseCode.AUTH
        assert isinstance(client.heard[-1], Problem)
        assert "becalm pair" in client.heard[-1].detail


async def test_a_device_revokes_itself_but_no_other(server: Any, http: httpx.AsyncClient) -> None:
    mine, theirs = [await paired(server, http, role="participant") for _ in range(2)]
    async with server.http(mine["token"]) as me:
        assert (await me.delete(f"/v1/access/devices/{theirs['device_id']}")).status_code == 404
        assert [one["device_id"] for one in (await me.get("/v1/access/devices")).json()["items"]] == [mine["device_id"]]
        assert (await me.delete(f"/v1/access/devices/{mine['device_id']}")).status_code == 200
        assert (await me.get("/v1/access/me")).status_code == 401


async def test_an_agent_is_kept_to_its_token_and_its_person(server: Any, http: httpx.AsyncClient, sensors: Any) -> None:
    person = await paired(server, http, role="participant")
    agent_token = (await paired(server, http, role="agent", person_id=person["person_id"]))["token"]
    other_token = (await paired(server, http, role="agent", person_id=person["person_id"]))["token"]
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(agent_token)) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-one")
        opened = await agent.open(sensors.streams)
    for token, agent_id in ((agent_token, "agent-two"), (other_token, "agent-one")):
        async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(token)) as connection:
            rival = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
            await rival.send(AgentHello(versions=(2,), agent_id=agent_id))
            assert await rival.closed() == CloseCode.SCOPE
    async with server.http(person["token"]) as me:
        session = (await me.get(f"/v1/sessions/{opened.session_id}")).json()
    assert session["person_id"] == person["person_id"]
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=bearer(agent_token)) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.send(ClientHello(versions=(2,), client="curious agent"))
        assert await client.closed() == CloseCode.SCOPE


async def test_a_strangers_agent_of_the_same_name_is_another(
    server: Any, http: httpx.AsyncClient, sensors: Any
) -> None:
    stranger = await paired(server, http, role="participant")
    belt = SensorState(device="Belt of the owner", kind=SignalKind.RESPIRATION, state=StreamState.READY)
    rival_socket = server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(stranger["token"]))
    async with server.agent() as agent, rival_socket as connection, server.http(stranger["token"]) as curious:
        await agent.hello("agent-one")
        await agent.send(AgentStatus(sensors=(belt,)))
        rival = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await rival.hello("agent-one")
        theirs = (await curious.post("/v1/sessions", json={"agent_id": "agent-one"})).json()
        started = (await http.post("/v1/sessions", json={"agent_id": "agent-one"})).json()
        assert (await rival.wait(StartSession)).session_id == theirs["session_id"]
        assert (await agent.wait(StartSession)).session_id == started["session_id"]
        await agent.open(sensors.streams, session_id=started["session_id"])
        assert (await curious.get("/v1/devices")).json()["items"] == []
        await rival.send(Ping(sent_ns=1))
        assert (await rival.wait(lambda m: isinstance(m, Pong) and m.sent_ns == 1)).clock_ns is None
        assert [one["name"] for one in (await http.get("/v1/devices")).json()["items"]] == ["Belt of the owner"]
    async with server.agent() as agent:  # the name is still the owner's
        await agent.hello("agent-one")


async def test_a_person_sees_only_their_own_session_live(server: Any, http: httpx.AsyncClient, sensors: Any) -> None:
    person, stranger = [await paired(server, http, role="participant") for _ in range(2)]
    agent_token = (await paired(server, http, role="agent", person_id=person["person_id"]))["token"]
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(agent_token)) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-person")
        opened = await agent.open(sensors.streams)
        for token, sees in ((person["token"], True), (stranger["token"], False), (server.token, True)):
            async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=bearer(token)) as live:
                welcome = await server.client_peer(live, SUBPROTOCOL_2_JSON).hello()
                assert (welcome.session is not None) is sees
                assert welcome.agent_connected is sees
            async with server.http(token) as caller:
                assert (await caller.get("/v1/health")).json()["agent_connected"] is sees
                assert (await caller.get("/v1/sessions/current")).status_code == (200 if sees else 404)
                stopped = await caller.post(f"/v1/sessions/{'f' * 32}/stop")
                assert stopped.status_code == 404
        async with server.http(stranger["token"]) as caller:
            assert (await caller.post("/v1/sessions")).status_code == 409
            assert (await caller.post(f"/v1/sessions/{opened.session_id}/stop")).status_code == 404


@pytest.fixture
async def ann(server: Any, http: httpx.AsyncClient) -> dict[str, Any]:
    """A participant with a password."""
    told = await paired(server, http, role="participant")
    async with server.http(told["token"]) as me:
        answer = await me.post("/v1/access/me/password", json={"login": "ann", "password": PASSWORD})
        assert answer.status_code == 204
    return told


async def logged_in(server: Any, password: str = PASSWORD, login: str = "ann") -> httpx.Response:
    async with server.stranger() as browser:
        answer: httpx.Response = await browser.post("/v1/access/login", json={"login": login, "password": password})
    return answer


async def test_a_password_opens_for_some_minutes(server: Any, ann: dict[str, Any]) -> None:
    told = (await logged_in(server)).json()
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert claims["exp"] - time.time() <= 15 * 60
    async with server.http(told["access_token"]) as me:
        assert (await me.get("/v1/access/me")).json()["person_id"] == ann["person_id"]
        assert (await me.post("/v1/access/me/logout")).status_code == 204
        assert (await me.get("/v1/access/me")).status_code == 401
    async with server.stranger() as browser:
        refreshed = await browser.post("/v1/access/refresh", json={"refresh_token": told["refresh_token"]})
    assert refreshed.status_code == 401


async def test_who_logged_in_is_not_told_to_pair(server: Any, ann: dict[str, Any]) -> None:
    async with server.stranger() as browser:
        for token, word in (("eyJhbGciOiJFZERTQSIs.x.y", "Refresh the login"), ("becalm-device-x", "Pair this device")):
            answer = await browser.get("/v1/access/me", headers=bearer(token))
            assert (answer.status_code, word in answer.json()["detail"]) == (401, True)


async def test_forged_tokens_open_nothing(server: Any, ann: dict[str, Any]) -> None:
    told = (await logged_in(server)).json()["access_token"]
    claims = jwt.decode(told, options={"verify_signature": False})
    head, body, signature = told.split(".")
    none_head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    key = load_pem_private_key((server.settings.data_dir / "signing_key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    own_key = [
        jwt.api_jws.encode(json.dumps(claims | change).encode(), key, algorithm="EdDSA")
        for change in (
            {"iss": ["becalm-server"]}, {"iss": "other"}, {"aud": "other"}, {"aud": ["becalm-api", "other"]},
            {"exp": claims["iat"] - 60}, {"exp": None}, {"sid": 7}, {"sid": "0" * 32},
        )
    ]  # fmt: skip
    assert jwt.decode(told, key.public_key(), algorithms=["EdDSA"], audience="becalm-api") == claims
    forged = [
        f"{none_head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        jwt.encode(claims, "a" * 32, algorithm="HS256"),
        told + ".x",
        *own_key,
    ]
    async with server.stranger() as browser:
        for token in forged:
            answer = await browser.get("/v1/access/me", headers=bearer(token))
            assert answer.status_code == 401, token


async def test_wrong_passwords_are_slowed_down_and_the_right_one_waits_too(server: Any, ann: dict[str, Any]) -> None:
    statuses = [(await logged_in(server, f"{n} wrong words in a row")).status_code for n in range(100)]
    assert statuses[: pace.FAILURES_OF_ONE.amount] == [401] * pace.FAILURES_OF_ONE.amount
    assert set(statuses[pace.FAILURES_OF_ONE.amount :]) == {429}
    assert (await logged_in(server)).status_code == 429


async def test_somebody_unknown_is_checked_like_somebody_known(
    server: Any, ann: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = await logged_in(server, "wrong words"), await logged_in(server, "wrong words", "nobody")
    assert (known.status_code, known.json()["detail"]) == (unknown.status_code, unknown.json()["detail"])
    passwords, hashes = Passwords(), []
    real = passwords._hasher.verify
    monkeypatch.setattr(passwords._hasher, "verify", lambda *words: hashes.append(words[1]) or real(*words))  # type: ignore[func-returns-value]
    assert await passwords.check("wrong words", None) == (False, None)
    stored = await passwords.hashed(PASSWORD)
    assert [one.split("$")[:4] for one in hashes] == [stored.split("$")[:4]]  # a whole check, with the same parameters


async def test_a_refresh_token_works_once_and_its_return_ends_the_login(
    server: Any, ann: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await logged_in(server)).json()
    async with server.stranger() as browser:

        async def refresh(token: str) -> httpx.Response:
            answer: httpx.Response = await browser.post("/v1/access/refresh", json={"refresh_token": token})
            return answer

        second = await refresh(first["refresh_token"])
        assert second.status_code == 200
        assert (await refresh(first["refresh_token"])).status_code == 200  # the answer got lost: asked for again
        monkeypatch.setattr(logins, "GRACE_S", -1)
        assert (await refresh(first["refresh_token"])).status_code == 401
        assert (await refresh(second.json()["refresh_token"])).status_code == 401
        asked = await browser.get("/v1/access/me", headers=bearer(second.json()["access_token"]))
    assert asked.status_code == 401


async def test_a_refresh_token_that_comes_again_after_its_successor_was_used_ends_the_login(
    server: Any, ann: dict[str, Any]
) -> None:
    first = (await logged_in(server)).json()
    async with server.stranger() as browser:

        async def refresh(token: str) -> httpx.Response:
            answer: httpx.Response = await browser.post("/v1/access/refresh", json={"refresh_token": token})
            return answer

        second = (await refresh(first["refresh_token"])).json()
        third = (await refresh(second["refresh_token"])).json()
        headers = bearer(third["access_token"])
        async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
            client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
            await client.hello()
            assert (await refresh(first["refresh_token"])).status_code == 401  # within the grace, and yet
            assert await client.closed() == CloseCode.AUTH
        assert (await refresh(third["refresh_token"])).status_code == 401
        again = (await logged_in(server)).json()
        lost = (await refresh(again["refresh_token"])).json()
        asked_again = (await refresh(again["refresh_token"])).json()
        assert (await refresh(lost["refresh_token"])).status_code == 401  # two hold the login: it is over for both
        assert (await refresh(asked_again["refresh_token"])).status_code == 401


async def test_tokens_that_are_over_are_forgotten(server: Any, ann: dict[str, Any], fetch: Any) -> None:
    await logged_in(server)
    await fetch(server.settings.database_url, b"update refresh_token set expires_at = now() returning 1")
    await logged_in(server)
    for table in (b"refresh_token", b"login_family"):
        assert len(await fetch(server.settings.database_url, b"select from " + table)) == 1


async def test_the_log_never_quotes_what_was_typed_as_a_name(
    server: Any, http: httpx.AsyncClient, ann: dict[str, Any]
) -> None:
    assert (await logged_in(server, login="my own secret words")).status_code == 401
    assert (await logged_in(server, password="not this one at all")).status_code == 401
    log = (await http.get("/v1/audit?limit=1000")).json()["items"]
    refused = [one["subject"] for one in log if (one["action"], one["outcome"]) == ("login", "refused")]
    assert "an unknown login name" in refused
    assert any(subject.startswith("account ") for subject in refused)
    assert "secret" not in str(log)


@pytest.mark.parametrize(("trusted", "believed"), [(None, False), ("192.0.2.1", False), ("127.0.0.1", True)])
async def test_whom_a_proxy_names_is_believed_from_its_address_alone(
    start_server: Any, database_url: str, trusted: str | None, believed: bool
) -> None:
    """Each try is from another address by the header's last word; what stands before, a caller may have written."""
    async with start_server(database_url, trust_proxy=trusted) as server, server.stranger() as browser:
        statuses = []
        for n in range(7):
            header = {"X-Forwarded-For": f"198.51.100.7, 203.0.113.{n}", "X-Forwarded-Proto": "https"}
            wish = {"login": "nobody", "password": "a wrong one"}
            statuses.append((await browser.post("/v1/access/login", json=wish, headers=header)).status_code)
    assert statuses == [401] * (7 if believed else 5) + [429] * (0 if believed else 2)


async def test_many_tries_at_once_are_no_way_past_the_limit(server: Any, ann: dict[str, Any]) -> None:
    async with server.stranger() as browser:
        wish = {"login": "ann", "password": "not this one at all"}
        tries = [browser.post("/v1/access/login", json=wish) for _ in range(12)]
        answers = await asyncio.gather(*tries)
    assert sorted(one.status_code for one in answers) == [401] * 5 + [429] * 7
    assert {one.headers.get("retry-after") for one in answers if one.status_code == 429} == {"10"}


async def test_a_header_does_not_change_where_somebody_is(server: Any, ann: dict[str, Any]) -> None:
    wish = {"login": "nobody", "password": "not this one at all"}
    async with server.stranger() as browser:
        codes = [
            (await browser.post("/v1/access/login", json=wish, headers={"X-Forwarded-For": f"10.0.0.{n}"})).status_code
            for n in range(6)
        ]
    assert codes == [401] * 5 + [429]


def test_one_name_is_guessed_slowly_from_many_addresses_and_what_is_right_does_not_count() -> None:
    limits = pace.Pace()

    def tried(address: str, *, is_wrong: bool) -> bool:
        try:
            with limits.trial("ann", address=address, everywhere=True) as trial:
                trial.is_wrong = is_wrong
        except TooManyTriesError:
            return False
        return True

    assert all(tried("here", is_wrong=False) for _ in range(50))
    assert sum(tried(f"there {n}", is_wrong=True) for n in range(50)) == 20
    assert not tried("here", is_wrong=False)


async def test_a_wrong_refresh_token_locks_nobody_else_out(server: Any, ann: dict[str, Any]) -> None:
    good = (await logged_in(server)).json()["refresh_token"]
    async with server.stranger() as browser:
        for n in range(40):
            wrong = await browser.post("/v1/access/refresh", json={"refresh_token": f"becalm-refresh-{n}"})
            assert wrong.status_code == 401
        assert (await browser.post("/v1/access/refresh", json={"refresh_token": good})).status_code == 200


async def test_those_who_wait_for_a_check_of_a_password_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_of_server, "MAX_INSIDE", 3)
    passwords = Passwords()
    checks = await asyncio.gather(*(passwords.hashed(PASSWORD) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in checks] == [str] * 3 + [TooManyTriesError] * 2
    assert str(checks[0]).startswith("$argon2id$v=19$m=65536,t=3,p=4$")  # RFC 9106, 4: the second recommended option


async def test_a_new_password_closes_what_the_old_one_opened(server: Any, ann: dict[str, Any]) -> None:
    headers = bearer((await logged_in(server)).json()["access_token"])
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.hello()
        async with server.http(ann["token"]) as me:
            wish = {"login": "ann", "password": "another line of calm words", "old_password": PASSWORD}
            assert (await me.post("/v1/access/me/password", json=wish)).status_code == 204
        assert await client.closed() == CloseCode.AUTH


async def test_one_login_of_several_is_ended(server: Any, http: httpx.AsyncClient, ann: dict[str, Any]) -> None:
    first, second = [(await logged_in(server)).json() for _ in range(2)]
    async with server.stranger() as browser:
        again = (await browser.post("/v1/access/refresh", json={"refresh_token": first["refresh_token"]})).json()
    headers = bearer(first["access_token"])
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.hello()
        async with server.http(second["access_token"]) as me:
            lost, mine = (await me.get("/v1/access/logins")).json()["items"]
            assert (await me.delete(f"/v1/access/logins/{lost['login_id']}")).status_code == 204
            assert [one["login_id"] for one in (await me.get("/v1/access/logins")).json()["items"]] == [
                mine["login_id"]
            ]
        assert await client.closed() == CloseCode.AUTH
    assert (lost["is_this"], mine["is_this"], mine["login"]) == (False, True, "ann")
    assert lost["seen_at"] > lost["created_at"] == min(lost["created_at"], mine["created_at"])
    async with server.http(first["access_token"]) as me, server.stranger() as browser:
        assert (await me.get("/v1/access/me")).status_code == 401
        refreshed = await browser.post("/v1/access/refresh", json={"refresh_token": again["refresh_token"]})
    assert refreshed.status_code == 401
    assert [one["login_id"] for one in (await http.get("/v1/access/logins")).json()["items"]] == [mine["login_id"]]
    log = (await http.get("/v1/audit", params={"limit": 200})).json()["items"]
    assert f"account {ann['account_id']} login {lost['login_id']}" in [one["subject"] for one in log]


async def test_nobody_sees_or_ends_the_logins_of_others(
    server: Any, http: httpx.AsyncClient, ann: dict[str, Any]
) -> None:
    token = (await logged_in(server)).json()["access_token"]
    await http.post("/v1/access/me/password", json={"login": "owner", "password": PASSWORD})
    await logged_in(server, login="owner")
    (owners,) = [one for one in (await http.get("/v1/access/logins")).json()["items"] if one["login"] == "owner"]
    async with server.http(token) as me:
        assert [one["login"] for one in (await me.get("/v1/access/logins")).json()["items"]] == ["ann"]
        assert (await me.delete(f"/v1/access/logins/{owners['login_id']}")).status_code == 404
    assert len((await http.get("/v1/access/logins")).json()["items"]) == 2


async def test_a_ticket_opens_one_socket(server: Any, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = (await http.post("/v1/access/me/ticket")).json()["ticket"]
    codes = []
    for _ in range(2):
        async with websockets.connect(f"{server.ws_url}/v1/live", compression=None, proxy=None) as connection:
            await connection.send(
                json.dumps({"type": "client_hello", "versions": [1], "client": "page", "token": ticket})
            )
            codes.append(json.loads(await connection.recv())["type"])
    assert codes == ["client_welcome", "problem"]
    told = await paired(server, http, role="participant")
    async with server.http(told["token"]) as me:
        late = (await me.post("/v1/access/me/ticket")).json()["ticket"]
    await http.delete(f"/v1/access/devices/{told['device_id']}")
    async with websockets.connect(f"{server.ws_url}/v1/live", compression=None, proxy=None) as connection:
        await connection.send(json.dumps({"type": "client_hello", "versions": [1], "client": "page", "token": late}))
        assert json.loads(await connection.recv())["type"] == "problem"
    given = tickets.Tickets()
    nobody = Caller(account_id="a", role=Role.PARTICIPANT)
    assert given.take(given.give(nobody)) is nobody
    monkeypatch.setattr(tickets, "LASTS_S", 0)
    assert given.take(given.give(nobody)) is None


async def test_who_asks_too_often_waits(
    server: Any, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pace, "REQUESTS", RateLimitItemPerSecond(3, 10))
    monkeypatch.setattr(pace, "HANDSHAKES", RateLimitItemPerSecond(1, 10))
    statuses = [(await http.get("/readyz")).status_code for _ in range(5)]
    assert statuses[-1] == 429
    answer = await http.get("/readyz")
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("10", "application/problem+json")
    async with server.client() as client:
        await client.hello()
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(f"{server.ws_url}/v1/live", proxy=None)
    assert refusal.value.response.status_code == 429
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_who_speaks_too_often_is_sent_away(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MESSAGES_PER_S", 2)
    async with server.client() as client:
        await client.hello()
        await client.send(*[Ping(sent_ns=n) for n in range(25)])
        assert await client.closed() == CloseCode.RATE


async def test_the_owner_stays_and_others_can_be_sent_away(server: Any, http: httpx.AsyncClient) -> None:
    me = (await http.get("/v1/access/me")).json()
    assert (await http.delete(f"/v1/access/accounts/{me['account_id']}")).status_code == 409
    other = await paired(server, http, role="clinician")
    assert (await http.delete(f"/v1/access/accounts/{other['account_id']}")).json()["disabled_at"] is not None
    async with server.http(other["token"]) as gone:
        assert (await gone.get("/v1/access/me")).status_code == 401


async def test_sessions_of_before_become_the_owners(start_server: Any, database_url: str, fetch: Any) -> None:
    session_id = secrets.token_hex(16)
    await fetch(
        database_url,
        b"insert into session (session_id, source, baseline_s) values (%s, 'live', 60) returning session_id",
        session_id,
    )
    async with start_server(database_url) as server, server.http() as http:
        me = (await http.get("/v1/access/me")).json()
        assert (await http.get(f"/v1/sessions/{session_id}")).json()["person_id"] == me["person_id"]


async def test_a_clinic_asks_for_a_password_and_knows_only_its_names(start_server: Any, database_url: str) -> None:
    links: list[str] = []
    given = {"profile": Profile.CLINIC, "allowed_hosts": ("clinic.example",), "on_invitation": links.append}
    async with start_server(database_url, **given) as server, server.stranger() as http:
        assert not (server.settings.data_dir / "operator_token").exists()
        code = links[0].partition("#")[2]
        http.headers.update(bearer((await http.post("/v1/access/pair", json={"code": code})).json()["token"]))
        async with server.connect(
            "/v1/live", SUBPROTOCOL_2_JSON, headers={"Authorization": http.headers["authorization"]}
        ) as connection:
            client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
            await client.send(ClientHello(versions=(2,), client="no password yet"))
            assert await client.closed() == CloseCode.SCOPE
        refused = await http.get("/v1/sessions")
        assert (refused.status_code, "password" in refused.json()["detail"]) == (403, True)
        chosen = await http.post("/v1/access/me/password", json={"login": "owner", "password": PASSWORD})
        assert chosen.status_code == 204
        assert (await http.get("/v1/sessions")).status_code == 200
        seen = (await http.get("/v1/audit")).json()["items"]
        assert any(one["subject"] == "profile clinic" for one in seen)
        assert any(one["subject"] == "GET /v1/sessions" and one["outcome"] == "allowed" for one in seen)
        for host, status in (("clinic.example", 200), ("10.1.2.3", 403), ("other.example", 403)):
            assert (await http.get("/readyz", headers={"host": host})).status_code == status, host

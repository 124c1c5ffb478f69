"""Passwords and the tokens that they open: short, signed, refreshed once, replaced and listed; tickets."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.server.access.conftest import PASSWORD, bearer, logged_in, paired

from becalm_protocol.errors import CloseCode
from becalm_protocol.forms import SUBPROTOCOL_2_JSON
from becalm_protocol.handshake import ClientHello
from becalm_server.access import logins, tickets
from becalm_server.access.caller import Caller, Role
from becalm_server.settings import Profile


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


async def refresh(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    return await browser.post("/v1/access/refresh", json={"refresh_token": token})


async def test_a_refresh_token_works_once_and_its_return_ends_the_login(
    server: Any, ann: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await logged_in(server)).json()
    async with server.stranger() as browser:
        second = await refresh(browser, first["refresh_token"])
        assert second.status_code == 200
        # The answer got lost: asked for again.
        assert (await refresh(browser, first["refresh_token"])).status_code == 200
        monkeypatch.setattr(logins, "GRACE_S", -1)
        assert (await refresh(browser, first["refresh_token"])).status_code == 401
        assert (await refresh(browser, second.json()["refresh_token"])).status_code == 401
        asked = await browser.get("/v1/access/me", headers=bearer(second.json()["access_token"]))
    assert asked.status_code == 401


async def test_a_refresh_token_that_comes_again_after_its_successor_was_used_ends_the_login(
    server: Any, ann: dict[str, Any]
) -> None:
    first = (await logged_in(server)).json()
    async with server.stranger() as browser:
        second = (await refresh(browser, first["refresh_token"])).json()
        third = (await refresh(browser, second["refresh_token"])).json()
        headers = bearer(third["access_token"])
        async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
            client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
            await client.hello()
            assert (await refresh(browser, first["refresh_token"])).status_code == 401  # within the grace, and yet
            assert await client.closed() == CloseCode.AUTH
        assert (await refresh(browser, third["refresh_token"])).status_code == 401
        again = (await logged_in(server)).json()
        lost = (await refresh(browser, again["refresh_token"])).json()
        asked_again = (await refresh(browser, again["refresh_token"])).json()
        # Two hold the login: it is over for both.
        assert (await refresh(browser, lost["refresh_token"])).status_code == 401
        assert (await refresh(browser, asked_again["refresh_token"])).status_code == 401


async def test_tokens_that_are_over_are_forgotten(server: Any, ann: dict[str, Any], fetch: Any) -> None:
    await logged_in(server)
    await fetch(server.settings.database_url, b"update refresh_token set expires_at = now() returning 1")
    await logged_in(server)
    for table in (b"refresh_token", b"login_family"):
        assert len(await fetch(server.settings.database_url, b"select from " + table)) == 1


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

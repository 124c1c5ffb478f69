"""Who guesses, or asks and speaks too often, waits, wherever they say they are; nobody else does."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
import websockets
from limits import RateLimitItemPerSecond
from tests.server.access.conftest import PASSWORD, logged_in

from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import Ping
from becalm_server.access import pace
from becalm_server.access import passwords as passwords_of_server
from becalm_server.access.passwords import Passwords
from becalm_server.refusals import TooManyTriesError


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

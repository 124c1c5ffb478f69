"""People who come in: paired by a link, logged in by a password."""

from typing import Any

import httpx
import pytest

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

"""What nobody should send, to every route that takes it: refused as a problem, shown harmlessly, nothing changed."""

import json
import re
from typing import Any

import httpx

PROBLEM = "application/problem+json"
IDENTIFIERS = (
    "%00", "a%00b", "..%2f..%2fetc%2fpasswd", "..%5c..%5cboot.ini", "%2e%2e", "'%3B%20drop%20table%20session%3B%20--",
    "%22%20or%20%22%22%3D%22", "%25%73%28x%29s", "%E2%80%AEgnp", "%E2%80%8B", "%ED%A0%80", "%FF%FE", "%0d%0aX-Odd:%201",
    "%3Cscript%3E", "a" * 65, "a" * 20_000, "%F0%9F%8D%83", "{{7*7}}", "-1", "9" * 400,
)  # fmt: skip
TEXTS = (
    "\0", "a\0b", "\u202egnp.exe", "a\u200bb", "\ufeff", "\ud800", "\x1b[2J", "\r\nX-Odd: 1", "x" * 40_000,
    "'; drop table session; --", "%(session_id)s",
    "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "${jndi:ldap://x}", "../../etc/passwd",
)  # fmt: skip
BODIES = (
    b"\xff\xfe", b'{"label": "\xff"}', b"{", b"[" * 60_000, b'{"label": ' + b"9" * 5_000 + b"}", b"NaN", b'"text"',
    b'{"label": "a", "label": 5}', b'{"label": Infinity}', b"\x1f\x8b\x08\x00", b"",
)  # fmt: skip
JSON = {"content-type": "application/json"}


async def known_session(server: Any, sensors: Any) -> str:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.close_session(opened.session_id, sensors.last)
        return str(opened.session_id)


def assert_harmless(answer: httpx.Response, what: object) -> None:
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text[:200])
    assert answer.headers["content-type"] == PROBLEM, what
    assert "x-odd" not in answer.headers, what
    body = answer.json()
    assert body["detail"].isprintable(), what
    assert len(answer.content) < 6_000, what


async def test_odd_identifiers_find_nothing(server: Any, sensors: Any) -> None:
    session_id = await known_session(server, sensors)
    async with server.http() as http:
        document = (await http.get("/openapi.json")).json()
        paths = [path for path, methods in document["paths"].items() if "{" in path and "get" in methods]
        assert len(paths) > 15
        for path in paths:
            # The last identifier is the odd one: where there are two, the session is a real one.
            fixed = path.replace("{session_id}", session_id) if path.count("{") > 1 else path
            before, _, after = fixed.rpartition("{")
            for odd in IDENTIFIERS:
                url = f"{before}{odd}{after.partition('}')[2]}"
                answer = await http.get(f"{url}?format=edf" if url.endswith("/export") else url)
                assert_harmless(answer, url)
        assert (await http.get(f"/v1/sessions/{session_id}")).status_code == 200


async def test_odd_texts_are_refused_or_kept_as_they_are(server: Any, sensors: Any) -> None:
    session_id = await known_session(server, sensors)
    places = (
        ("/v1/sessions", "agent_id"),
        (f"/v1/sessions/{session_id}/markers", "label"),
        (f"/v1/sessions/{session_id}/notes", "text"),
    )
    async with server.http() as http:
        for text in TEXTS:
            for path, field in places:
                answer = await http.post(path, content=json.dumps({field: text}), headers=JSON)
                if answer.status_code == 201:
                    assert answer.json()[field] == text
                else:
                    assert_harmless(answer, (path, text))
                assert_harmless(await http.post(path, content=json.dumps({text: 1}), headers=JSON), (path, text))
            for name in ("before", "since", "source", "ended", "cursor", "limit"):
                query = {name: text.encode("utf-8", "replace")}
                assert_harmless(await http.get("/v1/sessions", params=query), query)
        assert (await http.get(f"/v1/sessions/{session_id}")).status_code == 200


async def test_odd_bodies_are_refused(server: Any, sensors: Any) -> None:
    path = f"/v1/sessions/{await known_session(server, sensors)}/markers"
    async with server.http() as http:
        for body in BODIES:
            for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
                answer = await http.post(path, content=body, headers={"content-type": kind, "content-encoding": "gzip"})
                assert_harmless(answer, (body[:20], kind))
        assert (await http.get(path)).json() == {"items": []}


async def test_every_odd_method_is_refused(server: Any) -> None:
    async with server.http() as http:
        for method in ("PUT", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "HEAD"):
            answer = await http.request(method, "/v1/sessions")
            assert answer.status_code == 405, method
            assert answer.headers["allow"] == "GET, POST"


async def test_a_zero_character_names_nothing_anywhere(server: Any, http: Any) -> None:
    """Every route with an identifier, as the OpenAPI document lists them: not found, and nothing that fails."""
    document = (await http.get("/openapi.json")).json()
    n_asked = 0
    for path, methods in document["paths"].items():
        if "{" not in path:
            continue
        address = re.sub(r"\{[a-z_]+\}", "a%00b", path)
        for method in methods:
            answer = await http.request(method, address, json={} if method in {"post", "patch", "put"} else None)
            assert answer.status_code in {404, 422}, (method, path, answer.status_code, answer.text)
            n_asked += 1
    assert n_asked > 30
    assert (await http.get("/v1/sessions?person_id=a%00b")).status_code in {200, 404, 422}

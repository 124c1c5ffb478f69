import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.server.peers import LIMIT_S

PROBLEM = "application/problem+json"
NS = 1_000_000_000


async def finished_session(server: Any, sensors: Any, n_seconds: int = 6) -> str:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(n_seconds):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
        return str(opened.session_id)


def assert_problem(response: httpx.Response, status: int, words: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert set(body) - {"errors", "retry_after_s"} == {"type", "title", "status", "detail"}
    assert body["type"].startswith("/problems/")
    assert response.headers["cache-control"] == "no-store"
    assert body["status"] == status
    assert words in body["detail"]


async def test_health_tells_how_the_server_is(http: httpx.AsyncClient) -> None:
    body = (await http.get("/v1/health")).json()
    assert (body["status"], body["trouble"], body["agent_connected"]) == ("ok", None, False)
    assert body["timescale"].startswith("absent")
    assert body["commit_ms"] == {"p50": None, "p99": None}


async def test_health_names_no_session_of_somebody_else(server: Any, http: httpx.AsyncClient) -> None:
    invitation = (await http.post("/v1/access/invitations", json={"role": "participant"})).json()
    async with server.stranger() as fresh:
        token = (await fresh.post("/v1/access/pair", json={"code": invitation["code"]})).json()["token"]
    async with server.agent() as agent, server.http(token) as participant:
        await agent.hello()
        started = (await http.post("/v1/sessions")).json()
        assert (await http.get("/v1/health")).json()["session_id"] == started["session_id"]
        assert (await participant.get("/v1/health")).json()["session_id"] is None


async def test_start_needs_an_agent(http: httpx.AsyncClient) -> None:
    assert_problem(await http.post("/v1/sessions"), 409, "becalm agent")
    assert_problem(await http.get("/v1/sessions/current"), 404, "No session")


async def test_one_session_at_a_time_and_stop_without_its_sensors(server: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as agent:
        await agent.hello()
        started = (await http.post("/v1/sessions", json={"exhale_s": 7})).json()
        assert (started["phase"], started["exhale_s"], started["inhale_s"]) == ("waiting", 7.0, 4.0)
        assert_problem(await http.post("/v1/sessions"), 409, "running")
    stopped = (await http.post(f"/v1/sessions/{started['session_id']}/stop")).json()
    assert stopped["phase"] == "ended"
    again = (await http.post(f"/v1/sessions/{started['session_id']}/stop")).json()
    assert again["ended_at"] == stopped["ended_at"] is not None


@pytest.mark.parametrize(
    "body",
    ['{"baseline_s": 4}', '{"baseline_s": "soon"}', '{"inhale_s": 1e999}', '{"exhale_s": 0}', '{"mood": 1}', "[]", "{"],
)
async def test_odd_wishes_are_refused_in_words(http: httpx.AsyncClient, body: str) -> None:
    response = await http.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
    assert_problem(response, 422, "body")


async def test_the_source_of_breath_is_chosen_while_a_session_runs(server: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as agent:
        await agent.hello()
        started = (await http.post("/v1/sessions")).json()
        path = f"/v1/sessions/{started['session_id']}"
        changed = await http.patch(path, json={"breath_source": "ecg"})
        assert (changed.status_code, changed.json()["session_id"]) == (200, started["session_id"])
        assert (await http.patch(path, json={"breath_source": None})).status_code == 200
        assert (await http.patch(path, json={"breath_source": "rr"})).status_code == 422
    await http.post(f"{path}/stop")
    assert_problem(await http.patch(path, json={"breath_source": "ecg"}), 404, "not under way")


async def test_unknown_session_is_a_404(http: httpx.AsyncClient) -> None:
    for session_id in ("none", "a" * 64, "%00", "'; drop table beat; --", "%F0%9F%8D%83", "..%2f"):
        path = f"/v1/sessions/{session_id}"
        for part in ("", "/beats", "/counts", "/report", "/metrics", "/breaths", "/responses", "/windows"):
            assert (await http.get(path + part)).status_code == 404, path + part
        assert (await http.post(f"{path}/stop")).status_code == 404, path


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=10001", "limit=x", "since_ns=1e3", f"since_ns={10**30}", "limit=", "since_ns=nan"]
)
async def test_odd_pages_are_refused_in_words(http: httpx.AsyncClient, query: str) -> None:
    assert_problem(await http.get(f"/v1/sessions/none/beats?{query}"), 422, "query")


async def test_unknown_path_and_method_are_problems_too(http: httpx.AsyncClient) -> None:
    assert_problem(await http.get("/v2/sessions"), 404, "There is no such path")
    assert_problem(await http.delete("/v1/sessions"), 405, "Allow has them")


async def test_refusals_are_for_programs_too(http: httpx.AsyncClient) -> None:
    refused = (await http.post("/v1/sessions")).json()
    assert (refused["type"], refused["title"]) == ("/problems/no-agent", "No agent")
    wrong = (await http.post("/v1/sessions", json={"baseline_s": "60", "mood": 1})).json()
    assert wrong["type"] == "/problems/invalid-request"
    assert [one["field"] for one in wrong["errors"]] == ["body.baseline_s", "body.mood"]
    page = await http.get(refused["type"])
    assert "No agent" in page.text
    assert (await http.get("/problems/none")).status_code == 404


@pytest.mark.parametrize(
    "query", ["limt=5", "limit=5&limit=6", "before=yesterday", "cursor=eA==", "cursor=%00", "source=x"]
)
async def test_odd_wishes_of_a_list_are_refused_in_words(http: httpx.AsyncClient, query: str) -> None:
    assert_problem(await http.get(f"/v1/sessions?{query}"), 422, "query")


async def test_a_body_beyond_the_cap_is_refused(http: httpx.AsyncClient) -> None:
    assert_problem(await http.post("/v1/sessions", json={"mood": "x" * 1_000_000}), 413, "65536")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    assert_problem(await http.post("/v1/sessions", content=pieces()), 413, "65536")


async def test_sessions_are_paged_and_filtered(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    told = [await finished_session(server, type(sensors)(), n_seconds=1) for _ in range(5)]
    listed: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await http.get("/v1/sessions", params=query)).json()
        listed += [one["session_id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert listed == told[::-1]
    middle = (await http.get(f"/v1/sessions/{told[2]}")).json()["created_at"]
    for more, expected in (
        ({"before": middle}, told[1::-1]),
        ({"since": middle}, told[:1:-1]),
        ({"ended": "false"}, []),
        ({"source": "replay"}, []),
        ({"source": "live", "ended": "true"}, told[::-1]),
    ):
        items = (await http.get("/v1/sessions", params=more)).json()["items"]
        assert [one["session_id"] for one in items] == expected, more


async def test_phases_of_a_session(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    session_id = await finished_session(server, sensors)
    phases = (await http.get(f"/v1/sessions/{session_id}/phases")).json()["items"]
    assert [(one["phase"], one["t_ns"], one["inhale_s"]) for one in phases] == [
        ("baseline", 0, None), ("practice", 60 * NS, 4.0),
    ]  # fmt: skip


async def test_a_session_is_started_with_a_chosen_agent(server: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as one, server.agent() as other:
        await one.hello("one")
        await other.hello("other")
        assert_problem(await http.post("/v1/sessions", json={"agent_id": "third"}), 409, "third")
        started = (await http.post("/v1/sessions", json={"agent_id": "one"})).json()
        assert started["agent_id"] == "one"


async def test_pages_join_without_a_hole(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    session_id = await finished_session(server, sensors)
    whole = (await http.get(f"/v1/sessions/{session_id}/beats")).json()
    assert whole["next_since_ns"] is None
    assert len(whole["items"]) == 7
    joined: list[dict[str, Any]] = []
    since_ns: int | None = -1
    while since_ns is not None:
        page = (await http.get(f"/v1/sessions/{session_id}/beats?limit=2&since_ns={since_ns}")).json()
        joined += page["items"]
        since_ns = page["next_since_ns"]
    assert joined == whole["items"]


async def test_record_of_a_session(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    session_id = await finished_session(server, sensors)
    session = (await http.get(f"/v1/sessions/{session_id}")).json()
    assert (session["phase"], session["duration_s"]) == ("ended", 6.0)
    metrics = (await http.get(f"/v1/sessions/{session_id}/metrics")).json()["items"]
    assert [row["t_ns"] for row in metrics] == [n * NS for n in range(1, 7)]
    assert metrics[0]["arousal"] is None
    assert metrics[0]["arousal_reason"] == "no_sensor"
    listed = (await http.get("/v1/sessions")).json()["items"]
    assert [one["session_id"] for one in listed] == [session_id]
    assert (await http.get("/v1/sessions", params={"before": listed[0]["created_at"]})).json()["items"] == []


async def test_report_comes_after_the_session(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    session_id = await finished_session(server, sensors)
    async with asyncio.timeout(LIMIT_S):  # made by the slow lane's process, which starts first
        while (response := await http.get(f"/v1/sessions/{session_id}/report")).status_code != 200:
            assert_problem(response, 404, "not ready")
    body = response.json()["body"]
    assert body["n_beats"] == 7
    assert body["odd"] is None


async def test_other_origins_are_refused(http: httpx.AsyncClient) -> None:
    assert_problem(await http.post("/v1/sessions", headers={"origin": "http://evil.example"}), 403, "origin")
    assert_problem(await http.get("/v1/health", headers={"host": "evil.example"}), 403, "host")
    assert (await http.get("/v1/health", headers={"host": "localhost:1"})).status_code == 200


async def test_page_of_the_interface_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    response = await http.get("/docs")
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert "//" not in response.text
    for path in (await http.get("/openapi.json")).json()["paths"]:
        assert path in response.text
    assert (await http.get("/redoc")).status_code == 404

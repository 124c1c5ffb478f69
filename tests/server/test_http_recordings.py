"""What is stored of a session, as HTTP gives it back: streams, gaps, spans of quality, trends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.server.counting_pipeline import SpeakingPipeline
from tests.server.peers import LIMIT_S

from becalm_protocol.events import Gap, GapReason
from becalm_server.bodies.trends import TrendList

NS = 1_000_000_000


@pytest.fixture
async def http(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with server.http() as client:
        yield client


async def recorded(server: Any, sensors: Any, *more: Any) -> str:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(4):
            await agent.send(*sensors.second(n))
        await agent.send(*(sensors.data(event) for event in more))
        await agent.close_session(opened.session_id, sensors.last)
        return str(opened.session_id)


async def test_streams_say_how_counts_become_units(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    session_id = await recorded(server, sensors)
    items = (await http.get(f"/v1/sessions/{session_id}/streams")).json()["items"]
    assert [(one["kind"], one["unit"], one["unit_per_count"], one["sample_rate_hz"]) for one in items] == [
        ("ecg", "uV", 1.0, 130.0), ("rr", "1/1024 s", 1.0, None), ("respiration", "N", 0.01, 10.0),
    ]  # fmt: skip
    assert [one["stream_id"] for one in items] == [info.stream_id for info in sensors.streams]


async def test_gaps_are_those_that_were_told(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    gaps = [
        Gap(stream_id=sensors.ecg.stream_id, received_ns=(5 + n) * NS, start_ns=4 * NS, end_ns=(5 + n) * NS,
            n_missing=130 * (n + 1), reason=GapReason.LINK_LOST)
        for n in range(3)
    ]  # fmt: skip
    session_id = await recorded(server, sensors, *gaps)
    path = f"/v1/sessions/{session_id}/gaps"
    items = (await http.get(path)).json()["items"]
    assert [(one["kind"], one["start_ns"], one["end_ns"], one["n_missing"], one["reason"]) for one in items] == [
        ("ecg", gap.start_ns, gap.end_ns, gap.n_missing, "link_lost") for gap in gaps
    ]
    first = (await http.get(f"{path}?limit=2")).json()
    rest = (await http.get(f"{path}?limit=2&since_ns={first['next_since_ns']}")).json()
    assert first["items"] + rest["items"] == items
    assert rest["next_since_ns"] is None


async def test_quality_is_told_in_spans_without_a_hole(start_server: Any, database_url: str, sensors: Any) -> None:
    async with start_server(database_url, make_pipeline=SpeakingPipeline) as server:
        session_id = await recorded(server, sensors)
        async with server.http() as http:
            items = (await http.get(f"/v1/sessions/{session_id}/quality")).json()["items"]
    assert [(one["kind"], one["start_ns"], one["end_ns"], one["reason"], one["caution"]) for one in items] == [
        ("ecg", 0, NS, "warming_up", None), ("ecg", NS, 3 * NS, None, None), ("ecg", 3 * NS, 4 * NS, None, "powerline"),
        ("ecg", 4 * NS, None, "flat", None), ("respiration", 0, None, None, None),
    ]  # fmt: skip


async def test_trends_come_newest_first(server: Any, sensors: Any, http: httpx.AsyncClient, database_url: str) -> None:
    told = [await recorded(server, type(sensors)()) for _ in range(3)]
    async with asyncio.timeout(LIMIT_S):  # upkeep keeps each session's row soon after its end
        while len(items := (await http.get("/v1/trends?indices=heart_rate_bpm")).json()["items"]) != 3:
            pass
    assert [one["session_id"] for one in items] == told[::-1]
    assert items[0]["indices"]["heart_rate_bpm"]["baseline"]["n"] == 4
    assert (items[0]["n_intervals"], items[0]["accepted_share"], items[0]["duration_s"]) == (5, 1.0, 4.0)
    assert set(items[0]["indices"]) == {"heart_rate_bpm"}
    TrendList.model_validate({"items": items})  # written past the models, and yet as they say
    assert len((await http.get("/v1/trends?limit=2")).json()["items"]) == 2
    assert (await http.get("/v1/trends", params={"since": "2999-01-01T00:00:00Z"})).json() == {"items": []}
    assert (await http.get("/v1/trends?indices=mood")).status_code == 422

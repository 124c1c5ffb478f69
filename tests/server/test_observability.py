"""Log lines and figures tell of the machinery, never of a person."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from tests.server.peers import LIMIT_S

from becalm_protocol.errors import StorageError
from becalm_server.logs import configure_logs
from becalm_server.readiness import reasons_against
from becalm_server.settings import ServerSettings


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a server process would write to its log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(stream=stream, as_json=True)
    yield stream
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def http(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with server.http() as client:
        yield client


async def scripted(server: Any, sensors: Any, http: httpx.AsyncClient) -> set[str]:
    """A session with everything a person may do; returns whatever must not be written about it."""
    async with server.agent() as agent, server.client() as client:
        await agent.hello()
        await client.hello()
        session_id = (await http.post("/v1/sessions")).json()["session_id"]
        await agent.open(sensors.streams, session_id=session_id)
        for n in range(3):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        path = f"/v1/sessions/{session_id}"
        marked = (await http.post(f"{path}/markers", json={"label": "door bell"})).json()
        noted = (await http.post(f"{path}/notes", json={"text": "slept badly"})).json()
        await agent.close_session(session_id, sensors.last)
    for part in ("beats", "metrics", "markers", "notes", "counts", "report", "export?format=csv", "beats?limit=x"):
        await http.get(f"{path}/{part}")
    await http.get(f"/v1/sessions/{session_id}x/beats?since_ns=271828")
    await http.get("/anna/at/home?name=anna")
    await http.request("ANNA", "/v1/sessions")
    streams = {info.stream_id for info in sensors.streams}
    words = {"anna", "door bell", "slept badly", "271828", "Sensor of tests", "agent-of-tests", "-400"}
    return {session_id, marked["marker_id"], noted["note_id"], *streams, *words}


async def test_the_log_of_a_session_names_nobody(
    logged: io.StringIO, server: Any, sensors: Any, http: httpx.AsyncClient
) -> None:
    secrets = await scripted(server, sensors, http)
    written = logged.getvalue()
    own = "\n".join(line for line in written.splitlines() if '"httpx"' not in line)  # the test's own client logs too
    assert {secret for secret in secrets if secret.lower() in own.lower()} == set()
    lines = [json.loads(line) for line in own.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    told = {f"{line['method']} {line['route']} {line['status']}" for line in requests}
    beats = "GET /v1/sessions/{session_id}/beats"
    assert {"POST /v1/sessions 201", f"{beats} 200", f"{beats} 422", "GET unmatched 404"} <= told
    assert "other /v1/sessions 405" in told
    assert len({line["request_id"] for line in requests}) == len(requests)
    assert all(line["took_ms"] >= 0 for line in requests)


async def test_a_request_can_be_found_in_the_log(logged: io.StringIO, http: httpx.AsyncClient) -> None:
    request_id = (await http.get("/v1/sessions")).headers["x-request-id"]
    assert sum(request_id in line for line in logged.getvalue().splitlines()) == 1


def test_on_a_terminal_the_log_is_plain(logged: io.StringIO) -> None:
    stream = io.StringIO()
    configure_logs(stream=stream, as_json=False)
    logging.getLogger("becalm_server.x").warning("the database is away (%s)", "Timeout", extra={"label": "anna"})
    assert "the database is away (Timeout)" in stream.getvalue()
    assert "anna" not in stream.getvalue()


def test_a_library_that_repeats_itself_is_written_once_and_we_every_time(logged: io.StringIO) -> None:
    for _ in range(3):
        logging.getLogger("asyncio").error("socket.accept() out of system resource")
        logging.getLogger("asyncio").error("and something else")
        logging.getLogger("becalm_server.x").warning("the database is away (%s)", "Timeout")
    events = [json.loads(line)["event"] for line in logged.getvalue().splitlines()]
    assert events.count("socket.accept() out of system resource") == 1
    assert events.count("and something else") == 1
    assert events.count("the database is away (Timeout)") == 3


async def test_figures_count_what_happened(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    secrets = await scripted(server, sensors, http)
    page = await http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert {secret for secret in secrets if secret in page.text} == set()
    told = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page.text.splitlines() if line[0] != "#"
    }
    assert told["becalm_ingest_events_total"] == 9
    assert told["becalm_ack_seconds_count"] == 9
    assert told['becalm_ack_seconds_bucket{le="+Inf"}'] == 9
    assert told["becalm_commits_total"] >= 1
    assert (told["becalm_agents"], told["becalm_clients"], told["becalm_writer_in_trouble"]) == (0, 0, 0)
    assert told['becalm_http_requests_total{method="POST",route="/v1/sessions",status="201"}'] == 1
    assert told["process_resident_memory_bytes"] > 1e6


async def test_ready_until_the_database_is_away(http: httpx.AsyncClient, cluster: Any, database_url: str) -> None:
    assert (await http.get("/readyz")).json() == {"status": "ready"}
    name = database_url.partition("@/")[2].partition("?")[0]
    admin_url = database_url.replace(f"@/{name}?", "@/postgres?")
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await admin.execute(f"alter database {name} allow_connections false".encode())
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        answer = await http.get("/readyz")
        await admin.execute(f"alter database {name} allow_connections true".encode())
    body = answer.json()
    assert (answer.status_code, body["type"], answer.headers["retry-after"]) == (503, "/problems/not-ready", "2")
    assert any(reason.startswith("database:") for reason in body["reasons"])
    async with asyncio.timeout(LIMIT_S):  # the pool connects anew in its own time
        while (await http.get("/readyz")).status_code != 200:
            pass


async def test_every_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_server.readiness.MIN_FREE_BYTES", 2**62)

    async def away() -> str:
        raise StorageError("database: away")

    archive = SimpleNamespace(server_version=away, writer=SimpleNamespace(trouble="the disk is full"))
    lanes = SimpleNamespace(trouble="its process ended")
    parts: Any = SimpleNamespace(archive=archive, lanes=lanes, settings=ServerSettings(data_dir=tmp_path))
    told = await reasons_against(parts)
    assert [reason.partition(":")[0] for reason in told] == ["database", "writer", "pipelines", "disk"]
    parts.settings = ServerSettings(data_dir=tmp_path, database_url="elsewhere")  # that disk is its operator's
    assert len(await reasons_against(parts)) == 3

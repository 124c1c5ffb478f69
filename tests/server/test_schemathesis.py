"""Every operation of the OpenAPI document against what schemathesis makes of it: no server error, nothing undocumented.

The server runs in a thread of its own, as schemathesis asks without an event loop; the session that it asks about is
a real one.
"""

import asyncio
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test

load_all_checks()
CHECKED = CHECKS.get_all()
LIMIT_S = 30.0
MAX_TRIES = 3


class Prepared:
    """A server in a thread, with one session in its archive."""

    url: str
    session_id: str
    headers: dict[str, str]


@pytest.fixture
def prepared(start_server: Any, database_url: str, sensors: Any) -> Iterator[Prepared]:
    found, ready, over = Prepared(), threading.Event(), threading.Event()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(start_server(database_url))
            async with server.agent() as agent:
                await agent.hello()
                opened = await agent.open(sensors.streams)
                for n in range(3):
                    await agent.send(*sensors.second(n))
                await agent.close_session(opened.session_id, sensors.last)
            found.headers = server.headers
            found.url, found.session_id = server.url, opened.session_id
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(LIMIT_S)
    yield found
    over.set()
    thread.join(LIMIT_S)


@pytest.fixture
def api(prepared: Prepared) -> Any:
    return schemathesis.openapi.from_dict(httpx.get(f"{prepared.url}/openapi.json").json())


SETTINGS = settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_no_request_surprises_the_server(prepared: Prepared, api: Any) -> None:
    def attempt(case: Any) -> None:
        if "session_id" in (case.path_parameters or {}) and _is_whole(case):
            case.path_parameters["session_id"] = prepared.session_id
        if _is_possible(case):
            case.validate_response(_answer(case, prepared), checks=CHECKED, headers=prepared.headers)

    config = HypothesisTestConfig(project=api.config, modes=list(HypothesisTestMode), settings=SETTINGS)
    surprises = {}
    for found in api.get_all_operations():
        operation = found.ok()
        try:
            create_test(operation=operation, test_func=attempt, config=config)()
        except (AssertionError, BaseExceptionGroup) as exc:
            surprises[operation.label] = "".join(traceback.format_exception(exc))
    assert surprises == {}, "\n".join(surprises.values())


def _answer(case: Any, prepared: Prepared) -> Any:
    """Ask, again where the server says so: a database that a busy machine lets wait is no mistake for that."""
    for _ in range(MAX_TRIES):
        answer = case.call(base_url=prepared.url, headers=prepared.headers, timeout=LIMIT_S)
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or "retry-after" not in answer.headers:
            break
        time.sleep(int(answer.headers["retry-after"][0]))
    return answer


def _is_possible(case: Any) -> bool:
    """Whether this machine has the library that the export needs."""
    return (case.query or {}).get("format") != "parquet" or find_spec("pyarrow") is not None


def _is_whole(case: Any) -> bool:
    """Whether the identifier is not itself what is tried."""
    told = next((one for place, one in case.meta.components.items() if place.name == "PATH"), None)
    return told is None or told.mode.is_positive

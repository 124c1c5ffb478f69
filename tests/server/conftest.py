"""A real PostgreSQL for the whole run, a fresh database and a real server for each test, and people to talk to it."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from tests.server.counting_pipeline import CountingPipeline
from tests.server.peers import LIMIT_S
from tests.server.running_server import RunningServer
from tests.server.sensor_set import SensorSet

from becalm_protocol.events import StreamInfo
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.migrate import migrate
from becalm_server.serve import serve
from becalm_server.settings import ServerSettings
from becalm_signal.neurokit_lane import WindowReport

TIMESCALE_VARIABLE = "BECALM_TEST_TIMESCALE_URL"


@pytest.fixture
def traversable_dir() -> Iterator[Path]:
    """A folder that the database's own account can enter, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="becalm-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="becalm-test-"))
    folder.chmod(0o711)
    database = EmbeddedPostgres(folder / "postgres", durable=False)
    database.start()
    yield database
    database.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(cluster: EmbeddedPostgres) -> str:
    """The becalm database of the cluster, migrated: every test's database is a copy of it."""
    migrate(cluster.url)
    return "becalm"


@pytest.fixture(scope="session")
def template_with_roles(cluster: EmbeddedPostgres, template: str) -> tuple[str, int]:
    """A migrated database, and the oid that a copy of it must have: its roles are named by that, and made once."""
    url = cluster.url.replace("@/becalm?", "@/becalm_first?")
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"create database becalm_first template {template}".encode())
        migrate(url)
        row = admin.execute("select oid from pg_database where datname = 'becalm_first'").fetchone()
        admin.execute("create database becalm_with_roles template becalm_first")
        admin.execute("drop database becalm_first")
    assert row is not None
    return "becalm_with_roles", row[0]


def admin_url_of(cluster: EmbeddedPostgres) -> str:
    return cluster.url.replace("@/becalm?", "@/postgres?")


def drop_database(admin_url: str, name: str) -> None:
    """Drop a database and the roles that becalm made for it."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        roles = admin.execute(
            "select rolname from pg_roles join pg_database on rolname ~ ('^becalm_[a-z]+_' || pg_database.oid || '$')"
            " where datname = %s",
            (name,),
        ).fetchall()
        admin.execute(f"drop database if exists {name} with (force)".encode())
        for (role,) in roles:
            admin.execute(f"drop role {role}".encode())


@pytest.fixture
def database_url(cluster: EmbeddedPostgres, template_with_roles: tuple[str, int]) -> Iterator[str]:
    """A fresh, migrated database, whose roles others had before: no test may change them."""
    name, (template, oid) = f"test_{secrets.token_hex(6)}", template_with_roles
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"create database {name} oid {oid} template {template}".encode())
    yield cluster.url.replace("@/becalm?", f"@/{name}?")
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def own_roles_url(cluster: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A fresh, migrated database with fresh roles."""
    name = f"test_{secrets.token_hex(6)}"
    url = cluster.url.replace("@/becalm?", f"@/{name}?")
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template}".encode())
    migrate(url)
    yield url
    drop_database(admin_url_of(cluster), name)


@pytest.fixture
def operators(cluster: Any) -> Iterator[list[str]]:
    """Two databases of an operator who may make roles, and is no superuser."""
    admin_url = admin_url_of(cluster)
    names = ("operators_first", "operators_second")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("create role an_operator login createrole password 'a'")
        for name in names:
            admin.execute(f"create database {name} owner an_operator".encode())
    parts = urlsplit(cluster.url)
    host = parts.netloc.rpartition("@")[2]
    yield [urlunsplit(parts._replace(netloc=f"an_operator:a@{host}", path=f"/{name}")) for name in names]
    for name in names:
        drop_database(admin_url, name)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("drop role an_operator")


@pytest.fixture
def modest_url(cluster: Any) -> Iterator[str]:
    """A database whose owner may make no roles."""
    admin_url = admin_url_of(cluster)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("create role modest login password 'm'")
        admin.execute("create database modest owner modest")
    parts = urlsplit(cluster.url)
    yield urlunsplit(parts._replace(netloc=f"modest:m@{parts.netloc.rpartition('@')[2]}", path="/modest"))
    with psycopg.connect(admin_url, autocommit=True) as admin:
        drop_database(admin_url, "modest")
        admin.execute("drop role modest")


@pytest.fixture
def timescale_url() -> Iterator[str]:
    """A fresh database on a PostgreSQL that offers TimescaleDB."""
    admin_url = os.environ.get(TIMESCALE_VARIABLE)
    if not admin_url:
        pytest.skip(f"{TIMESCALE_VARIABLE} names no PostgreSQL with TimescaleDB")
    name = f"becalm_test_{secrets.token_hex(6)}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
    yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
    drop_database(admin_url, name)


@pytest.fixture(params=["plain", "timescale"])
def any_database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, without and with TimescaleDB: what holds on one holds on the other."""
    url: str = request.getfixturevalue("database_url" if request.param == "plain" else "timescale_url")
    return url


@pytest.fixture
def make_pipeline() -> Callable[[Sequence[StreamInfo]], CountingPipeline]:
    return CountingPipeline


StartServer = Callable[..., Any]


@pytest.fixture
def start_server(tmp_path: Path, make_pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> StartServer:
    """Run a server for as long as the context lasts: `async with start_server(url) as server`."""

    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(PasswordHash, "recommended", lambda: quick)

    @asynccontextmanager
    async def start(database_url: str | None, **changes: Any) -> AsyncIterator[RunningServer]:
        parts = {"make_pipeline": make_pipeline, "window_report": window_of_tests, "session_report": report_of_tests}
        parts |= {name: changes.pop(name) for name in tuple(changes) if name in parts}
        made: Any = parts.pop("make_pipeline")
        parts["pipeline"] = f"{made.__module__}:{made.__qualname__}"
        on_invitation = changes.pop("on_invitation", lambda _link: None)
        usual = {"port": 0, "data_dir": tmp_path, "heartbeat_s": 0.5, "pipeline_workers": 1}
        settings = ServerSettings(**{**usual, "database_url": database_url, **changes})
        stop = asyncio.Event()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(
            serve(settings, on_ready=ready.set_result, stop=stop, on_invitation=on_invitation, **parts)
        )
        task.add_done_callback(lambda _: ready.done() or ready.cancel())
        try:
            await asyncio.wait([ready])
            if task.done():
                await task
            yield RunningServer(ready.result(), settings)
        finally:
            stop.set()
            async with asyncio.timeout(LIMIT_S):
                await task

    return start


@pytest.fixture
async def server(start_server: StartServer, database_url: str) -> AsyncIterator[RunningServer]:
    async with start_server(database_url) as running:
        yield running


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    """The operator's HTTP."""
    async with server.http() as client:
        yield client


def window_of_tests(*, rr_ms: Sequence[float], **_more: Any) -> WindowReport:
    return WindowReport(indices={"HRV_MeanNN": sum(rr_ms) / len(rr_ms)}, withheld={"rsa": "not in tests"})


def report_of_tests(**recording: Any) -> dict[str, Any]:
    return {"n_beats": len(recording["rr_ms"]), "pid": os.getpid(), "odd": float("inf")}


@pytest.fixture
def sensors() -> SensorSet:
    return SensorSet()


@pytest.fixture
def make_sensors() -> type[SensorSet]:
    """Sensors of one more person."""
    return SensorSet


@pytest.fixture
def fetch() -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    """Rows of a query, past the server."""

    async def rows(url: str, query: bytes, *parameters: Any) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(url, row_factory=psycopg.rows.dict_row) as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall()

    return rows

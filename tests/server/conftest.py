"""A real PostgreSQL for the whole run, a fresh database and a real server for each test, and people to talk to it."""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
import websockets
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from tests.server.counting_pipeline import CountingPipeline
from websockets.asyncio.client import ClientConnection

from becalm_protocol.codec import decode, encode
from becalm_protocol.events import Clock, RawEvent, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON, VERSIONS
from becalm_protocol.handshake import (
    Ack,
    AgentHello,
    AgentWelcome,
    ClientHello,
    ClientWelcome,
    CloseSession,
    Data,
    Live,
    OpenSession,
    Ping,
    Pong,
    SessionClosed,
    SessionOpened,
    Source,
    StreamAck,
)
from becalm_protocol.live import Subscribe, Subscribed
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.migrate import migrate
from becalm_server.serve import serve
from becalm_server.settings import ServerSettings
from becalm_signal.neurokit_lane import WindowReport

# For the least urgent processes too, on a machine that does other tests beside these.
LIMIT_S = 120.0
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


class Peer:
    """One WebSocket to the server as becalm messages."""

    def __init__(self, connection: ClientConnection, subprotocol: str) -> None:
        self.connection = connection
        self.subprotocol = subprotocol
        self.heard: list[Any] = []

    async def send(self, *messages: object) -> None:
        for message in messages:
            await self.connection.send(encode(message, subprotocol=self.subprotocol))

    async def next(self) -> Any:
        """The next message; heartbeats are answered on the way."""
        message: Any = decode(await self.connection.recv(), subprotocol=self.subprotocol)
        self.heard.append(message)
        if isinstance(message, Ping):
            with contextlib.suppress(websockets.ConnectionClosed):  # what came before the close is still read
                await self.send(self.pong(message))
        return message

    def pong(self, ping: Ping) -> Pong:
        return Pong(sent_ns=ping.sent_ns)

    async def wait(self, wanted: type | Callable[[Any], bool]) -> Any:
        """The next message of a type, or for which a condition holds."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                message = await self.next()
                if isinstance(message, wanted) if isinstance(wanted, type) else wanted(message):
                    return message

    async def closed(self) -> int:
        """The code with which the server closes."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while True:
                    await self.next()
        except websockets.ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd else 1006


class AgentPeer(Peer):
    """An agent with a session clock."""

    agent_id = "agent-of-tests"
    began_ns: int | None = None

    def now_ns(self) -> int | None:
        return None if self.began_ns is None else time.monotonic_ns() - self.began_ns

    def pong(self, ping: Ping) -> Pong:
        return Pong(sent_ns=ping.sent_ns, clock_ns=self.now_ns())

    async def hello(self, agent_id: str = agent_id) -> AgentWelcome:
        await self.send(AgentHello(versions=VERSIONS, agent_id=agent_id))
        welcome = await self.wait(AgentWelcome)
        assert isinstance(welcome, AgentWelcome)
        return welcome

    async def open(
        self, streams: Sequence[StreamInfo], *, session_id: str | None = None, source: Source = Source.LIVE
    ) -> SessionOpened:
        self.began_ns = self.began_ns or time.monotonic_ns()
        opening = OpenSession(
            session_id=session_id or secrets.token_hex(16),
            started_unix_ns=time.time_ns(),
            source=source,
            streams=tuple(streams),
        )
        await self.send(opening)
        opened = await self.wait(SessionOpened)
        assert isinstance(opened, SessionOpened)
        return opened

    async def wait_acks(self, wanted: dict[str, int]) -> None:
        """Return once every stream is acknowledged up to its number."""
        acked: dict[str, int] = {}
        while any(acked.get(stream_id, 0) < seq for stream_id, seq in wanted.items()):
            ack = await self.wait(Ack)
            acked |= {one.stream_id: one.seq for one in ack.acks}

    async def close_session(self, session_id: str, last: dict[str, int]) -> None:
        await self.send(
            CloseSession(session_id=session_id, last=tuple(StreamAck(stream_id=s, seq=n) for s, n in last.items()))
        )
        await self.wait(SessionClosed)


class ClientPeer(Peer):
    """A front end."""

    async def hello(self, *, waveforms: bool = True, follow: bool = True) -> ClientWelcome:
        """Say hello and, where the version needs it, that the session under way is wanted."""
        await self.send(ClientHello(versions=VERSIONS, client="test", waveforms=waveforms))
        welcome = await self.wait(ClientWelcome)
        assert isinstance(welcome, ClientWelcome)
        if welcome.version > 1 and follow:
            await self.send(Subscribe(waveforms=None if waveforms else ()))
        return welcome

    async def subscribe(self, wish: Subscribe) -> Subscribed:
        await self.send(wish)
        subscribed = await self.wait(Subscribed)
        assert isinstance(subscribed, Subscribed)
        return subscribed

    def frames(self) -> list[Live]:
        return [message for message in self.heard if isinstance(message, Live)]

    async def wait_live(self, event_type: type) -> Live:
        frame = await self.wait(lambda message: isinstance(message, Live) and isinstance(message.event, event_type))
        assert isinstance(frame, Live)
        return frame


class RunningServer:
    """A server in the test's own loop."""

    def __init__(self, url: str, settings: ServerSettings) -> None:
        self.url = url
        self.settings = settings

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://")

    @property
    def token(self) -> str:
        """The key of the operator's own programs on this machine."""
        return (self.settings.data_dir / "operator_token").read_text(encoding="ascii")

    @property
    def headers(self) -> dict[str, str]:
        """The key as an HTTP header."""
        return {"Authorization": f"Bearer {self.token}"}

    def http(self, token: str | None = None) -> httpx.AsyncClient:
        """A caller of the HTTP interface: the operator, or whoever holds a token."""
        headers = self.headers if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=LIMIT_S)

    def stranger(self) -> httpx.AsyncClient:
        """A caller without a token."""
        return httpx.AsyncClient(base_url=self.url, timeout=LIMIT_S)

    @asynccontextmanager
    async def agent(self, subprotocol: str = SUBPROTOCOL_2_MSGPACK) -> AsyncIterator[AgentPeer]:
        async with self.connect("/v1/ingest", subprotocol) as connection:
            yield AgentPeer(connection, subprotocol)

    @asynccontextmanager
    async def client(self, subprotocol: str = SUBPROTOCOL_JSON) -> AsyncIterator[ClientPeer]:
        async with self.connect("/v1/live", subprotocol) as connection:
            yield ClientPeer(connection, subprotocol)

    def agent_peer(self, connection: ClientConnection, subprotocol: str) -> AgentPeer:
        return AgentPeer(connection, subprotocol)

    def client_peer(self, connection: ClientConnection, subprotocol: str) -> ClientPeer:
        return ClientPeer(connection, subprotocol)

    def connect(self, path: str, subprotocol: str, *, headers: dict[str, str] | None = None) -> Any:
        return websockets.connect(
            f"{self.ws_url}{path}",
            subprotocols=[websockets.Subprotocol(subprotocol)],
            additional_headers=self.headers if headers is None else headers,
            compression=None,
            proxy=None,
            close_timeout=1,
        )


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


class SensorSet:
    """Streams of a strap, a belt and a skin-conductance sensor with their next events."""

    def __init__(self) -> None:
        self.ecg = _stream(SignalKind.ECG, "uV", 1.0, 130.0)
        self.rr = _stream(SignalKind.RR, "1/1024 s", 1.0, None)
        self.belt = _stream(SignalKind.RESPIRATION, "N", 0.01, 10.0)
        self.streams = (self.ecg, self.rr, self.belt)
        self.last: dict[str, int] = dict.fromkeys((info.stream_id for info in self.streams), 0)
        self.sent: list[Data] = []

    def second(self, n: int) -> list[Data]:
        """All events of session second `n`, in the order a real agent would send them."""
        received_ns = (n + 1) * NS_PER_S
        ecg = tuple((17 * idx) % 801 - 400 for idx in range(n * 130, (n + 1) * 130))
        belt = tuple(700 + (idx % 40) for idx in range(n * 10, (n + 1) * 10))
        return [
            self.data(SampleBlock(stream_id=self.ecg.stream_id, received_ns=received_ns, first_sample_idx=n * 130,
                                  sensor_ns=received_ns - 7, counts=ecg)),
            self.data(RrBlock(stream_id=self.rr.stream_id, received_ns=received_ns, rr_1024=(900 + n,),
                              heart_rate_bpm=66, in_contact=True)),
            self.data(SampleBlock(stream_id=self.belt.stream_id, received_ns=received_ns, first_sample_idx=n * 10,
                                  counts=belt)),
        ]  # fmt: skip

    def data(self, event: RawEvent) -> Data:
        self.last[event.stream_id] += 1
        data = Data(seq=self.last[event.stream_id], event=event)
        self.sent.append(data)
        return data


def _stream(kind: SignalKind, unit: str, unit_per_count: float, sample_rate_hz: float | None) -> StreamInfo:
    return StreamInfo(
        stream_id=secrets.token_hex(16),
        kind=kind,
        unit=unit,
        unit_per_count=unit_per_count,
        sample_rate_hz=sample_rate_hz,
        clock=Clock.ARRIVAL,
        device="Sensor of tests",
    )


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

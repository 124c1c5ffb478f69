"""Run the server: database, writer, pipelines, slow lane and network, in one task group, until told to stop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn

from becalm_protocol.errors import CloseCode, ConfigError
from becalm_protocol.limits import MAX_FRAME_BYTES
from becalm_server.abandoned import Abandoned
from becalm_server.access.desk import Access, open_access
from becalm_server.access.invitations import invite, needs_invitation
from becalm_server.announcement import announced, is_to_be_announced
from becalm_server.app import create_app
from becalm_server.archive.derive_again import WindowFunction, derive_again
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.row_security import by_the_server, servers_context
from becalm_server.archive.store import Archive, open_archive
from becalm_server.archive.upkeep import Upkeep
from becalm_server.device_register import DeviceRegister
from becalm_server.doorkeeper import keep_door, raise_file_limit
from becalm_server.hub import Hub
from becalm_server.lanes import Lanes
from becalm_server.parts import Parts
from becalm_server.sessions import Sessions
from becalm_server.settings import ServerSettings
from becalm_server.slow_lane import ReportFunction, SlowLane

log = logging.getLogger(__name__)

# Above the cap, so that our own refusal (4413, with a sentence) comes first; beyond twice the cap the WebSocket layer
# cuts the connection with 1009 before the message is in memory.
WS_MAX_BYTES = 2 * MAX_FRAME_BYTES
# A client that stalls is noticed when its buffers are full: small ones make that soon, and what it then gets is fresh.
SEND_BUFFER_BYTES = 131_072
PING_S = 5.0
PONG_LIMIT_S = 10.0
GRACE_S = 0.8
ABORT_S = 0.4
DRAIN_LIMIT_S = 1.0
# Also how many connections are taken in one turn: where files run out, asyncio complains once for each.
BACKLOG = 128
LIVE_PIPELINE = "becalm_signal.pipeline:Pipeline"


async def serve(
    settings: ServerSettings,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
    on_invitation: Callable[[str], None] = lambda _link: None,
    pipeline: str = LIVE_PIPELINE,
    window_report: WindowFunction | None = None,
    session_report: ReportFunction | None = None,
) -> None:
    """Serve until `stop`; `on_ready` gets the real http address, `on_invitation` the first start's pairing link.

    `pipeline` is imported by processes of their own.

    Raises ConfigError for a busy port or an unusable folder, StorageError where the database does not start.
    """
    raise_file_limit()
    listener = listen(settings)
    try:
        async with (
            _database(settings) as (url, database),
            open_archive(url) as archive,
            open_access(settings, archive.entrances) as access,
        ):
            window_report = window_report or _default_window()
            slow_lane = SlowLane(
                archive=archive,
                window_report=window_report,
                session_report=session_report or _default_report(),
            )
            upkeep = Upkeep(
                archive,
                derive=partial(derive_again, pipeline=pipeline, window_report=window_report),
                on_derived=slow_lane.report_nowait,  # the report before was made from what there was then
                metrics_days=settings.metrics_days,
            )
            hub = Hub()
            lanes = Lanes(pipeline, n_workers=settings.pipeline_workers)
            sessions = Sessions(settings, archive=archive, hub=hub, lanes=lanes, slow_lane=slow_lane)
            devices = DeviceRegister(sessions.agents, archive)
            parts = Parts(
                settings=settings,
                address=settings.public_url or address_for_others(listener),
                access=access,
                archive=archive,
                hub=hub,
                sessions=sessions,
                lanes=lanes,
                slow_lane=slow_lane,
                devices=devices,
            )
            with by_the_server():
                await sessions.restore()
                if await needs_invitation(access.store, owner=access.owner):
                    invitation = await invite(access.store, account_id=access.owner.account_id)
                    on_invitation(invitation.link(parts.address))
            own_work = {
                "archive writer": archive.writer.run(),
                "pipelines": lanes.run(),
                "slow lane": slow_lane.run(),
                "register of sensors": devices.run(),
                "upkeep": upkeep.run(),
                "abandoned sessions": Abandoned(sessions, archive=archive).run(),
                "look at visitors": access.visitors.run(),
                "audit log": access.audit.run(),
            }
            if database is not None:
                own_work["embedded database"] = database.supervise()
            async with asyncio.TaskGroup() as group:
                # The network is not among them: what comes from there is done for whoever asks, or for nobody.
                beside = [
                    group.create_task(work, name=name, context=servers_context()) for name, work in own_work.items()
                ]
                await _serve_network(parts, listener=listener, on_ready=on_ready, stop=stop)
                await _drain(archive, access)
                for task in beside:
                    task.cancel()
    finally:
        listener.close()


def listen(settings: ServerSettings) -> socket.socket:
    """Return a listening socket. Raises ConfigError with a clear sentence where the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named TCP, so that asyncio sends small frames at once: otherwise each waits for the peer's delayed ACK, 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # connections inherit it
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {exc.strerror or exc}. "
            "Stop the other program, or choose another port",
            setting="port",
        ) from exc
    listener.setblocking(False)
    return listener


def own_address(listener: socket.socket) -> str:
    """Return the http address that a socket listens on."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def address_for_others(listener: socket.socket) -> str:
    """Return the http address under which another machine may reach us: of every address, the one of the usual way."""
    host, port = listener.getsockname()[:2]
    if host not in {"0.0.0.0", "::"}:  # noqa: S104  (asked for, not chosen)
        return own_address(listener)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737, and UDP: nothing is sent, the system only picks a way
            return f"http://{probe.getsockname()[0]}:{port}"
        except OSError:
            return f"http://{socket.gethostname()}:{port}"


@asynccontextmanager
async def _database(settings: ServerSettings) -> AsyncIterator[tuple[str, EmbeddedPostgres | None]]:
    """Give the URL of the operator's database, or of an embedded one that lives as long as we do."""
    if settings.database_url is not None:
        yield settings.database_url, None
        return
    database = EmbeddedPostgres(settings.data_dir / "postgres", durable=settings.durable)
    try:
        yield database.start(), database
    finally:
        database.stop()


async def _serve_network(
    parts: Parts, *, listener: socket.socket, on_ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    config = uvicorn.Config(
        create_app(parts),
        log_config=None,
        log_level="warning",
        access_log=False,
        # Off unless asked for: whoever is on this machine could name any address, and no limit would hold.
        proxy_headers=bool(parts.settings.trusted_proxies),
        forwarded_allow_ips=parts.settings.trusted_proxies,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=WS_MAX_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PONG_LIMIT_S,
        server_header=False,
        backlog=BACKLOG,
    )
    server = _QuietServer(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listener]), name="network")
        door = group.create_task(keep_door(server), name="door")
        host, port = listener.getsockname()[:2]
        if is_to_be_announced(host, announce=parts.settings.announce):
            group.create_task(_announce(host, port, stop=stop), name="announcement")  # says goodbye by itself
        await parts.lanes.wait_ready()
        on_ready(own_address(listener))
        await stop.wait()
        parts.hub.close_nowait(CloseCode.RESTART)
        parts.sessions.agents.close_nowait(CloseCode.RESTART)
        await _leave(server, serving)
        door.cancel()


async def _announce(host: str, port: int, *, stop: asyncio.Event) -> None:
    """Off the way to readiness: the network is asked for a second and a half whether the name is taken."""
    async with announced(host, port):
        await stop.wait()


async def _leave(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    """Wait for the connections to end; whoever does not even read our goodbye is cut off."""
    server.should_exit = True
    await asyncio.wait([serving], timeout=GRACE_S)
    for connection in list(server.server_state.connections):
        if connection.transport is not None:
            connection.transport.abort()
    await asyncio.wait([serving], timeout=ABORT_S)
    server.force_exit = True  # a request that still waits for the database is not worth waiting for
    await serving


async def _drain(archive: Archive, access: Access) -> None:
    """Commit what was taken; what cannot be committed in time was never acknowledged, so its agent still has it."""
    try:
        async with asyncio.timeout(DRAIN_LIMIT_S):
            await archive.writer.wait_drained()
            await access.audit.wait_written()
    except TimeoutError:
        log.warning("stopped before everything was committed; the agents still have it and send it again")


class _QuietServer(uvicorn.Server):
    """Uvicorn without its own signal handlers: whoever calls serve() decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _default_window() -> WindowFunction:
    from becalm_signal.neurokit_lane import window_report

    return window_report


def _default_report() -> ReportFunction:
    from becalm_signal.neurokit_lane import session_report

    return session_report

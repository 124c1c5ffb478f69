"""`becalm demo`: server, virtual person, agent and client, each its own process, and an honest account at the end."""

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from becalm_cli.account import Account, Counts, close_account, fetch_counts
from becalm_cli.keys import token_source
from becalm_cli.meter import LiveMeter
from becalm_cli.places import usable_data_dir
from becalm_cli.process import Child, Family, PartError, stop_on_signals
from becalm_kivy.control import RequestRefusedError, start_session, stop_session
from becalm_kivy.feed import Feed, Told
from becalm_protocol.derived import Metrics
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import StreamState
from becalm_protocol.handshake import AgentPresence, ClientWelcome, Live, SensorState, SessionPhase, SessionView

N_PARTS = 3
"""Server, simulator, agent."""
N_STREAMS = 4
"""ECG, RR intervals, breathing force, skin conductance."""
SENSORS_S = 20.0
"""Finding and connecting three sensors takes about a second; more than this is a fault."""
CLOSING_S = 2.0
RUNNING = (SessionPhase.BASELINE, SessionPhase.PRACTICE)
CLIENTS = ("kivy", "terminal", "none")


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """What `becalm demo` was asked for."""

    client: str | None
    seconds: float | None
    as_json: bool
    seed: int
    port: int
    data_dir: Path


async def run_demo(settings: DemoSettings) -> int:
    """Run the whole product; return 0 only when the loop closed and nothing was lost.

    Raises ConfigError for an unknown client, a screen that cannot show it, a busy port or an unwritable folder.
    """
    started_s = time.monotonic()
    client = _choose_client(settings.client)
    _require_free_port(settings.port)
    usable_data_dir(settings.data_dir)
    stop = stop_on_signals(supervised=False)
    async with Family() as family:
        account = await DemoLoop(settings, family=family, client=client, stop=stop).run(started_s)
    typer.echo(json.dumps(account.as_dict(), indent=2) if settings.as_json else account.in_words())
    return 0 if account.closed else 1


class DemoLoop:
    """One run: the parts, the session, and what a client saw of it."""

    def __init__(self, settings: DemoSettings, *, family: Family, client: str, stop: asyncio.Event) -> None:
        self._settings = settings
        self._family = family
        self._client = client
        self._stop = stop
        self._meter = LiveMeter()
        self._session: SessionView | None = None
        self._session_ids: set[str] = set()
        self._sensors: tuple[SensorState, ...] = ()
        self._changed = asyncio.Event()
        self._errors: list[str] = []
        self._first_feedback_s: float | None = None

    async def run(self, started_s: float) -> Account:
        """Start the parts, practise, stop them, and close the account."""
        self._started_s = started_s
        parts = await self._start_parts()
        counts = await self._practise_and_count() if len(parts) == N_PARTS else {}
        await self._family.stop(*parts[1:])
        reports = {part.name: part.report for part in parts}
        return close_account(
            meter=self._meter,
            counts=counts,
            agent=reports.get("agent", {}),
            person=reports.get("simulator", {}),
            errors=self._errors,
            first_feedback_s=self._first_feedback_s,
            demo_wall_s=round(time.monotonic() - started_s, 2),
        )

    async def _start_parts(self) -> list[Child]:
        """Start server, simulator and agent; fewer where the person stops meanwhile. Raises PartError."""
        server = await self._start("server", "serve", "--port", str(self._settings.port))
        self._url = str(url := await server.wait_ready(self._stop))
        if url is None:
            return [server]
        person = await self._start("simulator", "simulate", "--server", self._url, "--seed", str(self._settings.seed))
        radio = await person.wait_ready(self._stop)
        if radio is None:
            return [server, person]
        return [server, person, await self._start("agent", "agent", "--server", self._url, "--radio", str(radio))]

    async def _start(self, name: str, *words: str) -> Child:
        folder = () if name == "simulator" else ("--data-dir", str(self._settings.data_dir))
        return await self._family.start(name, *words, *folder)

    async def _practise_and_count(self) -> Counts:
        self._token = token_source(self._url)
        self._feed = Feed(self._url, client_name="becalm demo", token=self._token)
        counts: Counts = {}
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._feed.run(self._hear), name="measuring client"),
                group.create_task(self._show(), name="client"),
                group.create_task(self._watch_stop(), name="stop"),
                *(group.create_task(self._watch_part(part), name=part.name) for part in self._family.children),
            ]
            try:
                await self._practise()
                counts = await self._finish()
            except (RequestRefusedError, PartError, OSError) as exc:
                self._errors.append(str(exc))
            for task in beside:
                task.cancel()
        return counts

    async def _watch_stop(self) -> None:
        await self._stop.wait()
        self._changed.set()

    async def _watch_part(self, part: Child) -> None:
        await part.process.wait()
        self._errors.append(f"the {part.name} ended by itself: {part.last_words()}")
        self._stop.set()

    async def _practise(self) -> None:
        if not await self._wait(self._sensors_ready, limit_s=SENSORS_S):
            seen = ", ".join(f"{s.device} {s.state}" for s in self._sensors) or "none"
            self._errors.append(f"expected {N_STREAMS} sensor signals within {SENSORS_S:.0f} s, got: {seen}")
        if self._stop.is_set():
            return
        self._session_ids.add(await start_session(self._url, token=self._token()))
        self._say("The virtual person is wearing the sensors. A quiet minute first, then breathe with the pacer.")
        await self._wait(lambda: self._stop.is_set() or self._in_phase(*RUNNING), limit_s=SENSORS_S)
        try:
            async with asyncio.timeout(self._settings.seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    async def _finish(self) -> Counts:
        """Stop what still runs; return the counts of every session of this run (the person may start more)."""
        if self._session and not self._in_phase(SessionPhase.ENDED):
            await stop_session(self._url, self._session.session_id, token=self._token())
            if not await self._wait(lambda: self._in_phase(SessionPhase.ENDED), limit_s=CLOSING_S):
                self._errors.append(f"the session did not end within {CLOSING_S:.0f} s")
        return await asyncio.to_thread(fetch_counts, self._url, sorted(self._session_ids))

    async def _wait(self, condition: Callable[[], bool], *, limit_s: float) -> bool:
        """Wait until `condition` holds or the limit passes; return whether it holds."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _sensors_ready(self) -> bool:
        usable = (StreamState.READY, StreamState.STREAMING)
        return self._stop.is_set() or sum(s.state in usable for s in self._sensors) >= N_STREAMS

    def _in_phase(self, *phases: SessionPhase) -> bool:
        return self._session is not None and self._session.phase in phases

    def _hear(self, told: Told) -> None:
        if isinstance(told, Live):
            self._meter.apply(told, now_ns=self._feed.session_now_ns())
            if self._first_feedback_s is None and isinstance(told.event, Metrics):
                self._first_feedback_s = round(time.monotonic() - self._started_s, 2)
            return
        if isinstance(told, SessionView):
            self._session = told
            if told.phase is SessionPhase.WAITING:  # begun in this run, not left over from one that was killed
                self._session_ids.add(told.session_id)
        elif isinstance(told, ClientWelcome):
            self._session, self._sensors = told.session, told.sensors
        elif isinstance(told, AgentPresence):
            self._sensors = told.sensors
        self._changed.set()

    async def _show(self) -> None:
        if self._client == "terminal":
            from rich.console import Console

            from becalm_kivy.terminal import run_terminal

            # The account in JSON is for another program, and has standard output to itself.
            console = Console(stderr=True) if self._settings.as_json else None
            with contextlib.suppress(BrokenPipeError):  # the demo ends in order, also where nobody reads
                await run_terminal(self._url, token=self._token, stop=self._stop, console=console)
            self._stop.set()
        elif self._client == "kivy":
            window = await self._family.start("client", "client", "--kind", "kivy", "--server", self._url)
            if await window.process.wait():
                self._errors.append(f"the window ended by itself: {window.last_words()}")
            self._stop.set()

    def _say(self, text: str) -> None:
        if not self._settings.as_json and self._client != "terminal":
            typer.echo(text)


def _choose_client(wanted: str | None) -> str:
    from becalm_kivy.screen_check import can_open_window

    if wanted not in (*CLIENTS, None):
        raise ConfigError(f"expected {', '.join(CLIENTS)}, got {wanted}", setting="--client")
    if wanted in ("terminal", "none"):
        return wanted
    possible, why_not = can_open_window()
    if wanted == "kivy" and not possible:
        raise ConfigError(f"no window can open here: {why_not}; use --client terminal", setting="--client")
    if possible:
        return "kivy"
    return "terminal" if sys.stdout.isatty() else "none"


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ConfigError(
                f"expected a free port, got {port}, which is in use; choose another with --port (0 takes any)",
                setting="--port",
            ) from exc

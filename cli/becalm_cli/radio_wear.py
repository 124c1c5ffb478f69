"""One wearer of the radio bench: a body, its sensors, a faulty radio and an agent, in one process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from becalm_cli.radio_messages import is_measurement
from becalm_cli.radio_plan import WearerPlan
from becalm_cli.radio_tap import Heard, Tap
from becalm_ingest.conductor import Conductor
from becalm_ingest.link import Backend
from becalm_ingest.report import AgentReport
from becalm_ingest.sensors import Sensors
from becalm_ingest.session import Session
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.events import value
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults import Fault, FaultLine
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors

# Several agents begin at once on a busy machine.
FIRST_MEASURED_LIMIT_S = 60.0
# Four times what is asked for at the 99th percentile; then the sensor counts as one that stayed away.
RETURN_LIMIT_S = 60.0
# A server with much to do takes what an agent has kept a little later.
REST_LIMIT_S = 120.0
# The agent judges what a standstill has lost within two to three seconds.
LAST_PAUSE_S = 4.0
LIVE_S = 1.0
CLOCK_READINGS = 100
NOBODY = "nobody"


@value
class Struck:
    """One fault as it really was; times are on the machine's monotonic clock."""

    kind: str
    began_ns: int
    returned_ns: int
    """When nothing hindered the radio any longer."""
    link_before: dict[str, int]
    """The newest connection of each sensor concerned when it began."""
    resumed_ns: dict[str, int]
    """First measurement of each sensor delivered after the return; one that stayed away is missing."""
    link_after: dict[str, int]
    """The connection that brought it."""


@value
class WearerLog:
    """What one wearer's sensors, radio and agent saw; times are on the machine's monotonic clock."""

    plan: WearerPlan
    session_id: str
    session_began_ns: int
    names: dict[str, str]
    """Name of each sensor by its address."""
    heard: list[Heard]
    struck: list[Struck]
    beats_ns: list[int]
    """True beats of the body."""
    report: dict[str, Any]
    """The agent's own at its end."""
    n_left: int
    """Events that the server had not even after the agent had been started again for them."""
    cpu_s: float
    """Of body, sensors, radio and agent together."""


class Wearer:
    """Runs a plan against a server and returns what was seen."""

    def __init__(self, plan: WearerPlan, *, server_url: str, token: str, folder: Path) -> None:
        self._plan = plan
        self._server_url = server_url
        self._token = token
        self._folder = folder
        self._tap = Tap()
        self._measured = asyncio.Event()
        self._newest: dict[str, Heard] = {}
        """The newest measurement of each sensor."""
        self._struck: list[Struck] = []

    async def run(self) -> WearerLog:
        """Wear the sensors until every fault of the plan has passed."""
        cpu_s = time.process_time()
        self._tap.on_heard = self._note
        body, self._clock = Body.from_seed(self._plan.seed), BodyClock()
        self._body_began_ns = time.monotonic_ns() - self._clock.now_ns()
        async with self._world(body) as backend:
            report, session_began_ns = await self._practise(backend)
            n_left = await self._send_rest(backend) if report.n_spooled else 0
        body.until(self._clock.now_ns())
        return WearerLog(
            plan=self._plan,
            session_id=report.session_id or "",
            session_began_ns=session_began_ns,
            names={device.sensor.address: device.sensor.name for device in self._devices},
            heard=self._tap.heard,
            struck=self._struck,
            beats_ns=[self._body_began_ns + beat.t_ns for beat in body.beats()],
            report=report.as_dict(),
            n_left=n_left,
            cpu_s=time.process_time() - cpu_s,
        )

    @asynccontextmanager
    async def _world(self, body: Body) -> AsyncIterator[Backend]:
        """Put the sensors on the air; give the radio to an agent, with the tap in it."""
        air = Air()
        devices = self._devices = [VirtualDevice(sensor, air, clock=self._clock) for sensor in wear_sensors(body)]
        async with (
            serve_hci(air, f"unix:{self._folder / 'hci'}") as address,
            open_radio(address) as radio,
            asyncio.TaskGroup() as group,
        ):
            for device in devices:
                await device.power_on()
            running = [group.create_task(device.run(), name=device.sensor.name) for device in devices]
            running.append(group.create_task(self._live(body), name="body"))
            yield Backend(scanner=radio.scanner, client=self._tap.on(radio.client), adapter=radio.adapter)
            for task in running:
                task.cancel()
            for device in devices:
                device.power_off()

    async def _live(self, body: Body) -> None:
        while True:
            body.until(self._clock.now_ns())
            await asyncio.sleep(LIVE_S)

    async def _practise(self, backend: Backend) -> tuple[AgentReport, int]:
        sensors = _TimedSensors(devices=("auto",), backend=backend, record_path=None)
        conductor, stop = self._agent(sensors, start_now=True), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            agent = group.create_task(conductor.run(stop=stop), name="agent")
            addresses = [device.sensor.address for device in self._devices]
            await self._wait_measured(addresses, since_ns=0, limit_s=FIRST_MEASURED_LIMIT_S)
            for step in self._plan.steps:
                await asyncio.sleep(step.pause_s)
                await self._strike(step.fault)
            await asyncio.sleep(LAST_PAUSE_S)
            stop.set()
            report = await agent
        return report, sensors.session_began_ns

    async def _send_rest(self, backend: Backend) -> int:
        """Start the agent again, as a person would on another day, until it has sent what it had kept."""
        stop, n_left = asyncio.Event(), 0

        def note(report: AgentReport) -> None:
            nonlocal n_left
            n_left = report.n_spooled
            if not n_left:
                stop.set()

        conductor = self._agent(Sensors(devices=(NOBODY,), backend=backend, record_path=None), start_now=False)
        async with asyncio.TaskGroup() as group:
            agent = group.create_task(conductor.run(stop=stop, on_report=note), name="agent again")
            await asyncio.wait({agent}, timeout=REST_LIMIT_S)
            stop.set()
        return n_left

    def _agent(self, sensors: Sensors, *, start_now: bool) -> Conductor:
        return Conductor(
            sensors,
            server_url=self._server_url,
            token=lambda: self._token,
            data_dir=self._folder / "agent",
            quota_bytes=DEFAULT_QUOTA_BYTES,
            start_now=start_now,
        )

    async def _strike(self, fault: Fault) -> None:
        """Let one fault happen now, and wait until its sensors are back."""
        line = FaultLine(self._devices, (replace(fault, at_ns=self._clock.now_ns()),), self._clock)
        link_before = {address: heard.link for address, heard in self._newest.items()}
        began_ns = time.monotonic_ns()
        await line.run()
        struck = {happening.sensor for happening in line.timeline}
        addresses = [d.sensor.address for d in self._devices if d.sensor.name in struck or None in struck]
        ended_ns = max((happening.ended_ns or 0 for happening in line.timeline), default=0)
        returned_ns = max(began_ns, self._body_began_ns + ended_ns)
        back = await self._wait_measured(addresses, since_ns=returned_ns, limit_s=RETURN_LIMIT_S)
        self._struck.append(
            Struck(
                kind=str(fault.kind),
                began_ns=began_ns,
                returned_ns=returned_ns,
                link_before={address: link_before.get(address, 0) for address in addresses},
                resumed_ns={address: heard.before_ns for address, heard in back.items()},
                link_after={address: heard.link for address, heard in back.items()},
            )
        )

    async def _wait_measured(self, addresses: list[str], *, since_ns: int, limit_s: float) -> dict[str, Heard]:
        """Return the first measurement of each sensor from then on; one that is not there in time is missing."""
        found: dict[str, Heard] = {}
        n_seen = 0
        try:
            async with asyncio.timeout(limit_s):
                while len(found) < len(addresses):
                    self._measured.clear()
                    fresh, n_seen = self._tap.heard[n_seen:], len(self._tap.heard)
                    for heard in fresh:
                        if heard.address in addresses and heard.before_ns >= since_ns and is_measurement(heard):
                            found.setdefault(heard.address, heard)
                    if len(found) < len(addresses):
                        await self._measured.wait()
        except TimeoutError:
            pass  # whoever is missing stayed away
        return found

    def _note(self, heard: Heard) -> None:
        if is_measurement(heard):
            self._newest[heard.address] = heard
            self._measured.set()


class _TimedSensors(Sensors):
    """The agent's source of sensors, which also tells when session time began."""

    session_began_ns = 0

    async def begin(self, session: Session) -> None:
        # Never too early and tens of nanoseconds late at most: no event may seem older than its notification.
        self.session_began_ns = min(-session.now_ns() + time.monotonic_ns() for _ in range(CLOCK_READINGS))
        await super().begin(session)

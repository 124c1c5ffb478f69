"""One session fed by a sensor over real GATT and by a stream of a laboratory."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from becalm_ingest.agent import AgentSettings, run_agent
from becalm_ingest.link import Backend
from becalm_protocol.events import Gap, SampleBlock, SignalKind, StreamState
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors


async def test_a_belt_and_a_laboratory_feed_one_session(
    lsl: Any, make_outlet: Callable[..., Any], wire: Any, tmp_path: Path
) -> None:
    outlet = make_outlet("Ring", "GSR", rate_hz=50, channels=[("GSR", "uS")])
    air, body, stop = Air(), Body.from_seed(3), asyncio.Event()
    belt = next(
        device
        for device in (VirtualDevice(sensor, air, clock=BodyClock(speed=4.0)) for sensor in wear_sensors(body))
        if device.sensor.name == "SIM-BELT 0001"
    )
    async with serve_hci(air, f"unix:{tmp_path / 'hci'}") as address, open_radio(address) as radio:
        await belt.power_on()
        backend = Backend(scanner=radio.scanner, client=radio.client, adapter=radio.adapter)
        settings = AgentSettings(
            server_url=wire.url, data_dir=tmp_path / "data", devices=("SIM-BELT 0001", "lsl:Ring"), start_now=True,
            backend=backend,
        )  # fmt: skip

        def n_stored(kind: SignalKind) -> int:
            ids = {info.stream_id for opened in wire.opened for info in opened.streams if info.kind is kind}
            return sum(len(b.counts) for i in ids for b in wire.stored[i] if isinstance(b, SampleBlock))

        async with asyncio.timeout(15), asyncio.TaskGroup() as group:
            worn = group.create_task(belt.run())
            agent = group.create_task(run_agent(settings, stop=stop))
            while not outlet.outlet.have_consumers():  # noqa: ASYNC110 - another thread gives nothing to await
                await asyncio.sleep(0.01)
            outlet.push([[2.5]] * 100, began_s=lsl.local_clock())
            await wire.until(lambda: n_stored(SignalKind.SKIN_CONDUCTANCE) == 100)
            await wire.until(lambda: n_stored(SignalKind.RESPIRATION) >= 4)
            told = {sensor.device: sensor.state for sensor in wire.statuses[-1].sensors}
            assert told == {"SIM-BELT 0001": StreamState.STREAMING, "Ring": StreamState.STREAMING}
            stop.set()
            report = await agent
            worn.cancel()
        belt.power_off()
    assert report.received["skin_conductance"] == 100
    assert report.received["respiration"] == belt.sensor.sent[SignalKind.RESPIRATION]
    assert wire.events(Gap) == []

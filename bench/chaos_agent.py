"""A real agent (spool, uplink, conductor) whose sensors are a recorded person: always the same at one session time.

python bench/chaos_agent.py SERVER_URL DATA_DIR RECORDING SECONDS [--wall-jumps-s 3600 -7200 ...]

Ends once SECONDS of session time are stored, or on SIGTERM. Killed and started again it goes on with the session, as an
agent with sensors does. Prints `streaming` once its first samples are spooled, and one JSON object at the end.
"""

import argparse
import asyncio
import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import chaos_clock

from becalm_cli.process import terminate_with_parent
from becalm_ingest.conductor import Conductor
from becalm_ingest.devices import StreamTemplate
from becalm_ingest.session import Session
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamState, StreamStatus
from becalm_protocol.handshake import SensorState
from becalm_protocol.units import NS_PER_S

ROW_HZ = 130.0


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One column of the recording: every so many rows make a sample, so many samples a block."""

    kind: SignalKind
    column: str
    unit: str
    unit_per_count: float
    counts_per_column_unit: float
    n_rows: int
    n_block: int

    @property
    def rate_hz(self) -> float:
        """Samples a second."""
        return ROW_HZ / self.n_rows

    @property
    def template(self) -> StreamTemplate:
        """The stream as a device family would offer it."""
        return StreamTemplate(
            kind=self.kind,
            unit=self.unit,
            unit_per_count=self.unit_per_count,
            sample_rate_hz=self.rate_hz,
            clock=Clock.DEVICE,
            late_after_s=3.0,
            lost_after_s=10.0,
        )


SIGNALS = (
    Signal(
        kind=SignalKind.ECG, column="ecg_mv", unit="uV", unit_per_count=1.0, counts_per_column_unit=1000.0,
        n_rows=1, n_block=26,
    ),
    Signal(
        kind=SignalKind.RESPIRATION, column="rsp_au", unit="au", unit_per_count=0.001, counts_per_column_unit=1000.0,
        n_rows=5, n_block=7,
    ),
    Signal(
        kind=SignalKind.SKIN_CONDUCTANCE, column="eda_us", unit="uS", unit_per_count=0.0001,
        counts_per_column_unit=10_000.0, n_rows=13, n_block=3,
    ),
)  # fmt: skip


def read_counts(path: Path) -> dict[SignalKind, tuple[int, ...]]:
    """Return the samples of every signal, for the agent that sends them and for the judge who knows them."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        one.kind: tuple(round(float(row[one.column]) * one.counts_per_column_unit) for row in rows[:: one.n_rows])
        for one in SIGNALS
    }


class RecordedPerson:
    """A source that is worn: it sends what is measured now, and what passes while nobody listens is lost."""

    def __init__(self, counts: dict[SignalKind, tuple[int, ...]], *, seconds: float) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.trouble: str | None = None
        self._counts = counts
        self._end_ns = round(seconds * NS_PER_S)
        self._state = StreamState.READY
        self._session: Session | None = None
        self._began = asyncio.Event()
        self._spooled = asyncio.Event()
        self._finished = asyncio.Event()

    def sensors(self) -> tuple[SensorState, ...]:
        """How the sensors are."""
        return tuple(SensorState(device="recorded", kind=one.kind, state=self._state) for one in SIGNALS)

    async def begin(self, session: Session) -> None:
        """Let events flow."""
        self._session = session
        self._tell(StreamState.STREAMING)
        self._began.set()

    async def end(self) -> None:
        """Stop the streams."""
        if self._state is StreamState.STREAMING:
            self._tell(StreamState.ENDED)

    async def wait_finished(self) -> None:
        """Wait for the end of the recorded time."""
        await self._finished.wait()

    async def run(self) -> None:
        """Send every signal at its own time."""
        await self._began.wait()
        async with asyncio.TaskGroup() as group:
            for one in SIGNALS:
                group.create_task(self._send(one), name=one.column)
            group.create_task(self._announce(), name="announcement")
        self._finished.set()

    async def _announce(self) -> None:
        await self._spooled.wait()
        await asyncio.sleep(0.05)  # the spool commits in the next turn
        print("streaming", flush=True)

    async def _send(self, one: Signal) -> None:
        session, counts = self._session, self._counts[one.kind]
        assert session is not None
        block_ns = round(one.n_block / one.rate_hz * NS_PER_S)
        n = session.now_ns() // block_ns
        while (due_ns := (n + 1) * block_ns) <= self._end_ns:
            await asyncio.sleep(max(0, due_ns - session.now_ns()) / NS_PER_S)
            first = n * one.n_block
            block = SampleBlock(
                stream_id=session.cursor(one.template, device="recorded").stream_id,
                received_ns=session.now_ns(),
                first_sample_idx=first,
                sensor_ns=round((first + one.n_block - 1) / one.rate_hz * NS_PER_S),
                counts=counts[first : first + one.n_block],
            )
            session.put(block)
            self._spooled.set()
            n += 1
        self._spooled.set()  # or there is nothing left to send

    def _tell(self, state: StreamState) -> None:
        session = self._session
        assert session is not None
        self._state = state
        for one in SIGNALS:
            stream_id = session.cursor(one.template, device="recorded").stream_id
            session.put(StreamStatus(stream_id=stream_id, received_ns=session.now_ns(), state=state))
        self.on_change()


async def _jump_wall_clock(jumps_s: list[float]) -> None:
    """Have this process's wall clock jump now and then, as an operator or a time server may."""
    for jump_s in jumps_s:
        await asyncio.sleep(chaos_clock.EVERY_S)
        chaos_clock.jump(jump_s)


async def run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    terminate_with_parent()
    person = RecordedPerson(read_counts(arguments.recording), seconds=arguments.seconds)
    conductor = Conductor(
        person,
        server_url=arguments.server,
        token=lambda: os.environ["BECALM_TOKEN"],
        data_dir=arguments.data_dir,
        quota_bytes=50_000_000,
        start_now=True,
    )
    async with asyncio.TaskGroup() as group:
        jumping = group.create_task(_jump_wall_clock(arguments.wall_jumps_s))
        report = await conductor.run(stop=stop)
        jumping.cancel()
    print(json.dumps(report.as_dict()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--wall-jumps-s", type=float, nargs="*", default=[])
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

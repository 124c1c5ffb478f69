"""What `becalm agent` and `becalm replay` show while they run: a line for each stream, and what to do."""

import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from becalm_ingest.report import AgentReport, StreamReport
from becalm_protocol.events import UNTIMED_KINDS, StreamState
from becalm_protocol.handshake import SensorState
from becalm_protocol.sensor_state import LinkState
from becalm_protocol.units import s_from_ns

RATE_OVER_S = 10.0
# Without a terminal the lines go to a log: one is enough now and then.
LOG_EVERY_S = 10.0
_COLUMNS = ("sensor", "signal", "state", "a second", "age s", "gaps", "battery", "dBm", "waiting")
_STYLES = {StreamState.STREAMING: "green", StreamState.READY: "green", StreamState.LATE: "yellow"}


class AgentView:
    """Draws each report in place on a terminal, or writes a line now and then elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._seen: deque[tuple[float, dict[str, int]]] = deque()
        self._logged_s = float("-inf")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, report: AgentReport) -> None:
        """Show how things stand."""
        now_s = time.monotonic()
        self._seen.append((now_s, {stream.stream_id: stream.n_received for stream in report.streams}))
        while now_s - self._seen[0][0] > RATE_OVER_S:
            self._seen.popleft()
        if self._live is not None:
            self._live.update(self.picture(report), refresh=True)
        elif now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            self._console.print(report.line(), highlight=False, markup=False, soft_wrap=True)

    def picture(self, report: AgentReport) -> RenderableType:
        """Return the table of streams, and below it server, spool and trouble."""
        table = Table(box=None, pad_edge=False)
        for column in _COLUMNS:
            table.add_column(column, justify="left" if column in _COLUMNS[:3] else "right", no_wrap=True)
        states = {(sensor.device, sensor.kind): sensor for sensor in report.sensors}
        for stream in report.streams:
            self._add_stream(table, stream, sensor=states.pop((stream.device, stream.kind), None))
        for sensor in states.values():
            table.add_row(
                sensor.device, sensor.kind.value, _state(sensor), "", "", "", _battery(sensor), _strength(sensor), ""
            )
        server = "server connected" if report.is_connected else "no server: everything is kept on disk"
        notes = [*_about(report), Text(f"{server}, {report.n_spooled} waiting")]
        if report.trouble:
            notes.append(Text(report.trouble, style="yellow"))
        return Group(table, *notes) if table.row_count else Group(*notes)

    def _add_stream(self, table: Table, stream: StreamReport, *, sensor: SensorState | None) -> None:
        state = _state(sensor)
        if stream.in_contact is False:
            state = Text("no skin contact", style="yellow")
        table.add_row(
            stream.device,
            stream.kind.value,
            state,
            self._per_s(stream),
            "" if stream.age_ns is None else f"{s_from_ns(stream.age_ns):.1f}",
            str(stream.n_gaps),
            _battery(sensor),
            _strength(sensor),
            str(stream.n_spooled),
        )

    def _per_s(self, stream: StreamReport) -> str:
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        if stream.stream_id not in first or last_s == first_s:
            return ""
        per_s = (last[stream.stream_id] - first[stream.stream_id]) / (last_s - first_s)
        return f"{per_s:.1f}" if stream.kind in UNTIMED_KINDS else f"{per_s:.0f}"


def _state(sensor: SensorState | None) -> Text:
    if sensor is None:
        return Text("recording")
    link = sensor.link if sensor.state is StreamState.LOST else None
    doing = "" if link is None or link is LinkState.LOST else f", {link.value.replace('_', ' ')}"
    return Text(f"{sensor.state.value}{doing}", style=_STYLES.get(sensor.state, "red"))


def _battery(sensor: SensorState | None) -> str:
    return "" if sensor is None or sensor.battery_pct is None else f"{sensor.battery_pct} %"


def _strength(sensor: SensorState | None) -> str:
    """As it was when last seen in a scan: a connected sensor shows in none."""
    return "" if sensor is None or sensor.rssi_dbm is None else str(sensor.rssi_dbm)


def _about(report: AgentReport) -> list[Text]:
    """Return what each sensor says it is, and what is wrong with it where that is not told already."""
    lines = []
    for sensor in {sensor.device: sensor for sensor in report.sensors}.values():
        firmware = f"firmware {sensor.firmware}" if sensor.firmware else None
        if told := ", ".join(filter(None, (sensor.model, firmware))):
            lines.append(Text(f"{sensor.device}: {told}", style="dim"))
        if sensor.trouble and sensor.trouble not in (report.trouble or ""):
            lines.append(Text(sensor.trouble, style="yellow"))
    return lines

"""What a person sees of a running agent, drawn on a console that keeps the text."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from becalm_cli.agent_view import AgentView
from becalm_ingest.latency import Percentiles
from becalm_ingest.report import AgentReport, StreamReport
from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.handshake import SensorState
from becalm_protocol.sensor_state import LinkState

STREAM = StreamReport(
    stream_id="a", device="SIM-HR 0001", kind=SignalKind.RR, n_received=60, age_ns=1_200_000_000, in_contact=True,
    n_gaps=2, n_dropped=0, n_events=70, n_sent=68, n_acked=67,
)  # fmt: skip
REPORT = AgentReport(
    session_id="s",
    is_connected=True,
    n_connections=1,
    streams=(STREAM,),
    sensors=(
        SensorState(device="SIM-HR 0001", kind=SignalKind.RR, state=StreamState.STREAMING, battery_pct=87),
        SensorState(device="SIM-BELT 0001", kind=SignalKind.RESPIRATION, state=StreamState.LOST),
    ),
    n_spooled=3,
    n_refused=0,
    commit_ack=Percentiles(p50_ms=1.0, p95_ms=2.0, p99_ms=3.0),
    trouble="SIM-BELT 0001 is not in range. Bring it near",
)


def drawn(report: AgentReport, *, is_terminal: bool = True) -> str:
    out = io.StringIO()
    with AgentView(Console(file=out, width=120, force_terminal=is_terminal, color_system=None)) as view:
        view.show(report)
    return out.getvalue()


def test_a_line_for_each_stream_and_each_sensor_without_one() -> None:
    lines = drawn(REPORT).splitlines()
    rr = [line for line in lines if "SIM-HR" in line][-1]
    assert rr.split()[2:] == ["rr", "streaming", "1.2", "2", "87", "%", "3"]
    assert any("SIM-BELT 0001" in line and "lost" in line for line in lines)
    assert any("server connected, 3 waiting" in line for line in lines)
    assert any("Bring it near" in line for line in lines)


def test_no_contact_and_no_server_are_said() -> None:
    stream = replace(STREAM, in_contact=False)
    text = drawn(replace(REPORT, streams=(stream,), is_connected=False))
    assert "no skin contact" in text
    assert "no server: everything is kept on disk" in text


def test_the_measured_pace_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("becalm_cli.agent_view.time.monotonic", lambda: next(clock))
    out = io.StringIO()
    with AgentView(Console(file=out, width=120, force_terminal=True, color_system=None)) as view:
        view.show(REPORT)
        view.show(replace(REPORT, streams=(replace(STREAM, n_received=68),)))
    rr = [line for line in out.getvalue().splitlines() if "SIM-HR" in line][-1]
    assert rr.split()[2:] == ["rr", "streaming", "2.0", "1.2", "2", "87", "%", "3"]


def test_a_log_gets_a_line_now_and_then() -> None:
    text = drawn(replace(REPORT, trouble="Bring it near. " * 20), is_terminal=False)
    assert text.count("\n") == 1
    assert "rr 60" in text


def test_what_is_known_of_a_sensor_and_of_its_connection_is_shown() -> None:
    strap, belt = REPORT.sensors
    strap = replace(strap, rssi_dbm=-61, model="H10", firmware="5.0.0", trouble="It wants a bond. Confirm it")
    belt = replace(belt, link=LinkState.BACK_OFF, trouble=REPORT.trouble)
    lines = [line.rstrip() for line in drawn(replace(REPORT, sensors=(strap, belt))).splitlines()]
    rr = next(line for line in lines if "streaming" in line)
    assert rr.split()[-4:] == ["87", "%", "-61", "3"]
    assert any("lost, back off" in line for line in lines)
    assert "SIM-HR 0001: H10, firmware 5.0.0" in lines
    assert "It wants a bond. Confirm it" in lines
    assert lines.count("SIM-BELT 0001 is not in range. Bring it near") == lines.count("server connected, 3 waiting")


def test_the_json_report_has_all_of_it() -> None:
    (strap, _) = REPORT.sensors
    told = replace(REPORT, sensors=(replace(strap, rssi_dbm=-61, link=LinkState.STREAMING),)).as_dict()["sensors"]
    assert told[0]["rssi_dbm"] == -61
    assert told[0]["link"] == "streaming"
    assert told[0]["firmware"] is None

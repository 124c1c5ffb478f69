"""One example of every message and event: the source of the golden frames."""

from dataclasses import replace

import pytest

from becalm_protocol import derived as d
from becalm_protocol import events as e
from becalm_protocol import handshake as h
from becalm_protocol import live as v
from becalm_protocol.sensor_state import LinkState
from becalm_protocol.wishes import Marker

STREAM = "0123456789abcdef0123456789abcdef"
INFO = e.StreamInfo(
    stream_id=STREAM,
    kind=e.SignalKind.ECG,
    unit="uV",
    unit_per_count=1.0,
    sample_rate_hz=130.0,
    clock=e.Clock.DEVICE,
    device="SIM-HR 0001",
)
PACER = e.Pacer(started_ns=60_000_000_000, inhale_s=4.0, exhale_s=6.0)
SENSOR = h.SensorState(device="SIM-HR 0001", kind=e.SignalKind.ECG, state=e.StreamState.STREAMING, battery_pct=87)
BELT = h.SensorState(
    device="SIM-BELT 0001", kind=e.SignalKind.RESPIRATION, state=e.StreamState.LOST, battery_pct=88,
    link=LinkState.BACK_OFF, rssi_dbm=-71, model="GDX-RB", firmware="1.2",
    trouble="The connection with SIM-BELT 0001 was lost. It is made anew",
)  # fmt: skip
ACKS = (h.StreamAck(stream_id=STREAM, seq=7),)
INDEX = d.Index(value=61.5, bound=0.8, sample_ns=1_900_000_000)
WITHHELD = d.Index(reason=d.Reason.WARMING_UP)
LEDGER = h.Ledger(sample_ns=1, received_ns=2, accepted_ns=3, published_ns=4)
VIEW = h.SessionView(
    session_id="5e55",
    phase=h.SessionPhase.PRACTICE,
    source=h.Source.LIVE,
    baseline_s=60.0,
    pacer=PACER,
    streams=(INFO,),
)

RAW: tuple[e.RawEvent, ...] = (
    e.SampleBlock(stream_id=STREAM, received_ns=9, first_sample_idx=73, sensor_ns=8, counts=(-1, 0, 32_768)),
    e.RrBlock(stream_id=STREAM, received_ns=9, rr_1024=(880, 1024), heart_rate_bpm=64, in_contact=True),
    e.Gap(stream_id=STREAM, received_ns=9, start_ns=3, end_ns=9, n_missing=5, reason=e.GapReason.LINK_LOST),
    e.StreamStatus(stream_id=STREAM, received_ns=9, state=e.StreamState.LOST),
    e.Battery(stream_id=STREAM, received_ns=9, level_pct=87),
    e.Dropped(stream_id=STREAM, received_ns=9, problem="polar_pmd: expected 10 bytes or more; got 00 01"),
    e.RrBlock(
        stream_id=STREAM, received_ns=9, rr_1024=(880, 1024), heart_rate_bpm=64, error_ms=(5, 30), usable=(True, False)
    ),
)
DERIVED: tuple[d.Derived, ...] = (
    d.Beat(
        beat_idx=4, t_ns=9, emitted_ns=10, source=e.SignalKind.ECG, rr_ms=981.5, rr_corrected_ms=981.5,
        flag=d.BeatFlag.OK, confirmed=True,
    ),
    d.Beat(beat_idx=0, t_ns=9, emitted_ns=10, source=e.SignalKind.RR, flag=d.BeatFlag.FIRST, confirmed=False),
    d.BreathTurn(t_ns=9, emitted_ns=10, phase=d.BreathPhase.IN),
    d.Breath(t_ns=9, emitted_ns=10, breathing_rate_bpm=6.0, depth=1.5),
    d.SkinResponse(onset_ns=7, peak_ns=9, emitted_ns=10, amplitude_us=0.21),
    d.Metrics(
        t_ns=9, emitted_ns=10, heart_rate_bpm=INDEX, rmssd_ms=WITHHELD, breathing_rate_bpm=INDEX, scl_us=INDEX,
        scr_per_min=INDEX, arousal=WITHHELD,
    ),
    d.SignalQuality(t_ns=9, emitted_ns=10, kind=e.SignalKind.ECG, reason=d.Reason.FLAT),
    d.HrvWindow(t_ns=9, emitted_ns=10, window_s=60.0, n_beats=58, indices={"HRV_RMSSD": 31.2}),
)  # fmt: skip
CONTROL: tuple[object, ...] = (
    h.AgentHello(versions=(1,), agent_id="a9e7"),
    h.AgentHello(versions=(1,), agent_id="a9e7", token="becalm-device-example"),
    h.AgentWelcome(version=1, heartbeat_s=2.0, credit_frames=256),
    h.OpenSession(session_id="5e55", started_unix_ns=1_700_000_000_000_000_000, source=h.Source.LIVE, streams=(INFO,)),
    h.SessionOpened(session_id="5e55", acks=ACKS),
    h.Ack(acks=ACKS),
    h.Reset(stream_id=STREAM, seq=7),
    h.StartSession(session_id="5e55"),
    h.StopSession(session_id="5e55"),
    h.CloseSession(session_id="5e55", last=ACKS),
    h.SessionClosed(session_id="5e55"),
    h.AgentStatus(sensors=(SENSOR,)),
    h.AgentStatus(sensors=(SENSOR, BELT)),
    h.Ping(sent_ns=5),
    h.Pong(sent_ns=5, clock_ns=6),
    h.Problem(close_code=4400, detail="versions: expected 1, got 9; update the agent"),
    h.ClientHello(versions=(1,), client="example", waveforms=True),
    h.ClientHello(versions=(1,), client="example", waveforms=True, token="becalm-device-example"),
    h.ClientWelcome(
        version=1, heartbeat_s=2.0, playout_delay_ms=900.0, session=VIEW, sensors=(SENSOR,), agent_connected=True
    ),
    VIEW,
    h.AgentPresence(agent_connected=True, sensors=(SENSOR,)),
)  # fmt: skip
CONTROL_2: tuple[object, ...] = (
    h.Ping(sent_ns=5, session_id="5e55"),
    v.Subscribe(
        session_id="5e55", events=("waveform", "metrics"), waveforms=("ecg",), streams=(STREAM,), metrics_hz=1.0,
        resume=v.Resume(feed_id="feed", seq=41),
    ),
    v.Unsubscribe(session_id="5e55"),
    v.Subscribed(
        session_id="5e55", feed_id="feed", seq=99, n_resumed=12,
        missed=v.Missed(first_seq=42, last_seq=99, start_ns=7, end_ns=9), began_anew=False,
    ),
    v.Ages(session_id="5e55", clock_ns=12, streams={STREAM: 9}, events={"metrics": 8}),
    h.Live(
        seq=7, event=e.Battery(stream_id=STREAM, received_ns=9, level_pct=87), ledger=LEDGER, session_id="5e55"
    ),
    h.Held(held=ACKS, detail="the server's database is away; nothing is lost"),
    h.Live(
        seq=8, event=e.Battery(stream_id=STREAM, received_ns=9, level_pct=86), ledger=replace(LEDGER, held=True),
        session_id="5e55",
    ),
)  # fmt: skip
"""What came with version 2 of the wire."""
LIVE: tuple[h.LiveEvent, ...] = (
    h.Waveform(
        stream_id=STREAM, kind=e.SignalKind.ECG, t_ns=9, sample_period_ns=7_692_307.5, values=(0.5, -0.25, 120.0)
    ),
    e.PhaseChange(t_ns=60_000_000_000, phase=e.Phase.PRACTICE, pacer=PACER),
)
LIVE_LATER: tuple[h.LiveEvent, ...] = (
    d.BreathPause(t_ns=9, end_ns=20, emitted_ns=21, source=e.SignalKind.RESPIRATION),
    d.SkinRecovery(onset_ns=7, recovered_ns=12, emitted_ns=13),
    d.SlowMetrics(
        t_ns=9,
        emitted_ns=9,
        heart_source=e.SignalKind.ECG,
        breath_source=e.SignalKind.ACCELERATION_Z,
        **dict.fromkeys(d.SlowMetrics.index_names(), WITHHELD) | {"rsa_ms": INDEX},
    ),
    d.HrvWindow(
        t_ns=9, emitted_ns=10, window_s=60.0, n_beats=5, indices={"EDA_Tonic_Mean": 4.5},
        withheld={"time": "expected at least 10 intervals, got 5"},
    ),
    Marker(marker_id="3c0a", t_ns=9, label="door bell"),
    d.SignalQuality(t_ns=9, emitted_ns=10, kind=e.SignalKind.ECG, caution=d.Reason.POWERLINE),
    d.Metrics(
        t_ns=9, emitted_ns=10, heart_rate_bpm=INDEX, rmssd_ms=WITHHELD, breathing_rate_bpm=INDEX, scl_us=INDEX,
        scr_per_min=INDEX, arousal=INDEX, arousal_from=("heart_rate_bpm", "scl_us"),
    ),
)  # fmt: skip
"""Added after the first: the numbers in the older golden frames stay."""


def all_messages() -> dict[str, object]:
    """Name every example after its type (and form, where one type has several)."""
    named: dict[str, object] = {}
    for message in CONTROL:
        form = ".link" if isinstance(message, h.AgentStatus) and BELT in message.sensors else ""
        form += ".token" if getattr(message, "token", None) else ""
        named[f"{type(message).__name__}{form}"] = message
    for seq, event in enumerate(RAW, 1):
        form = ".ppi" if getattr(event, "usable", None) else ""
        named[f"Data.{type(event).__name__}{form}"] = h.Data(seq=seq, event=event)
    for seq, live_event in enumerate((*DERIVED, *LIVE, *LIVE_LATER), 1):
        name = f"Live.{type(live_event).__name__}"
        name += ".rr" if getattr(live_event, "source", None) is e.SignalKind.RR else ""
        name += ".withheld" if getattr(live_event, "withheld", None) else ""
        name += ".from" if getattr(live_event, "arousal_from", None) else ""
        name += ".caution" if getattr(live_event, "caution", None) else ""
        named[name] = h.Live(seq=seq, event=live_event, ledger=LEDGER)
    for message in CONTROL_2:
        form = ".held" if getattr(message, "ledger", None) and message.ledger.held else ""  # type: ignore[attr-defined]
        named[f"{type(message).__name__}.2{form}"] = message
    return named


@pytest.fixture(params=all_messages().items(), ids=lambda item: item[0])
def named_message(request: pytest.FixtureRequest) -> tuple[str, object]:
    """One (name, message) at a time."""
    named: tuple[str, object] = request.param
    return named


@pytest.fixture
def metrics_message() -> h.Live:
    """The frame with the most fields."""
    return h.Live(seq=1, event=DERIVED[5], ledger=LEDGER)

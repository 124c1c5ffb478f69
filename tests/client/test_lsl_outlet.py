"""LSL streams as another program of the laboratory finds and reads them."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from becalm_client.outlets import lsl_outlet
from becalm_client.outlets.lsl_outlet import LslOutlet
from becalm_protocol.derived import BreathPhase, BreathTurn, Index, Metrics, Reason
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import Clock, SignalKind, StreamInfo
from becalm_protocol.handshake import Live, LiveEvent, SessionPhase, SessionView, Source, Waveform

S = 10**9
WITHIN_S = 10.0


def info(kind: SignalKind, unit: str, rate_hz: float | None) -> StreamInfo:
    return StreamInfo(
        stream_id=f"{kind.value} of tests", kind=kind, unit=unit, unit_per_count=1.0, sample_rate_hz=rate_hz,
        clock=Clock.DEVICE, device="tests",
    )  # fmt: skip


VIEW = SessionView(
    session_id="5e55", phase=SessionPhase.BASELINE, source=Source.LIVE, baseline_s=60.0,
    streams=(
        info(SignalKind.ECG, "uV", 130.0),
        info(SignalKind.RR, "1/1024 s", None),
        info(SignalKind.RESPIRATION, "N", 25.0),
    ),
)  # fmt: skip


def live(event: LiveEvent) -> Live:
    return Live(seq=1, event=event, session_id="5e55")


@pytest.fixture
def outlet(lsl: Any) -> Iterator[LslOutlet]:
    """An outlet in a session that began 100 s ago."""
    began_s = lsl.local_clock() - 100.0
    made = LslOutlet(session_now_ns=lambda: round((lsl.local_clock() - began_s) * S))
    made.take(VIEW)
    yield made
    made.close()


def inlet(lsl: Any, source_id: str) -> Any:
    found = lsl.resolve_byprop("source_id", source_id, timeout=WITHIN_S)
    assert found, source_id
    opened = lsl.StreamInlet(found[0])
    opened.open_stream(timeout=WITHIN_S)
    return opened


def test_streams_have_names_units_and_rates(lsl: Any, outlet: LslOutlet) -> None:
    described = inlet(lsl, "ecg of tests").info(timeout=WITHIN_S)
    assert (described.name(), described.type(), described.nominal_srate()) == ("becalm ecg", "ECG", 130.0)
    channel = described.desc().child("channels").child("channel")
    assert (channel.child_value("label"), channel.child_value("unit")) == ("ECG", "microvolts")
    assert described.desc().child_value("session_id") == "5e55"
    belt = inlet(lsl, "respiration of tests").info(timeout=WITHIN_S)
    assert (belt.type(), belt.desc().child("channels").child("channel").child_value("unit")) == ("Respiration", "N")
    metrics = inlet(lsl, "5e55 metrics").info(timeout=WITHIN_S)
    assert (metrics.channel_count(), metrics.nominal_srate()) == (2 * len(Metrics.index_names()), 4.0)
    assert lsl.resolve_byprop("source_id", "rr of tests", timeout=0.2) == []


def test_samples_stand_at_their_session_time(lsl: Any, outlet: LslOutlet) -> None:
    reader = inlet(lsl, "ecg of tests")
    values = tuple(float(k) for k in range(26))
    outlet.take(
        live(
            Waveform(
                stream_id="ecg of tests", kind=SignalKind.ECG, t_ns=99 * S, sample_period_ns=S / 130, values=values
            )
        )
    )
    got: list[float] = []
    stamps_s: list[float] = []
    while len(got) < len(values):
        sample, stamp_s = reader.pull_sample(timeout=WITHIN_S)
        assert sample is not None
        got += sample
        stamps_s.append(stamp_s)
    assert got == list(values)
    first_ago_s = lsl.local_clock() - stamps_s[0]
    assert 0.9 < first_ago_s < 1.0 + WITHIN_S  # session second 99 of 100, and what the test took
    assert stamps_s[-1] - stamps_s[0] == pytest.approx(25 / 130, abs=1e-3)


def test_indices_and_events_have_streams_too(lsl: Any, outlet: LslOutlet) -> None:
    metrics, events = inlet(lsl, "5e55 metrics"), inlet(lsl, "5e55 events")
    withheld: dict[str, Any] = dict.fromkeys(Metrics.index_names(), Index(reason=Reason.BASELINE))
    known = Index(value=61.5, bound=0.5, sample_ns=S)
    outlet.take(live(Metrics(t_ns=99 * S, emitted_ns=99 * S, **withheld | {"heart_rate_bpm": known})))
    row, stamp_s = metrics.pull_sample(timeout=WITHIN_S)
    assert row[:2] == [61.5, 0.5]
    assert all(math.isnan(number) for number in row[2:])
    outlet.take(live(BreathTurn(t_ns=99 * S, emitted_ns=99 * S, phase=BreathPhase.OUT)))
    marker, marker_s = events.pull_sample(timeout=WITHIN_S)
    assert marker == ["breath out"]
    assert marker_s == pytest.approx(stamp_s, abs=0.05)


def test_another_session_has_streams_of_its_own(lsl: Any, outlet: LslOutlet) -> None:
    other = SessionView(session_id="07e4", phase=SessionPhase.BASELINE, source=Source.LIVE, baseline_s=60.0)
    outlet.take(other)
    inlet(lsl, "07e4 metrics")
    outlet.take(live(BreathTurn(t_ns=99 * S, emitted_ns=99 * S, phase=BreathPhase.OUT)))
    assert outlet.n_sent == 0


def test_before_session_time_is_known_nothing_is_given_a_wrong_one(lsl: Any) -> None:
    outlet = LslOutlet(session_now_ns=lambda: None)
    outlet.take(VIEW)
    outlet.take(live(BreathTurn(t_ns=99 * S, emitted_ns=99 * S, phase=BreathPhase.OUT)))
    assert (outlet.n_sent, outlet.n_untimed) == (0, 1)
    outlet.close()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsl_outlet, "pylsl", None)
    with pytest.raises(ConfigError, match=r"becalm\[lsl\]"):
        LslOutlet(session_now_ns=lambda: None)

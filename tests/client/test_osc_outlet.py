"""OSC messages as another program reads them off a real socket."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from becalm_client.link import Ending, Link, LinkChange
from becalm_client.outlets import osc_outlet
from becalm_client.outlets.osc_outlet import MAX_VALUES, OscOutlet
from becalm_protocol.derived import (
    Beat,
    BeatFlag,
    Breath,
    BreathPhase,
    BreathTurn,
    Index,
    Metrics,
    Reason,
    SignalQuality,
    SkinResponse,
)
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import Clock, Gap, GapReason, SignalKind, StreamInfo
from becalm_protocol.handshake import Live, LiveEvent, SessionPhase, SessionView, Source, Waveform
from becalm_protocol.live import Ages

osc_message = pytest.importorskip("pythonosc.osc_message", reason="python-osc, of the extra `osc`, is not installed")
S = 10**9
VIEW = SessionView(
    session_id="5e55", phase=SessionPhase.PRACTICE, source=Source.LIVE, baseline_s=60.0,
    streams=(
        StreamInfo(stream_id="strap", kind=SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=130.0,
                   clock=Clock.DEVICE, device="strap"),
    ),
)  # fmt: skip


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A program that listens on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.bind(("127.0.0.1", 0))
        plug.settimeout(10.0)
        yield plug


@pytest.fixture
def outlet(listener: socket.socket) -> Iterator[OscOutlet]:
    made = OscOutlet(host="127.0.0.1", port=listener.getsockname()[1])
    yield made
    made.close()


def heard(listener: socket.socket) -> tuple[str, list[Any]]:
    message = osc_message.OscMessage(listener.recv(65_536))
    return message.address, message.params


def live(event: LiveEvent) -> Live:
    return Live(seq=1, event=event, session_id="5e55")


@pytest.mark.parametrize(
    ("told", "address", "arguments"),
    [
        (LinkChange(link=Link.LOST, ending=Ending.SILENT), "/becalm/link", ["lost"]),
        (VIEW, "/becalm/session", ["5e55", "practice"]),
        (
            live(Beat(beat_idx=3, t_ns=2 * S, emitted_ns=2 * S, source=SignalKind.ECG, rr_ms=980.0,
                      rr_corrected_ms=981.5, flag=BeatFlag.OK, confirmed=True)),
            "/becalm/beat", ["ecg", 2.0, 981.5, 1, "ok"],
        ),
        (live(BreathTurn(t_ns=S, emitted_ns=S, phase=BreathPhase.IN)), "/becalm/breath_turn", ["in", 1.0]),
        (live(Breath(t_ns=S, emitted_ns=S, breathing_rate_bpm=6.0, depth=1.5)), "/becalm/breath", [1.0, 6.0, 1.5]),
        (
            live(SkinResponse(onset_ns=S, peak_ns=2 * S, emitted_ns=3 * S, amplitude_us=0.25)),
            "/becalm/skin_response", [1.0, 2.0, 0.25],
        ),
        (live(SignalQuality(t_ns=S, emitted_ns=S, kind=SignalKind.ECG)), "/becalm/quality/ecg", ["usable"]),
        (
            live(SignalQuality(t_ns=S, emitted_ns=S, kind=SignalKind.ECG, reason=Reason.FLAT)),
            "/becalm/quality/ecg", ["flat"],
        ),
    ],
)  # fmt: skip
def test_what_is_told_is_heard(
    outlet: OscOutlet, listener: socket.socket, told: Any, address: str, arguments: list[Any]
) -> None:
    outlet.take(told)
    got_address, got = heard(listener)
    assert got_address == address
    assert got == pytest.approx(arguments) if isinstance(arguments[0], float) else got == arguments
    assert outlet.n_sent == 1


def test_streams_are_called_by_their_signal(outlet: OscOutlet, listener: socket.socket) -> None:
    outlet.take(VIEW)
    heard(listener)
    outlet.take(Ages(session_id="5e55", clock_ns=10 * S, streams={"strap": 9 * S}, events={"metrics": 8 * S}))
    assert [heard(listener), heard(listener)] == [("/becalm/age/ecg", [1.0]), ("/becalm/age/metrics", [2.0])]
    gap = Gap(stream_id="strap", received_ns=3 * S, start_ns=S, end_ns=2 * S, reason=GapReason.LINK_LOST)
    outlet.take(live(gap))
    assert heard(listener) == ("/becalm/gap/ecg", [1.0, 2.0, "link_lost"])


def test_an_index_comes_with_bound_and_time_or_with_the_reason_why_not(
    outlet: OscOutlet, listener: socket.socket
) -> None:
    withheld: dict[str, Any] = dict.fromkeys(Metrics.index_names(), Index(reason=Reason.BASELINE))
    known = Index(value=61.5, bound=0.5, sample_ns=S)
    outlet.take(live(Metrics(t_ns=2 * S, emitted_ns=2 * S, **withheld | {"heart_rate_bpm": known})))
    messages = dict(heard(listener) for _ in Metrics.index_names())
    assert messages.pop("/becalm/metrics/heart_rate_bpm") == [61.5, 0.5, 1.0]
    assert messages == {
        f"/becalm/metrics/{name}/withheld": ["baseline"] for name in Metrics.index_names() if name != "heart_rate_bpm"
    }


def test_a_long_waveform_goes_in_pieces_that_say_when_they_begin(outlet: OscOutlet, listener: socket.socket) -> None:
    values = tuple(k / 4 for k in range(2 * MAX_VALUES + 10))
    outlet.take(live(Waveform(stream_id="strap", kind=SignalKind.ECG, t_ns=S, sample_period_ns=S / 128, values=values)))
    pieces = [heard(listener) for _ in range(3)]
    assert {address for address, _ in pieces} == {"/becalm/waveform/ecg"}
    assert [piece[0] for _, piece in pieces] == [1.0, 3.0, 5.0]
    assert {piece[1] for _, piece in pieces} == {1 / 128}
    assert [value for _, piece in pieces for value in piece[2:]] == list(values)


def test_nobody_listening_costs_nothing(listener: socket.socket) -> None:
    outlet = OscOutlet(host="127.0.0.1", port=listener.getsockname()[1])
    listener.close()
    for _ in range(3):
        outlet.take(VIEW)
    assert outlet.n_sent + outlet.n_refused == 3
    outlet.close()


@pytest.mark.parametrize("prefix", ["", "becalm", "/becalm/", "/be calm", "/be*"])
def test_a_prefix_that_is_none_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="--prefix"):
        OscOutlet(host="127.0.0.1", port=9000, prefix=prefix)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osc_outlet, "OscMessageBuilder", None)
    with pytest.raises(ConfigError, match=r"becalm\[osc\]"):
        OscOutlet(host="127.0.0.1", port=9000)

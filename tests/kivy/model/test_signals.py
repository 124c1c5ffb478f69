"""Live, late, stale, lost and withheld: what the screen says of each signal and value."""

from typing import Any

from tests.kivy.model.conftest import UP, Screen, signal_of

from becalm_kivy import words
from becalm_kivy.pacer import PacerPhase
from becalm_kivy.practice_view import PracticeState
from becalm_kivy.signals import SignalState
from becalm_kivy.traces import Curve
from becalm_protocol.derived import Reason, SignalQuality
from becalm_protocol.events import Battery, Gap, GapReason, SignalKind, StreamState, StreamStatus
from becalm_protocol.handshake import SessionPhase, Source
from becalm_protocol.units import NS_PER_S, ns_from_s


def test_values_that_arrive_are_live(practising: Screen, person: Any) -> None:
    practising.tell_events(
        person.beat(99.5, idx=3),
        person.waveform(SignalKind.RESPIRATION, 99.0, (8.0,) * 10),
        person.waveform(SignalKind.SKIN_CONDUCTANCE, 99.0, (4.0,) * 9),
    )
    view = practising.look(100)
    assert [signal.state for signal in view.signals] == [SignalState.LIVE] * 3
    assert signal_of(view, Curve.HEART).age_ns == ns_from_s(0.5)
    assert view.age_ns == ns_from_s(0.1)
    assert view.draw_ns == ns_from_s(99.1)


def test_what_is_old_is_late_then_stale_and_said_so(practising: Screen, person: Any) -> None:
    practising.tell_events(person.waveform(SignalKind.RESPIRATION, 90.0, (8.0,)))
    states = [signal_of(practising.look(90 + age_s), Curve.BREATH).state for age_s in (1.9, 2.1, 3.9, 4.1, 60)]
    assert states == [SignalState.LIVE, SignalState.LATE, SignalState.LATE, SignalState.STALE, SignalState.STALE]
    notice = practising.look(95).notice
    assert notice is not None
    assert notice.startswith(words.BREATH_STALE)


def test_a_lost_sensor_is_about_the_sensor(practising: Screen, person: Any) -> None:
    practising.tell_events(
        person.beat(99.5, idx=3), StreamStatus(stream_id="ecg", received_ns=0, state=StreamState.LOST)
    )
    view = practising.look(100)
    assert signal_of(view, Curve.HEART).state is SignalState.LOST
    assert view.notice == f"{words.HEART_LOST}\n{words.PRACTICE_GOES_ON}"


def test_a_sensor_that_comes_back_is_live_again(practising: Screen, person: Any) -> None:
    lost = StreamStatus(stream_id="ecg", received_ns=0, state=StreamState.LOST)
    back = StreamStatus(stream_id="ecg", received_ns=0, state=StreamState.STREAMING)
    practising.tell_events(lost, back, person.beat(99.5, idx=3))
    view = practising.look(100)
    assert signal_of(view, Curve.HEART).state is SignalState.LIVE
    assert view.notice is None


def test_an_unclear_signal_says_what_to_do(practising: Screen, person: Any) -> None:
    noisy = SignalQuality(t_ns=0, emitted_ns=0, kind=SignalKind.SKIN_CONDUCTANCE, reason=Reason.NOISY)
    practising.tell_events(person.waveform(SignalKind.SKIN_CONDUCTANCE, 99.9, (4.0,)), noisy)
    view = practising.look(100)
    assert signal_of(view, Curve.SKIN).state is SignalState.UNCLEAR
    assert view.notice is not None
    assert view.notice.startswith(words.SKIN_UNCLEAR)


def test_a_signal_that_is_marred_says_so_while_it_is_of_use(practising: Screen, person: Any) -> None:
    hum = SignalQuality(t_ns=0, emitted_ns=0, kind=SignalKind.ECG, caution=Reason.POWERLINE)
    practising.tell_events(person.beat(99.5, idx=3), hum)
    view = practising.look(100)
    assert signal_of(view, Curve.HEART).state is SignalState.LIVE
    assert view.notice is not None
    assert view.notice.startswith("Strap: still readable, but mains hum; move away from cables and chargers.")
    practising.tell_events(SignalQuality(t_ns=0, emitted_ns=0, kind=SignalKind.ECG))
    assert practising.look(100).notice is None


def test_battery_and_unknown_streams(practising: Screen) -> None:
    practising.tell_events(
        Battery(stream_id="ecg", received_ns=0, level_pct=12),
        Battery(stream_id="nobody", received_ns=0, level_pct=99),
        StreamStatus(stream_id="nobody", received_ns=0, state=StreamState.LOST),
        Gap(stream_id="nobody", received_ns=0, start_ns=0, end_ns=1, reason=GapReason.SLOW_CLIENT),
    )
    assert [signal.battery_pct for signal in practising.look(1).signals] == [12, 80, 80]


def test_readings_age_and_go_stale(practising: Screen, person: Any) -> None:
    practising.tell_events(person.metrics(100.0))
    fresh, old = practising.look(101).reading("heart_rate_bpm"), practising.look(109).reading("heart_rate_bpm")
    assert fresh is not None
    assert old is not None
    assert (fresh.is_stale, fresh.age_ns, old.is_stale) == (False, NS_PER_S, True)


def test_withheld_values_keep_their_reason(practising: Screen, person: Any) -> None:
    reading = practising.tell_events(person.metrics(100.0)).look(101).reading("scr_per_min")
    assert reading is not None
    assert (reading.index.reason, reading.is_stale) == (Reason.WARMING_UP, False)


def test_older_metrics_never_replace_newer_ones(practising: Screen, person: Any) -> None:
    practising.tell_events(person.metrics(100.0), person.metrics(99.0))
    reading = practising.look(100).reading("scl_us")
    assert reading is not None
    assert reading.age_ns == 0


def test_a_recording_is_never_shown_as_live(screen: Screen, person: Any) -> None:
    session = person.session(SessionPhase.BASELINE, source=Source.REPLAY, has_pacer=False)
    view = screen.tell(UP, person.welcome(session)).look(70)
    assert view.state is PracticeState.REPLAYING
    assert view.is_replay
    assert view.pose.phase is PacerPhase.IDLE
    assert view.sentence == words.REPLAYING


def test_without_session_time_nothing_is_called_now(practising: Screen, person: Any) -> None:
    practising.tell_events(person.metrics(100.0, arousal=40), person.beat(100.0, idx=1))
    view = practising.look(100, knows_time=False)
    assert (view.readings, view.draw_ns, view.settling.word, view.settling.is_stale) == ((), None, None, True)


def test_a_gap_breaks_the_curve(practising: Screen, person: Any) -> None:
    practising.tell_events(
        person.waveform(SignalKind.RESPIRATION, 90.0, (1.0,) * 6),
        Gap(
            stream_id="belt",
            received_ns=0,
            start_ns=ns_from_s(90.5),
            end_ns=ns_from_s(90.9),
            reason=GapReason.LINK_LOST,
        ),
        person.waveform(SignalKind.RESPIRATION, 90.9, (1.0,) * 6),
    )
    assert len(practising.model.traces.rings[Curve.BREATH].segments(0, ns_from_s(100))) == 2

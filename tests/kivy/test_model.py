from typing import Any

import pytest

from becalm_kivy import words
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.model import PracticeModel
from becalm_kivy.pacer import PacerPhase
from becalm_kivy.practice_view import PracticeState, PracticeView
from becalm_kivy.signals import SignalState, SignalView
from becalm_kivy.summary import Outcome
from becalm_kivy.traces import Curve
from becalm_protocol.derived import Reason, SignalQuality
from becalm_protocol.events import Battery, Gap, GapReason, Phase, PhaseChange, SignalKind, StreamState, StreamStatus
from becalm_protocol.handshake import AgentPresence, Ledger, Live, SessionPhase, Source
from becalm_protocol.units import NS_PER_S, ns_from_s

UP = LinkState(link=Link.CONNECTED, sentence=words.CONNECTED)
DOWN = LinkState(link=Link.LOST, sentence=words.SERVER_GONE)


class Screen:
    """A model whose local clock is `LOCAL_AHEAD_S` ahead of session time."""

    LOCAL_AHEAD_S = 1000.0

    def __init__(self, person: Any) -> None:
        self.model = PracticeModel()
        self.person = person

    def tell(self, *messages: Any, at_s: float = 0.0) -> "Screen":
        for message in messages:
            self.model.apply(message, now_ns=ns_from_s(at_s + self.LOCAL_AHEAD_S))
        return self

    def tell_events(self, *events: Any, at_s: float = 0.0) -> "Screen":
        return self.tell(*(self.person.live(event) for event in events), at_s=at_s)

    def look(self, at_s: float, *, knows_time: bool = True) -> PracticeView:
        session_ns = ns_from_s(at_s) if knows_time else None
        return self.model.look(now_ns=ns_from_s(at_s + self.LOCAL_AHEAD_S), session_ns=session_ns)


@pytest.fixture
def screen(person: Any) -> Screen:
    return Screen(person)


@pytest.fixture
def practising(screen: Screen, person: Any) -> Screen:
    return screen.tell(UP, person.welcome(person.session(SessionPhase.PRACTICE)))


def signal_of(view: PracticeView, curve: Curve) -> SignalView:
    return next(signal for signal in view.signals if signal.curve is curve)


def test_before_any_server_the_link_speaks(screen: Screen) -> None:
    screen.tell(LinkState(link=Link.LOST, sentence=words.SERVER_SILENT))
    view = screen.look(5)
    assert (view.state, view.sentence) == (PracticeState.NO_SERVER, words.SERVER_SILENT)


def test_without_an_agent_it_says_what_to_start(screen: Screen, person: Any) -> None:
    view = screen.tell(UP, person.welcome(agent=False, sensors=())).look(0)
    assert view.state is PracticeState.NO_AGENT
    assert "becalm agent" in view.sentence


def test_an_agent_without_sensors(screen: Screen, person: Any) -> None:
    assert screen.tell(UP, person.welcome(sensors=())).look(0).state is PracticeState.SENSOR_NOT_FOUND


def test_lost_sensors_are_not_found(screen: Screen, person: Any) -> None:
    view = screen.tell(UP, person.welcome(sensors=person.sensors(StreamState.LOST))).look(0)
    assert view.state is PracticeState.SENSOR_NOT_FOUND
    assert signal_of(view, Curve.SKIN).state is SignalState.LOST


def test_sensors_found_and_their_batteries(screen: Screen, person: Any) -> None:
    view = screen.tell(UP, person.welcome(sensors=person.sensors(StreamState.READY))).look(0)
    assert view.state is PracticeState.READY
    assert [(signal.state, signal.battery_pct) for signal in view.signals] == [(SignalState.FOUND, 80)] * 3


def test_waiting_for_the_sensors(screen: Screen, person: Any) -> None:
    view = screen.tell(UP, person.welcome(), person.session(SessionPhase.WAITING)).look(0, knows_time=False)
    assert view.state is PracticeState.WAITING
    assert view.state.is_under_way


def test_calibrating_tells_the_seconds_left_and_the_pacer_rests(screen: Screen, person: Any) -> None:
    view = screen.tell(UP, person.welcome(person.session(SessionPhase.BASELINE))).look(18)
    assert view.state is PracticeState.CALIBRATING
    assert view.seconds_left == pytest.approx(42)
    assert view.pose.phase is PacerPhase.IDLE


def test_practice_begins_by_the_own_clock_even_when_the_word_never_comes(screen: Screen, person: Any) -> None:
    screen.tell(UP, person.welcome(person.session(SessionPhase.BASELINE))).tell(DOWN, at_s=50)
    view = screen.look(61)
    assert view.state is PracticeState.PRACTISING
    assert view.pose.phase is PacerPhase.IN


def test_the_pacer_starts_where_session_time_says(practising: Screen) -> None:
    pose = practising.look(75).pose  # 15 s into practice: one cycle of 10 s, then 5 s: 1 s into breathing out
    assert (pose.phase, pose.n_turns) == (PacerPhase.OUT, 3)
    assert pose.seconds_left == pytest.approx(5)


def test_the_pacer_goes_on_without_server_and_sensors(practising: Screen, person: Any) -> None:
    practising.look(75)
    practising.tell(DOWN, AgentPresence(agent_connected=False, sensors=()), at_s=75)
    view = practising.look(83, knows_time=False)
    assert view.state is PracticeState.PRACTISING
    assert (view.pose.phase, view.pose.n_turns) == (PacerPhase.IN, 4)
    assert view.notice is not None
    assert words.LINK_LOST in view.notice


def test_what_is_not_stored_yet_is_told_until_it_is(practising: Screen, person: Any) -> None:
    event = Battery(stream_id="s", received_ns=NS_PER_S, level_pct=87)
    for held, told in ((None, None), (True, words.NOT_STORED_YET), (None, None)):
        ledger = Ledger(sample_ns=1, received_ns=2, accepted_ns=3, published_ns=4, held=held)
        practising.tell(Live(seq=1, event=event, ledger=ledger), at_s=70)
        notice = practising.look(71).notice
        assert notice == (told and f"{told}\n{words.PRACTICE_GOES_ON}")


def test_a_link_that_is_soon_back_is_not_mentioned(practising: Screen) -> None:
    practising.tell(DOWN, at_s=75)
    assert practising.look(75.5).notice is None
    assert practising.look(77).notice is not None


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


def test_the_end_shows_a_summary_until_it_is_read(practising: Screen, person: Any) -> None:
    for second in range(60, 300):
        practising.tell_events(person.metrics(float(second), arousal=60 - (second - 60) / 8))
    practising.tell(person.session(SessionPhase.ENDED))
    view = practising.look(301)
    assert view.state is PracticeState.ENDED
    assert view.summary is not None
    assert view.summary.outcome is Outcome.EASED
    practising.model.dismiss_summary()
    assert practising.look(302).state is PracticeState.READY


def test_baseline_is_no_part_of_the_summary(screen: Screen, person: Any) -> None:
    screen.tell(UP, person.welcome(person.session(SessionPhase.BASELINE)))
    for second in range(50):
        screen.tell_events(person.metrics(float(second)))
    screen.tell(person.session(SessionPhase.ENDED))
    summary = screen.look(50).summary
    assert summary is not None
    assert (summary.outcome, summary.curve) == (Outcome.NO_PRACTICE, ())


def test_a_session_that_ended_while_the_link_was_away_has_ended(practising: Screen, person: Any) -> None:
    practising.tell(DOWN, at_s=100).tell(UP, person.welcome(), at_s=130)
    assert practising.look(130).state is PracticeState.ENDED


def test_leaving_without_the_server(practising: Screen) -> None:
    practising.tell(DOWN, at_s=100)
    practising.model.leave_session()
    assert practising.look(101).state is PracticeState.ENDED


def test_another_session_begins_with_a_clean_page(practising: Screen, person: Any) -> None:
    practising.tell_events(person.beat(99.0, idx=1), person.metrics(99.0, arousal=30))
    practising.tell(person.session(SessionPhase.BASELINE, session_id="07e4"))
    view = practising.look(1)
    assert len(practising.model.traces.rings[Curve.HEART]) == 0
    assert (view.settling.level, view.readings, view.age_ns) == (None, (), None)


def test_a_phase_change_brings_its_pacer(screen: Screen, person: Any) -> None:
    screen.tell(UP, person.welcome(person.session(SessionPhase.BASELINE, has_pacer=False)))
    change = PhaseChange(t_ns=person.pacer.started_ns, phase=Phase.PRACTICE, pacer=person.pacer)
    screen.tell_events(change).tell(person.session(SessionPhase.PRACTICE, has_pacer=False))
    screen.tell_events(change)
    assert screen.look(75).pose.n_turns == 3


def test_a_recording_is_never_shown_as_live(screen: Screen, person: Any) -> None:
    session = person.session(SessionPhase.BASELINE, source=Source.REPLAY, has_pacer=False)
    view = screen.tell(UP, person.welcome(session)).look(70)
    assert view.state is PracticeState.REPLAYING
    assert view.is_replay
    assert view.pose.phase is PacerPhase.IDLE
    assert view.sentence == words.REPLAYING


def test_the_pacer_runs_alone_without_any_server(screen: Screen) -> None:
    screen.model.start_alone(now_ns=ns_from_s(Screen.LOCAL_AHEAD_S))
    view = screen.look(5, knows_time=False)
    assert (view.state, view.pose.phase) == (PracticeState.ALONE, PacerPhase.OUT)
    assert view.elapsed_s == pytest.approx(5)
    screen.model.stop_alone()
    assert screen.look(6, knows_time=False).pose.phase is PacerPhase.IDLE


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

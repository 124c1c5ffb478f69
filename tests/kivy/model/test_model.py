"""What the screen says of link, agent, sensors and session, from the frames of a server and the passing of time."""

from dataclasses import replace
from typing import Any

import pytest
from tests.kivy.model.conftest import DOWN, UP, Screen, signal_of

from becalm_kivy import figures, words
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.pacer import PacerPhase
from becalm_kivy.practice_view import PracticeState
from becalm_kivy.signals import SignalState
from becalm_kivy.summary import Outcome
from becalm_kivy.traces import Curve
from becalm_protocol.events import Battery, Phase, PhaseChange, StreamState
from becalm_protocol.handshake import AgentPresence, Ledger, Live, SessionPhase
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_signal.arousal import FEATURES


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


def test_what_arousal_is_made_of_is_told_while_it_is(practising: Screen, person: Any) -> None:
    practising.tell_events(person.metrics(100.0))
    assert figures.arousal_from_text(practising.look(101)) == "From heart rate, skin level"
    practising.tell_events(replace(person.metrics(101.0), arousal_from=("heart_rate_bpm", "of_a_later_server")))
    assert figures.arousal_from_text(practising.look(101)) == "From heart rate, of_a_later_server"
    assert figures.arousal_from_text(practising.look(140)) == ""
    practising.tell_events(replace(person.metrics(141.0), arousal_from=None))  # an older server
    assert figures.arousal_from_text(practising.look(141)) == ""


def test_every_feature_has_a_name() -> None:
    assert set(figures._FEATURES) == {feature.name for feature in FEATURES}


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


def test_the_pacer_runs_alone_without_any_server(screen: Screen) -> None:
    screen.model.start_alone(now_ns=ns_from_s(Screen.LOCAL_AHEAD_S))
    view = screen.look(5, knows_time=False)
    assert (view.state, view.pose.phase) == (PracticeState.ALONE, PacerPhase.OUT)
    assert view.elapsed_s == pytest.approx(5)
    screen.model.stop_alone()
    assert screen.look(6, knows_time=False).pose.phase is PacerPhase.IDLE

"""The practice as the client knows it: messages in, one plain view out. No window, no network, no clock of its own."""

from becalm_kivy import sentences
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.pacer import PacerClock
from becalm_kivy.practice_view import PracticeState, PracticeView, readings
from becalm_kivy.settling import Settling
from becalm_kivy.signals import Signals
from becalm_kivy.summary import Summary, SummaryBook
from becalm_kivy.traces import CURVE_OF_KIND, Curve, Traces
from becalm_protocol.derived import Beat, Metrics, SignalQuality, SlowMetrics
from becalm_protocol.events import Battery, Gap, Pacer, Phase, PhaseChange, StreamStatus
from becalm_protocol.handshake import (
    AgentPresence,
    ClientWelcome,
    Live,
    LiveEvent,
    ServerToClient,
    SessionPhase,
    SessionView,
    Source,
    Waveform,
)
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s

# What the slowest of the usual sensors needs: a strap's ECG packet spans 561 ms.
DEFAULT_PLAYOUT_DELAY_NS = 900 * NS_PER_MS
# A link that is back within a second was hardly away: nobody is told.
LINK_GRACE_NS = NS_PER_S
_UNDER_WAY = {SessionPhase.WAITING, SessionPhase.BASELINE, SessionPhase.PRACTICE}


class PracticeModel:
    """Follows one server; `apply` every message of a `Feed`, `look` at every frame."""

    def __init__(self) -> None:
        self.traces = Traces()
        self._signals = Signals()
        self._settling = Settling()
        self._summary_book = SummaryBook()
        self._pacer = PacerClock()
        self._link = LinkState(link=Link.CONNECTING, sentence="")
        self._link_since_ns = 0
        self._agent_connected = False
        self._playout_delay_ns = DEFAULT_PLAYOUT_DELAY_NS
        self._session: SessionView | None = None
        self._phase: SessionPhase | None = None
        self._session_pacer: Pacer | None = None
        self._practice_started_ns: int | None = None
        self._newest_ns = 0
        self._is_held = False
        self._metrics: Metrics | None = None
        self._summary: Summary | None = None
        self._alone_since_ns: int | None = None

    def apply(self, message: ServerToClient | LinkState, *, now_ns: int) -> None:
        """Take one message that arrived at the local time `now_ns`."""
        match message:
            case LinkState():
                self._link, self._link_since_ns = message, now_ns
            case ClientWelcome():
                self._playout_delay_ns = round(message.playout_delay_ms * NS_PER_MS)
                self._set_agent(message.agent_connected, message)
                self._set_session(message.session)
            case SessionView():
                self._set_session(message)
            case AgentPresence():
                self._set_agent(message.agent_connected, message)
            case Live():
                self._apply_live(message)

    def start_alone(self, *, now_ns: int) -> None:
        """Run the pacer on this device alone, without a session."""
        self._alone_since_ns = now_ns
        self._pacer.start_alone(now_ns=now_ns)

    def stop_alone(self) -> None:
        """Stop the pacer that runs alone."""
        self._alone_since_ns = None
        self._pacer.stop()

    def leave_session(self) -> None:
        """End the session for this client alone: the server cannot be told."""
        if self._phase in _UNDER_WAY:
            self._end_session()

    def dismiss_summary(self) -> None:
        """The person has read the summary."""
        self._summary = None

    def look(self, *, now_ns: int, session_ns: int | None) -> PracticeView:
        """Return what to show at the local time `now_ns`, which is `session_ns` in the session."""
        clock_ns = session_ns if self._phase in _UNDER_WAY else None
        state = self._state(clock_ns)
        self._run_pacer(state, now_ns=now_ns, session_ns=clock_ns)
        signals = tuple(self._signals.view(curve, session_ns=clock_ns) for curve in Curve)
        newest_ns = self._signals.newest_ns()
        is_linked = self._link.link is Link.CONNECTED or now_ns - self._link_since_ns < LINK_GRACE_NS
        return PracticeView(
            state=state,
            session_id=self._session.session_id if self._session and self._phase in _UNDER_WAY else None,
            is_linked=is_linked,
            is_replay=self._is_replay,
            sentence=sentences.main(state, link_sentence=self._link.sentence),
            notice=sentences.notice(
                state,
                is_linked=is_linked,
                has_agent=self._agent_connected,
                signals=signals,
                is_held=self._is_held,
            ),
            elapsed_s=self._elapsed_s(state, now_ns=now_ns, session_ns=clock_ns),
            seconds_left=self._seconds_left(state, clock_ns),
            pose=self._pacer.pose(now_ns),
            settling=self._settling.view(clock_ns),
            signals=signals,
            readings=readings(self._metrics, session_ns=clock_ns) if clock_ns is not None else (),
            arousal_from=() if self._metrics is None or clock_ns is None else self._metrics.arousal_from or (),
            age_ns=None if clock_ns is None or newest_ns is None else max(0, clock_ns - newest_ns),
            playout_delay_ns=self._playout_delay_ns,
            draw_ns=None if clock_ns is None else clock_ns - self._playout_delay_ns,
            summary=self._summary,
        )

    # ------------------------------------------------------------------------------------------------- messages
    def _set_agent(self, connected: bool, told: AgentPresence | ClientWelcome) -> None:
        self._agent_connected = connected
        self._signals.set_sensors(told.sensors)

    def _set_session(self, session: SessionView | None) -> None:
        if session is None:
            if self._phase in _UNDER_WAY:  # it ended while the link was gone
                self._end_session()
            return
        if self._session is None or session.session_id != self._session.session_id:
            self._begin_session()
        self._session = session
        self._signals.set_streams(session.streams)
        self._session_pacer = session.pacer
        self._set_phase(session.phase)

    def _begin_session(self) -> None:
        self.traces.clear()
        self._signals.begin_session()
        self._settling.clear()
        self._summary_book.clear()
        self._pacer.stop()
        self._metrics = self._summary = self._practice_started_ns = self._phase = self._alone_since_ns = None
        self._newest_ns = 0
        self._is_held = False

    def _set_phase(self, phase: SessionPhase) -> None:
        if phase is self._phase:
            return
        was_under_way = self._phase in _UNDER_WAY
        self._phase = phase
        if phase is SessionPhase.PRACTICE and self._practice_started_ns is None:
            self._practice_started_ns = self._session_pacer.started_ns if self._session_pacer else self._newest_ns
        if phase is SessionPhase.ENDED and was_under_way:
            self._end_session()

    def _end_session(self) -> None:
        self._phase = SessionPhase.ENDED
        self._pacer.stop()
        self._summary = self._summary_book.close(
            practice_started_ns=self._practice_started_ns, ended_ns=self._newest_ns
        )

    def _apply_live(self, live: Live) -> None:
        if live.ledger is not None:
            self._newest_ns = max(self._newest_ns, live.ledger.sample_ns)
            self._is_held = bool(live.ledger.held)
        self._apply_event(live.event)

    def _apply_event(self, event: LiveEvent) -> None:
        match event:
            case Metrics() | SlowMetrics():
                self._apply_metrics(event)
            case Beat():
                self._signals.add_sample(event.source, event.t_ns)
                self.traces.add_beat(event)
            case Waveform():
                end_ns = event.t_ns + round(max(0, len(event.values) - 1) * event.sample_period_ns)
                self._signals.add_sample(event.kind, end_ns)
                self.traces.add_waveform(event)
            case PhaseChange(phase=Phase.PRACTICE):
                self._session_pacer = event.pacer or self._session_pacer
                self._practice_started_ns = event.t_ns
            case SignalQuality():
                self._signals.set_quality(event)
            case StreamStatus():
                self._signals.set_state(event.stream_id, event.state)
            case Battery():
                self._signals.set_battery(event.stream_id, event.level_pct)
            case Gap():
                kind = self._signals.kind_of(event.stream_id)
                if kind is not None and (curve := CURVE_OF_KIND.get(kind)) is not None:
                    self.traces.add_gap(event, curve)

    def _apply_metrics(self, metrics: Metrics | SlowMetrics) -> None:
        if isinstance(metrics, SlowMetrics):
            self._summary_book.compare(metrics.subsidence)
            return
        if self._metrics is not None and metrics.t_ns < self._metrics.t_ns:
            return
        self._metrics = metrics
        self._newest_ns = max(self._newest_ns, metrics.t_ns)
        self._settling.add(metrics.arousal, t_ns=metrics.t_ns)
        if self._practice_started_ns is not None and metrics.t_ns >= self._practice_started_ns:
            self._summary_book.add(metrics.arousal, t_ns=metrics.t_ns)

    # --------------------------------------------------------------------------------------------------- looking
    @property
    def _is_replay(self) -> bool:
        return self._session is not None and self._phase in _UNDER_WAY and self._session.source is Source.REPLAY

    def _state(self, session_ns: int | None) -> PracticeState:
        if self._summary is not None:
            return PracticeState.ENDED
        if self._alone_since_ns is not None:
            return PracticeState.ALONE
        if self._phase in _UNDER_WAY:
            return self._session_state(session_ns)
        if self._link.link is not Link.CONNECTED:
            return PracticeState.NO_SERVER
        if not self._agent_connected:
            return PracticeState.NO_AGENT
        return PracticeState.READY if self._signals.any_found else PracticeState.SENSOR_NOT_FOUND

    def _session_state(self, session_ns: int | None) -> PracticeState:
        if self._phase is SessionPhase.WAITING:
            return PracticeState.WAITING
        if self._phase is SessionPhase.BASELINE and not self._baseline_is_over(session_ns):
            return PracticeState.CALIBRATING
        has_pacer = self._session_pacer is not None or not self._is_replay
        return PracticeState.PRACTISING if has_pacer else PracticeState.REPLAYING

    def _baseline_is_over(self, session_ns: int | None) -> bool:
        """The person's own clock may know before the server's word arrives, or when it cannot arrive at all."""
        if session_ns is None or self._session is None:
            return False
        pacer = self._session_pacer
        return session_ns >= (pacer.started_ns if pacer else ns_from_s(self._session.baseline_s))

    def _run_pacer(self, state: PracticeState, *, now_ns: int, session_ns: int | None) -> None:
        if state is not PracticeState.PRACTISING:
            return
        if self._session_pacer is not None:
            self._pacer.follow(self._session_pacer, now_ns=now_ns, session_ns=session_ns)
        elif self._pacer.pacer is None:
            self._pacer.start_alone(now_ns=now_ns)

    def _elapsed_s(self, state: PracticeState, *, now_ns: int, session_ns: int | None) -> float | None:
        if state is PracticeState.ALONE and self._alone_since_ns is not None:
            return (now_ns - self._alone_since_ns) / NS_PER_S
        return None if session_ns is None else max(0.0, session_ns / NS_PER_S)

    def _seconds_left(self, state: PracticeState, session_ns: int | None) -> float | None:
        if state is not PracticeState.CALIBRATING or session_ns is None or self._session is None:
            return None
        end_ns = self._session_pacer.started_ns if self._session_pacer else ns_from_s(self._session.baseline_s)
        return max(0.0, (end_ns - session_ns) / NS_PER_S)

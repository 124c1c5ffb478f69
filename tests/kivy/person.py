"""A made-up person's messages."""

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.events import Clock, Pacer, SignalKind, StreamInfo, StreamState
from becalm_protocol.handshake import (
    ClientWelcome,
    Ledger,
    Live,
    LiveEvent,
    SensorState,
    SessionPhase,
    SessionView,
    Source,
    Waveform,
)
from becalm_protocol.units import NS_PER_S, ns_from_s


class Person:
    """Messages about one made-up person, in session seconds."""

    pacer = Pacer(started_ns=60 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)
    streams = (
        StreamInfo(
            stream_id="ecg",
            kind=SignalKind.ECG,
            unit="uV",
            unit_per_count=1.0,
            sample_rate_hz=130.0,
            clock=Clock.DEVICE,
            device="strap",
        ),
        StreamInfo(
            stream_id="belt",
            kind=SignalKind.RESPIRATION,
            unit="N",
            unit_per_count=0.01,
            sample_rate_hz=10.0,
            clock=Clock.ARRIVAL,
            device="belt",
        ),
        StreamInfo(
            stream_id="skin",
            kind=SignalKind.SKIN_CONDUCTANCE,
            unit="uS",
            unit_per_count=0.001,
            sample_rate_hz=8.0,
            clock=Clock.DEVICE,
            device="skin",
        ),
    )

    def sensors(self, state: StreamState = StreamState.STREAMING) -> tuple[SensorState, ...]:
        return tuple(
            SensorState(device=info.device, kind=info.kind, state=state, battery_pct=80) for info in self.streams
        )

    def session(
        self, phase: SessionPhase, *, session_id: str = "5e55", source: Source = Source.LIVE, has_pacer: bool = True
    ) -> SessionView:
        pacer = self.pacer if has_pacer else None
        return SessionView(
            session_id=session_id, phase=phase, source=source, baseline_s=60.0, pacer=pacer, streams=self.streams
        )

    def welcome(
        self, session: SessionView | None = None, *, agent: bool = True, sensors: tuple[SensorState, ...] | None = None
    ) -> ClientWelcome:
        return ClientWelcome(
            version=1,
            heartbeat_s=2.0,
            playout_delay_ms=900.0,
            session=session,
            sensors=self.sensors() if sensors is None else sensors,
            agent_connected=agent,
        )

    def metrics(self, t_s: float, *, arousal: float | None = 50.0, bound: float = 5.0) -> Metrics:
        t_ns = ns_from_s(t_s)

        def known(level: float) -> Index:
            return Index(value=level, bound=1.0, sample_ns=t_ns)

        index = Index(reason=Reason.BASELINE)
        if arousal is not None:
            index = Index(value=arousal, bound=bound, sample_ns=t_ns)
        return Metrics(
            t_ns=t_ns,
            emitted_ns=t_ns,
            heart_rate_bpm=known(64.0),
            rmssd_ms=known(40.0),
            breathing_rate_bpm=known(6.0),
            scl_us=known(4.2),
            scr_per_min=Index(reason=Reason.WARMING_UP),
            arousal=index,
            arousal_from=None if arousal is None else ("heart_rate_bpm", "scl_us"),
        )

    def beat(
        self,
        t_s: float,
        *,
        idx: int,
        rr_ms: float | None = 900.0,
        confirmed: bool = True,
        flag: BeatFlag = BeatFlag.OK,
        corrected_ms: float | None = None,
    ) -> Beat:
        return Beat(
            beat_idx=idx,
            t_ns=ns_from_s(t_s),
            emitted_ns=ns_from_s(t_s),
            source=SignalKind.ECG,
            rr_ms=rr_ms,
            rr_corrected_ms=corrected_ms,
            flag=flag,
            confirmed=confirmed,
        )

    def waveform(self, kind: SignalKind, t_s: float, values: tuple[float, ...], *, rate_hz: float = 10.0) -> Waveform:
        stream_id = next(info.stream_id for info in self.streams if info.kind is kind)
        return Waveform(
            stream_id=stream_id, kind=kind, t_ns=ns_from_s(t_s), sample_period_ns=NS_PER_S / rate_hz, values=values
        )

    def live(self, event: LiveEvent, *, seq: int = 1, published_s: float | None = None) -> Live:
        if published_s is None:
            return Live(seq=seq, event=event)
        t_ns = ns_from_s(published_s)
        ledger = Ledger(sample_ns=t_ns, received_ns=t_ns, accepted_ns=t_ns, published_ns=t_ns)
        return Live(seq=seq, event=event, ledger=ledger)

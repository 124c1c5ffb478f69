"""The optical stage: samples of one light of a pulse sensor to beats, silent where there is no pulse."""

from collections import deque
from collections.abc import Sequence
from statistics import median

from becalm_protocol.derived import Reason
from becalm_protocol.events import SignalKind
from becalm_signal.clock import StreamClock
from becalm_signal.pulses import PulseDetector, Rise
from becalm_signal.quality import RangeWatch
from becalm_signal.rr import RrFlagger
from becalm_signal.stage import Output, QualityReporter

# Lights of which any shows the pulse; ambient light does not.
LIGHTS = (SignalKind.PPG_1, SignalKind.PPG_2, SignalKind.PPG_3)
WATCH_S = 2.0
# Peakiness, measured: white noise, drift and flicker 1.4 to 1.7 in the median; 15 ICU records 2.4 and more.
GHOST_BELOW = 1.8
PULSE_ABOVE = 2.0
# Noise has no rhythm: most of its intervals are further than this from their median. Atrial fibrillation: few.
ERRATIC_SHARE = 0.3
N_INTERVALS = 8
ERRATIC_FROM = 4
STEADY_FROM = 2
# Noise looks steady for a moment now and then: so many good pulses in a row end it.
N_BACK = 4
# A pulse arrives 0.2 to 0.5 s after its R wave, and not always equally late: against the ECG of 15 ICU records, the
# standard deviation of an interval is 5 ms in the median.
RR_ERROR_MS = 8.0


class PpgStage:
    """Beats, provisional and confirmed, and the quality of one light. `t_ns` is the steepest rise of the pulse.

    Notes
    -----
    Delay of a provisional beat: about 0.15 s; of a confirmed one: one or two beats. Warm-up: 3 s.

    References
    ----------
    Flags: Lipponen & Tarvainen 2019, DOI 10.1080/03091902.2019.1640306.
    """

    def __init__(self, rate_hz: float, *, kind: SignalKind, unit_per_count: float) -> None:
        self._unit_per_count = unit_per_count
        self._tune(rate_hz)
        self._flagger = RrFlagger(kind)
        self._quality = QualityReporter(kind)
        self._rr_ms: deque[float] = deque(maxlen=N_INTERVALS)
        self._ghost = self._erratic = False
        self._n_awaited = 0
        self._origin: int | None = None
        self._newest = 0
        self._before_ns: float | None = None
        """The beat told before."""
        self._pulse_ns: float | None = None
        """The pulse before, told or not."""

    def _tune(self, rate_hz: float) -> None:
        """Begin with samples of this rate."""
        unit_per_count = self._unit_per_count
        self._watch = RangeWatch(
            rate_hz, window_s=WATCH_S, flat_range=2.0 * unit_per_count, unit_per_count=unit_per_count
        )
        self._detector = PulseDetector(rate_hz)

    def restart(self, *, t_ns: int, emitted_ns: int, rate_hz: float | None) -> list[Output]:
        """Begin again after a gap, see `Stage`; open beats are confirmed with what is known."""
        self._watch.restart()
        self._detector.restart()
        self._origin = None
        self._before_ns = self._pulse_ns = None
        confirmed = self._flagger.flush(emitted_ns=emitted_ns)
        if rate_hz is not None:
            self._tune(rate_hz)
            self._flagger.forget()
            self._rr_ms.clear()
        return [*confirmed, *self._quality.change(Reason.SENSOR_LOST, t_ns=t_ns, emitted_ns=emitted_ns)]

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples; see `Stage.feed`."""
        if self._origin is None:
            self._origin = first
        out: list[Output] = []
        for piece in self._watch.pieces(samples):
            out += self._feed(piece, first=first, clock=clock)
            first += len(piece)
        self._newest = first - 1
        return out

    def _feed(self, piece: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples that end with the next judgement of their range, or before it."""
        out: list[Output] = []
        last = first + len(piece) - 1
        for at, x in enumerate(piece, first):
            judged = at == last and self._watch.feed(piece)
            pulses = self._detector.step(x)
            if judged or pulses:
                emitted_ns = clock.session_ns(at)
                for pulse in pulses:
                    out += self._beat(pulse, clock=clock, emitted_ns=emitted_ns)
                out += self._judge(emitted_ns, n_pulses=len(pulses))
        return out

    def finish(self, *, clock: StreamClock) -> list[Output]:
        """Settle the last beats."""
        return [*self._flagger.flush(emitted_ns=clock.session_ns(self._newest))] if self._origin is not None else []

    def _judge(self, t_ns: int, *, n_pulses: int) -> list[Output]:
        peakiness = self._detector.peakiness
        if peakiness > 0.0:
            self._ghost = peakiness < (PULSE_ABOVE if self._ghost else GHOST_BELOW)
        if self._ghost or self._is_erratic() or self._detector.may_miss:
            self._n_awaited = N_BACK
        else:
            self._n_awaited = max(0, self._n_awaited - n_pulses)
        reason = self._watch.reason or (Reason.NOISY if self._n_awaited else None)
        return self._quality.change(reason, t_ns=t_ns, emitted_ns=t_ns)

    def _is_erratic(self) -> bool:
        if len(self._rr_ms) < N_INTERVALS:
            return False
        typical_ms = median(self._rr_ms)
        n_odd = sum(abs(rr_ms - typical_ms) > ERRATIC_SHARE * typical_ms for rr_ms in self._rr_ms)
        self._erratic = n_odd > STEADY_FROM if self._erratic else n_odd >= ERRATIC_FROM
        return self._erratic

    def _beat(self, pulse: Rise, *, clock: StreamClock, emitted_ns: int) -> list[Output]:
        at = (self._origin or 0) + pulse.at
        stream_ns = clock.stream_ns(at)
        rr_ms = None if self._before_ns is None else (stream_ns - self._before_ns) / 1e6
        if self._pulse_ns is not None:
            self._rr_ms.append((stream_ns - self._pulse_ns) / 1e6)
        self._pulse_ns = stream_ns
        if self._quality.reason is not None:
            self._before_ns = None
            return []
        self._before_ns = stream_ns
        return [
            *self._flagger.push(
                clock.session_ns(at),
                rr_ms=rr_ms,
                emitted_ns=emitted_ns,
                t_error_ms=round(clock.error_ns(at) / 1e6, 3),
                rr_error_ms=None if rr_ms is None else RR_ERROR_MS,
            )
        ]

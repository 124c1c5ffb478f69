"""The ECG stage: samples to beats, silent where the signal is no heart."""

import math
from collections.abc import Sequence

from becalm_protocol.derived import Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.bounds import Z_95
from becalm_signal.breath_ecg import QrsLevels
from becalm_signal.clock import StreamClock
from becalm_signal.ecg_cause import NoiseCause
from becalm_signal.ecg_caution import CautionWatch
from becalm_signal.ecg_contact import ContactWatch
from becalm_signal.ecg_plateau import PlateauWatch
from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.ecg_spikes import SpikeGate
from becalm_signal.ecg_tail import TailWatch
from becalm_signal.ecg_timing import TimingWatch
from becalm_signal.ecg_trust import HeartTrust
from becalm_signal.intervals import BEAT_JITTER_MS
from becalm_signal.qrs import QrsDetector
from becalm_signal.qrs_peak import Peak
from becalm_signal.quality import RangeWatch
from becalm_signal.rr import RrFlagger
from becalm_signal.stage import BreathHint, Output, QualityReporter

# An electrode on skin shows more than this in 2 s; an open input less (uV).
FLAT_UV = 20.0
WATCH_S = 2.0
# Peakiness, measured: white, muscle, wandering and powerline noise 1.1-1.9, 17 annotated or ICU records 2.1 and more.
GHOST_BELOW = 1.95
HEART_ABOVE = 2.2
# Known late, an open lead is told of from here on after the last beat.
OFF_AFTER_NS = 300 * NS_PER_MS
# An interval as sure as any needs no error of its own.
USUAL_RR_ERROR_MS = math.sqrt(2.0) * BEAT_JITTER_MS
DEAD = frozenset({Reason.FLAT, Reason.SATURATED})
CAUSES = frozenset({Reason.NOISY, Reason.CLIPPED, Reason.POWERLINE})
# What comes after these may be no heart any more.
DOUBTED = DEAD | {Reason.OFF_BODY}


class EcgStage:
    """Beats, provisional and confirmed, the breath they hint at, and the quality of one ECG stream, 100 to 1000 Hz.

    Notes
    -----
    Delay of a provisional beat: 130 ms, 95 % below 250 ms; of a confirmed one: one or two beats. Warm-up: 2.5 s.

    References
    ----------
    Pan & Tompkins 1985, DOI 10.1109/TBME.1985.325532; Lipponen & Tarvainen 2019, DOI 10.1080/03091902.2019.1640306.
    """

    def __init__(self, rate_hz: float, *, unit_per_count: float, unit: str) -> None:
        self._unit_per_count = unit_per_count
        self._flat_range = max(FLAT_UV if unit == "uV" else 0.0, 2.0 * unit_per_count)
        self._flagger = RrFlagger(SignalKind.ECG)
        self._quality = QualityReporter(SignalKind.ECG)
        self._trust = HeartTrust()
        self._tune(rate_hz)

    def _tune(self, rate_hz: float) -> None:
        """Begin with samples of this rate."""
        unit_per_count = self._unit_per_count
        self._watch = RangeWatch(rate_hz, window_s=WATCH_S, flat_range=self._flat_range, unit_per_count=unit_per_count)
        self._gate = SpikeGate(rate_hz)
        self._detector = QrsDetector(rate_hz)
        self._contact = ContactWatch(rate_hz)
        self._recent = RecentSamples(rate_hz)
        self._cause = NoiseCause(self._recent, unit_per_count=unit_per_count)
        self._plateaus = PlateauWatch(self._recent, unit_per_count=unit_per_count)
        self._caution = CautionWatch(self._recent)
        self._tails = TailWatch(self._recent)
        self._timing = TimingWatch(self._recent)
        self._levels = QrsLevels(self._recent)
        self._breath_begins = True
        self._origin: int | None = None
        self._newest = 0
        self._heard: int | None = None
        """The sample with which those at hand were let through, where that was not their own."""
        self._before_ns: float | None = None
        self._before_error_ms = 0.0
        self._ghost = False
        self._is_doubted = False

    def restart(self, *, t_ns: int, emitted_ns: int, rate_hz: float | None) -> list[Output]:
        """Begin again after a gap, see `Stage`; open beats are confirmed with what is known."""
        self._gate.restart()
        self._watch.restart()
        self._detector.restart()
        self._contact.restart()
        self._plateaus.restart()
        self._caution.restart()
        self._recent.restart()
        self._trust.restart()
        self._tails.restart()
        self._breath_begins = True
        self._origin = None
        self._before_ns = None
        confirmed = self._flagger.flush(emitted_ns=emitted_ns)
        if rate_hz is not None:
            self._tune(rate_hz)
            self._flagger.forget()
        return [*confirmed, *self._quality.change(Reason.SENSOR_LOST, t_ns=t_ns, emitted_ns=emitted_ns)]

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples; see `Stage.feed`."""
        first -= len(self._gate.held)
        if self._origin is None:
            self._origin = first
        out: list[Output] = []
        for run, n_late in self._gate.feed(samples):
            self._newest = first + len(run) - 1
            self._heard = None if n_late is None else self._newest + n_late
            self._take(run, first=first, clock=clock, out=out)
            first = self._newest + 1
        return out

    def finish(self, *, clock: StreamClock) -> list[Output]:
        """Settle the last beats."""
        if self._origin is None:
            return []
        out: list[Output] = []
        self._take(self._gate.held, first=self._newest + 1, clock=clock, out=out)
        emitted_ns = clock.session_ns(self._newest + len(self._gate.held))
        for peak in self._detector.finish():
            out += self._beat(peak, clock=clock, emitted_ns=emitted_ns)
        return [*out, *self._flagger.flush(emitted_ns=emitted_ns)]

    def _take(self, samples: Sequence[float], *, first: int, clock: StreamClock, out: list[Output]) -> None:
        while samples:
            n_taken = self._advance(samples, first=first, clock=clock, out=out)
            samples, first = samples[n_taken:], first + n_taken

    def _advance(self, samples: Sequence[float], *, first: int, clock: StreamClock, out: list[Output]) -> int:
        """Take samples; return how many, fewer where all begins anew."""
        done, origin = 0, self._origin
        for n_taken, peaks in self._detector.feed(samples, stops=self._watch.stops(len(samples))):
            taken = samples[done:n_taken]
            done = n_taken
            self._contact.feed(taken)
            if self._contact.rose_at is not None and self._quality.reason is None:
                out += self._doubt(self._contact.rose_at, clock=clock)
            self._recent.feed(taken)
            judged = self._watch.feed(taken)
            if judged:
                self._caution.segment(is_usable=self._quality.reason is None)
            if judged or peaks:
                out += self._settle(peaks, at=first + n_taken - 1, clock=clock)
                if self._origin != origin:
                    break
        return done

    def _doubt(self, rose_at: int, *, clock: StreamClock) -> list[Output]:
        """Tell of noise that came at once, before it is known whether beats go on in it."""
        self._is_doubted = True
        rose_ns = clock.session_ns((self._origin or 0) + rose_at)
        emitted_ns = rose_ns if self._heard is None else clock.session_ns(self._heard)
        return self._quality.change(Reason.NOISY, t_ns=rose_ns, emitted_ns=emitted_ns)

    def _settle(self, peaks: Sequence[Peak], *, at: int, clock: StreamClock) -> list[Output]:
        emitted_ns = clock.session_ns(at if self._heard is None else self._heard)
        if self._quality.reason in DEAD and self._watch.reason not in DEAD:
            self._begin_anew(at)
            return self._judge(emitted_ns, clock=clock)
        told: list[Peak] = []
        for peak in peaks:
            self._contact.beat(peak.at, is_known=peak.is_known, is_usual=peak.is_usual)
            peak.error_ms = math.hypot(self._plateaus.error_ms(peak.at), self._timing.error_ms(peak.at))
            self._caution.beat(self._plateaus.height, is_cut=self._plateaus.is_cut)
            heard = self._trust.hear(peak)
            if self._ghost and len(heard) > 1:  # how loud it was before says nothing of this heart
                heard = heard[-2:]
                since = at - (self._origin or 0) - heard[0].at
                self._detector.mean_energy.forget(since / self._recent.rate_hz)
            told += heard
            if self._trust.is_trusted:
                self._tails.beat(peak.at, height=peak.height, noise=self._contact.noise)
                if self._tails.recognised_at is not None:
                    self._contact.recognise(self._tails.recognised_at)
        if self._contact.is_off and self._trust.is_trusted:
            self._contact.come_back()
        out = self._judge(emitted_ns, clock=clock)
        for peak in told:
            out += self._beat(peak, clock=clock, emitted_ns=emitted_ns)
        return out

    def _begin_anew(self, at: int) -> None:
        """Begin after a dead lead with what is alive of the samples up to `at`.

        The step from the rail back to the heart is no beat, and levels learned on a dead lead are none.
        """
        alive = self._recent.last(self._watch.n_alive)
        self._detector.begin_anew()
        self._contact.begin_anew()
        self._tails.begin_anew()
        for part in (self._plateaus, self._recent, self._trust):
            part.restart()
        self._ghost = self._is_doubted = False
        self._breath_begins = True
        self._before_ns = None
        self._origin = at + 1 - len(alive)
        list(self._detector.feed(alive))  # shorter than the learning time: there is no peak yet
        self._contact.feed(alive)
        self._recent.feed(alive)

    def _judge(self, t_ns: int, *, clock: StreamClock) -> list[Output]:
        peakiness = self._detector.peakiness
        if peakiness > 0.0:
            self._ghost = peakiness < (HEART_ABOVE if self._ghost else GHOST_BELOW)
        # Rails are louder than any free electrode: they say nothing of the contact.
        contact = None if self._watch.reason in DEAD else self._contact.judge()
        no_heart = self._ghost or self._trust.is_refused
        strange = Reason.POOR_CONTACT if self._tails.is_strange else None
        reason = self._watch.reason or contact or strange or (Reason.NOISY if no_heart else None)
        was = None if self._is_doubted else self._quality.reason
        self._is_doubted = reason is None and self._contact.rose_at is not None
        if self._is_doubted:
            reason = Reason.NOISY
        elif reason is Reason.NOISY:  # told once, as it began
            reason = was if was in CAUSES else self._cause.judge()
        if reason in DOUBTED:
            self._trust.doubt()
            self._before_ns = None
        if contact is not None:
            self._detector.jury.look_anew()
        elif self._trust.is_trusted:
            self._detector.jury.settle_down()
        if self._contact.has_fallen():
            self._detector.begin_levels()
            self._trust.restart()
        since_ns = t_ns
        if self._tails.is_strange and self._tails.known_at is not None:
            self._flagger.disown(after_ns=clock.session_ns((self._origin or 0) + self._tails.known_at))
        if reason is Reason.OFF_BODY and self._contact.silent_since is not None:
            heard_ns = clock.session_ns((self._origin or 0) + self._contact.silent_since)
            self._flagger.disown(after_ns=heard_ns)
            self._flagger.forget_doubted()
            since_ns = min(t_ns, max(heard_ns + OFF_AFTER_NS, self._quality.told_ns + 1))
        return self._quality.change(reason, t_ns=since_ns, emitted_ns=t_ns, caution=self._caution.reason)

    def _beat(self, peak: Peak, *, clock: StreamClock, emitted_ns: int) -> list[Output]:
        is_strange = self._quality.reason is Reason.POOR_CONTACT
        if self._quality.reason is not None and not self._is_doubted:
            self._before_ns = None
            if not is_strange:  # such a beat is told, but no interval ends there
                return []
        at = (self._origin or 0) + peak.at
        stream_ns = clock.stream_ns(at)
        rr_ms = None if self._before_ns is None else (stream_ns - self._before_ns) / 1e6
        self._before_ns = stream_ns
        error_ms = round(math.hypot(clock.error_ns(at) / 1e6, Z_95 * max(BEAT_JITTER_MS, peak.error_ms)), 3)
        rr_error_ms = round(math.hypot(self._before_error_ms, peak.error_ms), 3)
        self._before_error_ms = peak.error_ms
        t_ns = clock.session_ns(at)
        return [
            *self._flagger.push(
                t_ns,
                rr_ms=rr_ms,
                emitted_ns=emitted_ns,
                t_error_ms=error_ms,
                rr_error_ms=rr_error_ms if rr_ms is not None and rr_error_ms > USUAL_RR_ERROR_MS else None,
            ),
            *self._hint(peak.at, t_ns=t_ns, at_s=stream_ns / NS_PER_S, emitted_ns=emitted_ns),
        ]

    def _hint(self, at: float, *, t_ns: int, at_s: float, emitted_ns: int) -> list[Output]:
        levels = self._levels.read(at)
        if levels is None:
            return []
        is_first, self._breath_begins = self._breath_begins, False
        return [BreathHint(t_ns=t_ns, emitted_ns=emitted_ns, at_s=at_s, levels=levels, is_first=is_first)]

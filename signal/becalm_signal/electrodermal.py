"""Skin conductance: slow level, and responses by an absolute threshold."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from becalm_protocol.derived import Reason, SkinResponse
from becalm_protocol.events import SignalKind
from becalm_signal.clock import StreamClock
from becalm_signal.filters import Decimator, OnePole, low_pass
from becalm_signal.stage import Output, QualityReporter, SkinLevel

# Responses rise over 0.5-5 s: 10 samples a second place their onset.
TARGET_RATE_HZ = 10.0
CLEAN_HZ = 1.0
CLEAN_DELAY_S = 0.225
# One pole at 0.05 Hz: time constant and delay 1 / (2 pi 0.05 Hz).
LEVEL_TAU_S = 3.18
LEVEL_EVERY_S = 0.25
# Absolute, in uS: a threshold relative to the window's largest response finds 67 a minute on calm skin.
MIN_AMPLITUDE_US = 0.05
MIN_RISE_S = 0.5
MAX_RISE_S = 5.0
# 0.05 uS in 5 s is the slowest response; drift is slower.
MIN_SLOPE_US_S = 0.01
# Outside these the electrode is off the skin or shorted; faster than this it moved
# (Kleckner 2018, 10.1109/TBME.2017.2758643).
MIN_SKIN_US = 0.05
MAX_SKIN_US = 60.0
MAX_SLOPE_US_S = 10.0
# Worn sensors resolve some 0.01 uS at best; a bound below that would promise too much.
LEAST_BOUND_US = 0.01
# After a jump or lifted finger the level needs this long to mean something again.
SETTLE_S = 2.0


@dataclass(slots=True)
class _Rise:
    onset: int
    onset_us: float
    peak: int
    peak_us: float


class ResponseFinder:
    """Onset and peak of responses in cleaned samples; a response is certain about 0.3 s after its peak."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._step_min = MIN_SLOPE_US_S / rate_hz
        self._hold = max(1, round(0.3 * rate_hz))
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._rise: _Rise | None = None
        self._before: float | None = None
        self._n = -1

    def step(self, y: float) -> _Rise | None:
        """Take one cleaned sample in uS; return a finished response."""
        self._n += 1
        before, self._before = self._before, y
        if before is None:
            return None
        rise = self._rise
        if rise is None:
            if y - before > self._step_min:
                self._rise = _Rise(self._n - 1, before, self._n, y)
            return None
        if y > rise.peak_us + self._step_min:
            rise.peak, rise.peak_us = self._n, y
            if self._n - rise.onset > MAX_RISE_S * self._rate_hz:
                self._rise = _Rise(self._n, y, self._n, y)  # drift, not a response: look on from here
            return None
        if self._n - rise.peak < self._hold and y > rise.peak_us - MIN_AMPLITUDE_US / 2.0:
            return None
        self._rise = None
        rise_s = (rise.peak - rise.onset) / self._rate_hz
        is_response = rise.peak_us - rise.onset_us >= MIN_AMPLITUDE_US and MIN_RISE_S <= rise_s <= MAX_RISE_S
        return rise if is_response else None


class SkinStage:
    """Level, responses and quality of one skin-conductance stream in uS, 4 Hz and more."""

    def __init__(self, rate_hz: float, *, unit_per_count: float) -> None:
        self._decimator = Decimator(max(1, int(rate_hz / TARGET_RATE_HZ)))
        self._rate_hz = rate_hz / self._decimator.factor
        self._least_bound_us = max(LEAST_BOUND_US, unit_per_count)
        self._n_level = max(1, round(LEVEL_EVERY_S * self._rate_hz))
        self._slope_lag = max(1, round(0.1 * rate_hz))
        self._slope_step_us = MAX_SLOPE_US_S * self._slope_lag / rate_hz
        self._n_settle = round(SETTLE_S * rate_hz)
        self._quality = QualityReporter(SignalKind.SKIN_CONDUCTANCE)
        self._responses = ResponseFinder(self._rate_hz)
        self._begin()

    def restart(self, *, t_ns: int, emitted_ns: int) -> list[Output]:
        """Begin again after a gap."""
        self._begin()
        return self._quality.change(Reason.SENSOR_LOST, t_ns=t_ns, emitted_ns=emitted_ns)

    def _begin(self) -> None:
        self._decimator.reset()
        self._begin_filters()
        self._recent: deque[float] = deque(maxlen=self._slope_lag + 1)
        self._origin: int | None = None
        self._bad_until = -1
        self._n = -1

    def _begin_filters(self) -> None:
        self._clean = low_pass(CLEAN_HZ, rate_hz=self._rate_hz)
        self._level = OnePole(tau_s=LEVEL_TAU_S, rate_hz=self._rate_hz)
        self._noise = OnePole(tau_s=LEVEL_TAU_S, rate_hz=self._rate_hz)
        self._responses.restart()
        self._response_base = 0

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples; see `Stage.feed`."""
        if self._origin is None:
            self._origin = first
        out: list[Output] = []
        for at, x in enumerate(samples, first):
            out += self._check(at, x, clock=clock)
            sample = self._decimator.step(x)
            if sample is None:
                continue
            self._n += 1
            if self._quality.reason is None:
                out += self._advance(at, sample, clock=clock)
        return out

    def finish(self, *, clock: StreamClock) -> list[Output]:  # noqa: ARG002  (every stage has this shape)
        """Nothing waits: a rise without its peak is no response."""
        return []

    def _check(self, at: int, x: float, *, clock: StreamClock) -> list[Output]:
        recent = self._recent
        recent.append(x)
        reason = self._quality.reason
        if not MIN_SKIN_US <= x <= MAX_SKIN_US:
            reason, self._bad_until = Reason.OUT_OF_RANGE, at + self._n_settle
        elif abs(x - recent[0]) > self._slope_step_us:
            reason = reason or Reason.NOISY
            self._bad_until = at + self._n_settle
        elif at >= self._bad_until:
            reason = None
        if reason is self._quality.reason:
            return []
        if reason is None:
            self._begin_filters()
            self._response_base = self._n + 1
        now_ns = clock.session_ns(at)
        return self._quality.change(reason, t_ns=now_ns, emitted_ns=now_ns)

    def _advance(self, at: int, sample: float, *, clock: StreamClock) -> list[Output]:
        clean = self._clean.step(sample)
        level = self._level.step(clean)
        noise = self._noise.step(abs(sample - clean))
        out: list[Output] = []
        rise = self._responses.step(clean)
        if rise is not None:
            out.append(self._response(rise, at=at, clock=clock))
        if (self._n - self._response_base) % self._n_level == 0:
            # 1.2533 turns a mean absolute deviation into a standard deviation (normal noise); the rest is the lag.
            bound = self._least_bound_us + 1.96 * 1.2533 * noise + abs(clean - level)
            now_ns = clock.session_ns(at)
            out.append(SkinLevel(t_ns=now_ns, emitted_ns=now_ns, level_us=level, bound_us=bound))
        return out

    def _response(self, rise: _Rise, *, at: int, clock: StreamClock) -> SkinResponse:
        late = CLEAN_DELAY_S * self._rate_hz
        origin, factor = self._origin or 0, self._decimator.factor
        onset, peak = (
            origin + max(0.0, self._response_base + where - late) * factor for where in (rise.onset, rise.peak)
        )
        return SkinResponse(
            onset_ns=clock.session_ns(onset),
            peak_ns=clock.session_ns(peak),
            emitted_ns=clock.session_ns(at),
            amplitude_us=rise.peak_us - rise.onset_us,
        )

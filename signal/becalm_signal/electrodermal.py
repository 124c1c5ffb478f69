"""Skin conductance: slow level, and responses by an absolute threshold."""

from collections.abc import Sequence

from becalm_protocol.derived import Reason, SkinRecovery, SkinResponse
from becalm_protocol.events import SignalKind
from becalm_signal.clock import StreamClock
from becalm_signal.kernels import Decimator
from becalm_signal.skin_contact import SkinContact
from becalm_signal.skin_drying import DryingWatch
from becalm_signal.skin_jerk import JerkWatch
from becalm_signal.skin_level import SkinLevelFilter
from becalm_signal.skin_responses import NOISE_SDS, Found, ResponseFinder, Told
from becalm_signal.skin_rises import MIN_AMPLITUDE_US
from becalm_signal.stage import Output, QualityReporter, SkinLevel

# Responses rise over 0.5-5 s: 10 samples a second place their onset.
TARGET_RATE_HZ = 10.0
LEVEL_EVERY_S = 0.5
# Skin takes seconds for all it does: samples wait until half a second of them is there, and are worked at together.
PIECE_S = 0.5
SCALES_US = {"uS": 1.0, "µS": 1.0, "nS": 1e-3, "mS": 1e3, "S": 1e6}
"""Units that are a conductance; raw counts need a named transfer function where the sensor is read."""


class SkinStage:
    """Level, responses and quality of one skin-conductance stream, 4 to 1000 Hz and more.

    Notes
    -----
    Delay: level, told twice a second, 2.7 s; a response a second after its peak, its recovery when it comes; half a
    second more at most until a piece is whole. Warm-up: a second.

    References
    ----------
    Boucsein 2012, DOI 10.1007/978-1-4614-1126-0.
    """

    def __init__(self, rate_hz: float, *, unit_per_count: float, unit: str) -> None:
        self._scale_us = SCALES_US.get(unit)
        self._count_us = unit_per_count * (self._scale_us or 1.0)
        self._quality = QualityReporter(SignalKind.SKIN_CONDUCTANCE)
        self._drying = DryingWatch()
        self._may_have_moved = False
        """Whether contact was bad since the newest level."""
        self._tune(rate_hz)
        self._begin()

    def _tune(self, rate_hz: float) -> None:
        """Begin with samples of this rate."""
        self._raw_rate_hz = rate_hz
        self._decimator = Decimator(max(1, int(rate_hz / TARGET_RATE_HZ)))
        self._rate_hz = rate_hz / self._decimator.factor
        self._n_piece = max(1, round(PIECE_S * rate_hz))
        self._n_level = max(1, round(LEVEL_EVERY_S * self._rate_hz))
        self._contact = SkinContact(rate_hz, count_us=self._count_us)
        self._jerks = JerkWatch(self._rate_hz)
        self._level = SkinLevelFilter(self._rate_hz, least_bound_us=self._count_us)
        self._responses = ResponseFinder(self._rate_hz)

    def restart(self, *, t_ns: int, emitted_ns: int, rate_hz: float | None) -> list[Output]:
        """Begin again after a gap, see `Stage`."""
        if rate_hz is not None:
            self._tune(rate_hz)
        self._begin()
        return self._quality.change(Reason.SENSOR_LOST, t_ns=t_ns, emitted_ns=emitted_ns)

    def _begin(self) -> None:
        self._decimator.reset()
        self._contact.restart()
        self._jerks.restart()
        self._begin_filters(base=0, has_moved=False)
        self._origin: int | None = None
        self._next = 0
        self._waiting: list[float] = []
        """In uS, from position `_next` on: no whole piece yet."""
        self._n = -1

    def _begin_filters(self, *, base: int, has_moved: bool) -> None:
        self._level.restart()
        self._responses.restart(has_moved=has_moved)
        self._base = base

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples; see `Stage.feed`."""
        if self._scale_us is None:
            t_ns = clock.session_ns(first)
            return self._quality.change(Reason.OUT_OF_RANGE, t_ns=t_ns, emitted_ns=t_ns)
        if self._origin is None:
            self._origin = self._next = first
        self._waiting += [self._scale_us * raw for raw in samples]
        out: list[Output] = []
        n_whole = len(self._waiting) // self._n_piece * self._n_piece
        for begin in range(0, n_whole, self._n_piece):
            out += self._take(self._waiting[begin : begin + self._n_piece], clock=clock)
        del self._waiting[:n_whole]
        return out

    def finish(self, *, clock: StreamClock) -> list[Output]:
        """Take what is left of a piece; a rise without its peak is no response."""
        left, self._waiting = self._waiting, []
        return self._take(left, clock=clock) if left else []

    def _take(self, piece: Sequence[float], *, clock: StreamClock) -> list[Output]:
        """Take samples; what they tell is told with the last of them."""
        first, self._next = self._next, self._next + len(piece)
        now_ns = clock.session_ns(self._next - 1)
        out: list[Output] = []
        for at, x in enumerate(piece, first):
            sample = self._decimator.step(x)
            is_jerk = sample is not None and self._jerks.step(sample, raw=x)
            reason = self._contact.step(at, x, is_jerk=is_jerk)
            if reason is not self._quality.reason:
                out += self._change(reason, t_ns=clock.session_ns(at), emitted_ns=now_ns)
            if sample is None:
                continue
            self._n += 1
            if reason is None:
                out += self._advance(at, sample, clock=clock, emitted_ns=now_ns)
        return out

    def _change(self, reason: Reason | None, *, t_ns: int, emitted_ns: int) -> list[Output]:
        if reason is None:
            self._begin_filters(base=self._n + 1, has_moved=self._quality.reason is Reason.MOTION)
        else:
            self._may_have_moved = True
        return self._quality.change(reason, t_ns=t_ns, emitted_ns=emitted_ns)

    def _advance(self, at: int, sample: float, *, clock: StreamClock, emitted_ns: int) -> list[Output]:
        level = self._level
        clean_us = level.step(sample)
        told = self._responses.step(clean_us, raw=sample, noise_us=level.noise_us, raw_noise_us=level.raw_noise_us)
        out: list[Output] = [self._tell(each, clock=clock, emitted_ns=emitted_ns) for each in told] if told else []
        since = self._n - self._base + 1
        if since % self._n_level == 0:
            told_level = level.told()
            out.append(
                SkinLevel(
                    t_ns=clock.session_ns(max(float(self._origin or 0), at - told_level.age_s * self._raw_rate_hz)),
                    emitted_ns=emitted_ns,
                    level_us=told_level.level_us,
                    bound_us=told_level.bound_us,
                    dried_us=self._drying.step(emitted_ns, told_level.level_us),
                    sees_responses=self._sees_responses(),
                    is_first=since == self._n_level,
                    may_have_moved=self._may_have_moved,
                )
            )
            self._may_have_moved = False
        return out

    def _sees_responses(self) -> bool:
        return NOISE_SDS * self._level.noise_us <= MIN_AMPLITUDE_US and not self._responses.may_come_back

    def _tell(self, told: Told, *, clock: StreamClock, emitted_ns: int) -> SkinResponse | SkinRecovery:
        if isinstance(told, Found):
            return SkinResponse(
                onset_ns=self._session_ns(told.onset, clock=clock),
                peak_ns=self._session_ns(told.peak, clock=clock),
                emitted_ns=emitted_ns,
                amplitude_us=told.amplitude_us,
            )
        found, recovered = told
        return SkinRecovery(
            onset_ns=self._session_ns(found.onset, clock=clock),
            recovered_ns=self._session_ns(recovered, clock=clock),
            emitted_ns=emitted_ns,
        )

    def _session_ns(self, where: float, *, clock: StreamClock) -> int:
        """Return when a position of the finder was."""
        return clock.session_ns((self._origin or 0) + max(0.0, self._base + where) * self._decimator.factor)

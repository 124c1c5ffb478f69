"""Do the electrodes still see a heart? Two signs that they do not, each relative to what this heart has shown."""

from collections import deque
from collections.abc import Sequence
from statistics import median

from becalm_protocol.derived import Reason
from becalm_signal.ecg_rise import RISEN, NoiseRise

SEGMENT_S = 0.5
# Quiet between beats, as this person's electrodes usually are: the median of a minute.
N_USUAL = 120
N_LEAST = 6
# A free electrode picks up mains and amplifier noise, four times what was between the beats before; back is half of it.
FALLEN = 2.0
# Without a beat for so many usual intervals; a pause of a heart has no more noise than its beats.
SILENT_RR = 1.6
SILENT_LEAST_S = 1.2
# Noise looks different every time: all of the last five beats look like none before, until two of five do.
N_JUDGED = 5
MOSTLY_ODD = 5
MOSTLY_KNOWN = 1
N_BACK = 1


class ContactWatch:
    """OFF_BODY: no beat and much more noise than between beats. NOISY: beats that look like none before.

    `feed` takes every sample, `beat` every beat; `judge` gives the reason. Delay: 1.2 s, or 1.6 usual intervals.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._n_segment = max(4, round(SEGMENT_S * rate_hz))
        self._usual: deque[float] = deque(maxlen=N_USUAL)
        self._known: deque[bool] = deque(maxlen=N_JUDGED)
        self._rr: deque[float] = deque(maxlen=9)
        self._rise = NoiseRise(rate_hz)
        self.restart()
        self._is_off = self._is_odd = False

    def restart(self) -> None:
        """Begin again after a gap; what is usual is kept."""
        self._bends: list[float] = []
        self._before: list[float] = []
        self._n = 0
        self._level = 0.0
        self._last: float | None = None
        self._heard: float | None = None
        self._open: deque[float] = deque(maxlen=N_USUAL)
        self._rise.restart()

    def feed(self, samples: Sequence[float]) -> None:
        """Take samples, shape (n_samples,)."""
        self._n += len(samples)
        joined = [*self._before, *samples]
        self._before = joined[-2:]
        bends = [abs(c - 2.0 * b + a) for a, b, c in zip(joined, joined[1:], joined[2:], strict=False)]
        self._rise.feed(bends, first=self._n - len(bends))
        self._bends += bends
        while len(self._bends) >= self._n_segment:
            # The median: a QRS is short, what is between the beats is counted.
            self._level = median(self._bends[: self._n_segment])
            del self._bends[: self._n_segment]
            self._open.append(self._level)

    def beat(self, at: float, *, is_known: bool) -> None:
        """Take a beat at sample `at` since the restart; what came before it was no free electrode."""
        if self._last is not None and 0.2 < (at - self._last) / self._rate_hz < 2.5:
            self._rr.append(at - self._last)
        self._last = at
        self._known.append(is_known)
        if is_known:
            self._heard = at
            self._usual += () if self._is_off else self._open
            self._rise.beat(at, calm=max(self._open, default=self._level))
        self._open.clear()

    def judge(self) -> Reason | None:
        """Return why the signal is no heart now, None where it may be one."""
        n_known = sum(self._known)
        if len(self._known) == N_JUDGED and len(self._usual) >= N_LEAST:
            self._is_odd = n_known <= (MOSTLY_KNOWN if self._is_odd else N_JUDGED - MOSTLY_ODD)
        was_off, self._is_off = self._is_off, self._free()
        if self._is_off and not was_off:
            self._known.clear()  # from here on a beat like those before says that the heart is back
        return Reason.OFF_BODY if self._is_off else Reason.NOISY if self._is_odd else None

    @property
    def rose_at(self) -> int | None:
        """Sample at which noise was there at once, while no beat like those before has come since."""
        return self._rise.rose_at

    @property
    def silent_since(self) -> float | None:
        """Sample of the last beat that looked like one."""
        return self._heard

    def _free(self) -> bool:
        if len(self._usual) < N_LEAST:
            return False
        if self._is_off:
            return sum(self._known) < N_BACK and self._level > FALLEN * median(self._usual)
        if self._heard is None or not self._rr:
            return False
        silent_s = (self._n - self._heard) / self._rate_hz
        if silent_s <= SILENT_LEAST_S or silent_s <= SILENT_RR * median(self._rr) / self._rate_hz:
            return False
        return self._level > RISEN * median(self._usual)

"""Do the electrodes still see a heart? Two signs that they do not, each relative to what this heart has shown."""

from collections import deque
from collections.abc import Sequence
from statistics import median

from becalm_protocol.derived import Reason
from becalm_signal.ecg_rise import RISEN, NoiseRise
from becalm_signal.ordered_window import OrderedWindow

SEGMENT_S = 0.5
# Quiet between beats, as this person's electrodes usually are: the median of a minute.
N_USUAL = 120
N_LEAST = 6
# Without a beat for so many usual intervals; a pause of a heart has no more noise than its beats.
SILENT_RR = 1.6
SILENT_LEAST_S = 1.2
# What was learned finds no beat any more.
LOST_S = 4.0
# Noise looks different every time: all of the last five beats look like none before, until two of five do.
N_JUDGED = 5
MOSTLY_ODD = 5
MOSTLY_KNOWN = 1
# Amid the noise of free electrodes one hump in twenty looks like a beat; two of three hardly ever do.
N_BACK, N_BACK_OF = 2, 3


class ContactWatch:
    """OFF_BODY: no beat and much more noise than between beats. NOISY: beats that look like none before.

    `feed` takes every sample, `beat` every beat; `judge` gives the reason.

    Notes
    -----
    Delay: 1.2 s, or 1.6 usual intervals. Warm-up: 5 beats, and 3 s between beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._n_segment = max(4, round(SEGMENT_S * rate_hz))
        self._usual = OrderedWindow(N_USUAL)
        self._known: deque[bool] = deque(maxlen=N_JUDGED)
        self._as_before: deque[bool] = deque(maxlen=N_BACK_OF)
        self._rr: deque[float] = deque(maxlen=9)
        self._rise = NoiseRise(rate_hz)
        self.restart()
        self._is_off = self._is_odd = False
        self._loudest = 0.0

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

    def begin_anew(self) -> None:
        """Begin again after a dead lead: what was usual before says nothing of what comes."""
        self._usual = OrderedWindow(N_USUAL)
        for heard in (self._known, self._as_before, self._rr):
            heard.clear()
        self._is_odd = False
        self.restart()

    def feed(self, samples: Sequence[float]) -> None:
        """Take samples.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)
        """
        self._n += len(samples)
        joined = [*self._before, *samples]
        self._before = joined[-2:]
        bends = _bends(joined)
        self._rise.feed(bends, first=self._n - len(bends))
        self._bends += bends
        while len(self._bends) >= self._n_segment:
            # The median: a QRS is short, what is between the beats is counted.
            self._level = median(self._bends[: self._n_segment])
            del self._bends[: self._n_segment]
            self._open.append(self._level)

    def beat(self, at: float, *, is_known: bool, is_usual: bool = True) -> None:
        """Take a beat; what came before it was no free electrode.

        Parameters
        ----------
        at : its sample since the restart
        is_known : it looks like beats before it
        is_usual : like those that this heart has shown often before electrodes came off
        """
        if self._last is not None and 0.2 < (at - self._last) / self._rate_hz < 2.5:
            self._rr.append(at - self._last)
        self._last = at
        self._known.append(is_known)
        is_as_before = is_known and is_usual
        self._as_before.append(is_as_before)
        if is_as_before and self._is_off and self._is_heard():
            self.come_back()
        if is_as_before and not self._is_off:
            self._heard = at
            for level in self._open:
                self._usual.append(level)
            self._rise.beat(at, calm=max(self._open, default=self._level))
        self._open.clear()

    def recognise(self, at: float) -> None:
        """Take that the beat before the newest, at sample `at`, was this heart's, whatever it looked like."""
        if len(self._known) > 1:
            self._known[-2] = True
        if not self._is_off:
            self._heard = at if self._heard is None else max(self._heard, at)

    def has_fallen(self) -> bool:
        """Whether it is quieter by far than it was with free electrodes, in noise, or without a beat; told once."""
        is_silent = self._last is not None and self._n - self._last > LOST_S * self._rate_hz
        if not self._is_off and self.rose_at is None and not is_silent:
            self._loudest = 0.0
        fallen = self._loudest > RISEN * self._level
        self._loudest = self._level if fallen else max(self._loudest, self._level)
        return fallen

    def come_back(self) -> None:
        """Go on as before: what comes now is a heart, whatever it looks like."""
        self._is_off = self._is_odd = False
        self._heard = self._last
        self._known.clear()
        self._as_before.clear()
        self._rise.restart()

    def judge(self) -> Reason | None:
        """Judge what was fed until now.

        Returns
        -------
        why the signal is no heart now, None where it may be one
        """
        n_known = sum(self._known)
        if len(self._known) == N_JUDGED and len(self._usual) >= N_LEAST:
            self._is_odd = n_known <= (MOSTLY_KNOWN if self._is_odd else N_JUDGED - MOSTLY_ODD)
        if not self._is_off and self._free():
            self._is_off = True
            self._known.clear()
            self._as_before.clear()
            self._loudest = self._level
        return Reason.OFF_BODY if self._is_off else Reason.NOISY if self._is_odd else None

    @property
    def noise(self) -> float:
        """How many times louder it is than usual between beats, at least 1."""
        usual = self._usual.median()
        return max(1.0, self._level / usual) if usual > 0.0 else 1.0

    @property
    def is_off(self) -> bool:
        """Whether the electrodes hang free by the last judgement."""
        return self._is_off

    @property
    def rose_at(self) -> int | None:
        """Sample at which noise was there at once, while no beat like those before has come since."""
        return self._rise.rose_at

    @property
    def silent_since(self) -> float | None:
        """Sample of the last beat that looked like one."""
        return self._heard

    def _is_heard(self) -> bool:
        """Whether a beat like those before electrodes came off, in as little noise, says that they are on again."""
        return sum(self._as_before) >= N_BACK or self._level <= RISEN * self._usual.median()

    def _free(self) -> bool:
        if len(self._usual) < N_LEAST or self._heard is None or not self._rr:
            return False
        silent_s = (self._n - self._heard) / self._rate_hz
        if silent_s <= SILENT_LEAST_S or silent_s <= SILENT_RR * median(self._rr) / self._rate_hz:
            return False
        return self._level > RISEN * self._usual.median()


def _bends(samples: Sequence[float]) -> list[float]:
    """Return the second differences without their signs, shape (n_samples - 2,)."""
    bends: list[float] = []
    if len(samples) > 2:
        before, at = samples[0], samples[1]
        for after in samples[2:]:
            bend = after - 2.0 * at + before
            bends.append(bend if bend >= 0.0 else -bend)  # in a loop a call costs as much as all the rest
            before, at = at, after
    return bends

"""Live stamps of samples to even times: smooths lateness, finds losses. Pure: stamps in, times out."""

from collections.abc import Sequence

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

# Even time follows the stamps this slowly: crystals drift far less in it, and lateness averages out.
_FOLLOW_S = 10.0
# How uneven stamps are is learned this fast; before, half a second of lateness is believed, as radios have it.
_LEARN_S = 1.0
_FIRST_LATENESS_NS = 0.125 * NS_PER_S
_LATENESS_TIMES = 4.0
_LOST_PERIODS = 0.6


@value
class Run:
    """Samples in a row, from `start` up to, without, `end` in the chunk."""

    start: int
    end: int
    last_ns: int
    """Even time of the last."""
    n_missing: int | None = None
    """Samples lost before it; None: the clock went back, nobody knows."""


class EvenTimes:
    """Carries on over chunks and over lost connections, as long as the sender's clock runs."""

    def __init__(self, sample_rate_hz: float) -> None:
        self.lateness_ns = _FIRST_LATENESS_NS
        """Typical distance of the stamps from even time."""
        self._nominal_ns = NS_PER_S / sample_rate_hz
        self._period_ns = self._nominal_ns
        self._last_ns: float | None = None

    def feed(self, stamps_ns: Sequence[int]) -> tuple[Run, ...]:
        """Return the runs of a chunk."""
        runs: list[Run] = []
        start, n_missing = 0, 0
        # What is late by itself has caught up at the end of the chunk; what was lost before it never does.
        lateness_ns = self._least_lateness(stamps_ns)
        unknown = False
        for k, stamp_ns in enumerate(stamps_ns):
            lost = self._lost(stamp_ns, lateness_ns=lateness_ns, after=k, stamps_ns=stamps_ns)
            if lost != 0:
                if k > start:
                    runs.append(self._run(start, k, n_missing=n_missing, unknown=unknown))
                start, n_missing, unknown = k, max(0, lost), lost < 0
                self._last_ns = float(stamp_ns) - self._period_ns
                lateness_ns = self._least_lateness(stamps_ns[k:])
            self._step(stamp_ns)
        if stamps_ns:
            runs.append(self._run(start, len(stamps_ns), n_missing=n_missing, unknown=unknown))
        return tuple(runs)

    def _run(self, start: int, end: int, *, n_missing: int, unknown: bool) -> Run:
        return Run(start=start, end=end, last_ns=round(self._last_ns or 0.0), n_missing=None if unknown else n_missing)

    def _least_lateness(self, stamps_ns: Sequence[int]) -> float:
        if self._last_ns is None or not stamps_ns:
            return 0.0
        return min(stamp_ns - self._last_ns - (k + 1) * self._period_ns for k, stamp_ns in enumerate(stamps_ns))

    def _lost(self, stamp_ns: int, *, lateness_ns: float, after: int, stamps_ns: Sequence[int]) -> int:
        """Return how many samples were lost before this one; -1 where its clock went back."""
        if self._last_ns is None:
            return 0
        least_ns = max(_LOST_PERIODS * self._period_ns, _LATENESS_TIMES * self.lateness_ns)
        off_ns = stamp_ns - self._last_ns - self._period_ns
        if off_ns < -least_ns - self._period_ns * len(stamps_ns):
            return -1
        if off_ns > least_ns:
            rest_ns = lateness_ns if after == 0 else self._least_lateness(stamps_ns[after:])
            if rest_ns > least_ns:
                return max(1, round(rest_ns / self._period_ns))
        return 0

    def _step(self, stamp_ns: int) -> None:
        if self._last_ns is None:
            self._last_ns = float(stamp_ns)
            return
        even_ns = self._last_ns + self._period_ns
        off_ns = stamp_ns - even_ns
        share = min(0.1, self._nominal_ns / NS_PER_S / _FOLLOW_S)
        self._last_ns = even_ns + share * off_ns
        self._period_ns += 0.25 * share * share * off_ns
        self._period_ns = max(0.98 * self._nominal_ns, min(1.02 * self._nominal_ns, self._period_ns))
        learn = min(0.2, self._nominal_ns / NS_PER_S / _LEARN_S)
        self.lateness_ns += learn * (min(abs(off_ns), _FIRST_LATENESS_NS * 4) - self.lateness_ns)

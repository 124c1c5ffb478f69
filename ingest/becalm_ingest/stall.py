"""Whether samples are missing after a link stood still: for sensors that send neither time nor number. Pure.

Bluetooth repeats what was not acknowledged, so a short absence only delays, and what was held comes in one burst. But a
sensor's buffer may overrun. So samples are counted against the time that passed, at the rate the sensor had before, and
the moment at which the link had most caught up decides.
"""

from dataclasses import dataclass

from becalm_protocol.units import NS_PER_S, ns_from_s

# Longer than connection intervals and repeated packets make a stream wait; or so many sample periods.
_STALL_NS = ns_from_s(0.6)
_STALL_PERIODS = 3.0
# A burst is over within a few connection intervals; a crowded link catches up now and then.
_SETTLE_NS = ns_from_s(2.0)
_SETTLE_PERIODS = 5.0
# Arrivals are uneven by some 50 ms: over this long a rate is known to 2 %.
_HISTORY_NS = ns_from_s(3.0)
_MIN_MISSING = 2.0
_MIN_MISSING_SHARE = 0.05


@dataclass(slots=True, kw_only=True)
class _Stall:
    """One standstill and the burst after it."""

    since_ns: int
    since_idx: int
    rate_hz: float
    until_ns: int = 0
    least_missing: float = float("inf")

    def expected(self, now_ns: int) -> float:
        """Samples that the sensor has made since."""
        return (now_ns - self.since_ns) / NS_PER_S * self.rate_hz


class StallJudge:
    """One stream over one connection."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        self._newest: tuple[int, int] | None = None
        self._stall: _Stall | None = None

    @property
    def knows_rate(self) -> bool:
        """Whether it has heard enough to judge a standstill from now on."""
        return self._rate_hz() is not None

    def hear(self, received_ns: int, *, next_sample_idx: int) -> int:
        """Note the arrival of samples up to a position; return how many are missing, once that is certain."""
        before, self._newest = self._newest, (received_ns, next_sample_idx)
        if before is None:
            self._first = self._newest
            return 0
        self._open(before, received_ns=received_ns)
        stall = self._stall
        if stall is None:
            return 0
        expected = stall.expected(received_ns)
        stall.least_missing = min(stall.least_missing, expected - (next_sample_idx - stall.since_idx))
        if received_ns < stall.until_ns:
            return 0
        self._stall = None
        is_certain = stall.least_missing >= max(_MIN_MISSING, _MIN_MISSING_SHARE * expected)
        return round(stall.least_missing) if is_certain else 0

    def _open(self, before: tuple[int, int], *, received_ns: int) -> None:
        """Note a standstill that ends now, or one more within the same."""
        rate_hz = self._stall.rate_hz if self._stall is not None else self._rate_hz(before)
        if rate_hz is None or received_ns - before[0] < max(_STALL_NS, _STALL_PERIODS * NS_PER_S / rate_hz):
            return
        if self._stall is None:
            self._stall = _Stall(since_ns=before[0], since_idx=before[1], rate_hz=rate_hz)
        self._stall.until_ns = received_ns + max(_SETTLE_NS, round(_SETTLE_PERIODS * NS_PER_S / rate_hz))

    def _rate_hz(self, until: tuple[int, int] | None = None) -> float | None:
        first, newest = self._first, until or self._newest
        if first is None or newest is None or newest[0] - first[0] < _HISTORY_NS or newest[1] <= first[1]:
            return None
        return (newest[1] - first[1]) * NS_PER_S / (newest[0] - first[0])

"""One clock against another, from packets that are never early: a lower-envelope regression that states its error.

Arrival minus stamp is the offset of the clocks plus a latency. Its smallest value, constant for a link, cannot be told
from the offset by anyone on this side of the radio: every time and every error here is relative to it.
"""

import math
from collections import deque
from dataclasses import dataclass

from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.bounds import Z_95

# The quickest packet of each 5 s stands for them: stalls, retries and bursts never reach the regression.
BUCKET_NS = 5 * NS_PER_S
N_BUCKETS = 180
# Warming on the body bends a crystal by a few ppm within ten minutes: older buckets count less and less.
MEMORY_S = 900.0
# The line leaves this share of the buckets below it. The very lowest would be nearer the smallest latency but sinks
# with time as luck finds it; a low quantile stays put (bench/bench_clock.py), and one odd stamp cannot pull it down.
QUANTILE = 0.2
N_ROUNDS = 4
# What the spread of the buckets is taken for until they tell it: 20 ms for three buckets.
PRIOR_SPREAD_NS = QUANTILE * 20.0 * NS_PER_MS
N_PRIOR = 3.0
# A crystal that is left alone may wander so much.
WANDER = 3e-6
# Steps of stamps and of the host's own clock.
FLOOR_NS = 0.5 * NS_PER_MS
# Minima of real jitter are not quite Laplace: widened until 95 % of errors were covered (bench/bench_clock.py).
WIDENED = 2.0
# From this many buckets on each bucket is fitted once, when it is full; before, with every packet.
N_SETTLED = 6


@dataclass(slots=True)
class _Bucket:
    began_ns: int
    clock_ns: float
    late_ns: float
    """Arrival minus stamp of its quickest packet."""


class Envelope:
    """Offset of a drifting clock to session time. Constant work a packet; at most 180 points are kept.

    Quantile regression on the quickest packet of each 5 s (asymmetric Laplace errors, reweighted least squares), with
    a normal prior on the drift. `error_ns` is its 95 % half width, see the module.

    Notes
    -----
    Delay: none. Warm-up: one packet; its error shrinks over six points of 5 s.

    References
    ----------
    Koenker & Bassett 1978, DOI 10.2307/1913643.
    """

    def __init__(self, *, drift_sd: float, drift_limit: float) -> None:
        self._drift_sd = drift_sd
        self._drift_limit = drift_limit
        self._buckets: deque[_Bucket] = deque(maxlen=N_BUCKETS)
        self._at_ns = 0.0
        self._level_ns = 0.0
        self.drift = 0.0
        """Seconds of session time gained on each second of the clock."""
        self._level_variance = 0.0
        self._drift_variance = 0.0
        self._last_ns = 0.0
        self._spread_ns = PRIOR_SPREAD_NS

    def feed(self, clock_ns: float, received_ns: int) -> None:
        """Take a packet.

        Parameters
        ----------
        clock_ns : its stamp, in ns of the clock
        received_ns : its arrival, session time in ns
        """
        late_ns = received_ns - clock_ns
        self._last_ns = max(self._last_ns, clock_ns) if self._buckets else clock_ns
        if not self._buckets or received_ns - self._buckets[-1].began_ns >= BUCKET_NS:
            if len(self._buckets) >= N_SETTLED:
                self._fit(received_ns)
            self._buckets.append(_Bucket(received_ns, clock_ns, late_ns))
        else:
            lowest = self._buckets[-1]
            if late_ns - self.drift * (clock_ns - lowest.clock_ns) < lowest.late_ns:
                lowest.clock_ns, lowest.late_ns = clock_ns, late_ns
        if len(self._buckets) < N_SETTLED:
            self._fit(received_ns)

    def offset_ns(self, clock_ns: float) -> float:
        """Return what to add to a time of the clock for session time.

        Parameters
        ----------
        clock_ns : time of the clock in ns

        Returns
        -------
        offset in ns
        """
        return self._level_ns + self.drift * (clock_ns - self._at_ns)

    def error_ns(self, clock_ns: float) -> float:
        """Return how unsure `offset_ns` is, the constant smallest latency left out.

        Parameters
        ----------
        clock_ns : time of the clock in ns

        Returns
        -------
        half width of a 95 % interval, in ns
        """
        away_s = (clock_ns - self._at_ns) / NS_PER_S
        idle_ns = max(0.0, clock_ns - self._last_ns)
        deviation_ns = math.sqrt(self._level_variance + self._drift_variance * away_s * away_s)
        return FLOOR_NS + WIDENED * Z_95 * deviation_ns + WANDER * idle_ns

    def _fit(self, now_ns: int) -> None:
        """Lay the line anew through the buckets: level and drift about their weighted middle."""
        newest_ns = self._buckets[-1].clock_ns
        xs = [(bucket.clock_ns - newest_ns) / NS_PER_S for bucket in self._buckets]
        base_ns = self._buckets[-1].late_ns
        ys = [bucket.late_ns - base_ns for bucket in self._buckets]
        weights = [math.exp(min(0.0, x) / MEMORY_S) for x in xs]
        weights[-1] *= max(0.1, min(1.0, (now_ns - self._buckets[-1].began_ns) / BUCKET_NS))
        level, drift = self._level_ns - base_ns + self.drift * (newest_ns - self._at_ns), self.drift * NS_PER_S
        if len(xs) == 1:
            level = ys[0]
        for _ in range(N_ROUNDS):
            spread, pulls = self._pulls(xs, ys, weights=weights, level=level, drift=drift)
            total = sum(pulls)
            middle = sum(p * x for p, x in zip(pulls, xs, strict=True)) / total
            height = sum(p * y for p, y in zip(pulls, ys, strict=True)) / total
            sxx = sum(p * (x - middle) ** 2 for p, x in zip(pulls, xs, strict=True))
            sxy = sum(p * (x - middle) * (y - height) for p, x, y in zip(pulls, xs, ys, strict=True))
            drift = sxy / (sxx + 1.0 / (self._drift_sd * NS_PER_S) ** 2)
            limit = self._drift_limit * NS_PER_S
            drift = max(-limit, min(limit, drift))
            level = height - drift * middle
        self._spread_ns = spread
        self._keep(xs, weights=weights, newest_ns=newest_ns, level_ns=base_ns + level, drift=drift)

    def _pulls(
        self, xs: list[float], ys: list[float], *, weights: list[float], level: float, drift: float
    ) -> tuple[float, list[float]]:
        """Return the spread about the line, and the weight of each bucket in the next round."""
        losses, slants = [], []
        for x, y in zip(xs, ys, strict=True):
            away = y - level - drift * x
            slant = QUANTILE if away > 0.0 else 1.0 - QUANTILE
            slants.append(slant)
            losses.append(slant * abs(away))
        total = sum(weights)
        spread = (N_PRIOR * PRIOR_SPREAD_NS + sum(w * a for w, a in zip(weights, losses, strict=True))) / (
            N_PRIOR + total
        )
        return spread, [
            w * slant / (spread * max(loss / slant, 0.3 * spread))
            for w, slant, loss in zip(weights, slants, losses, strict=True)
        ]

    def _keep(self, xs: list[float], *, weights: list[float], newest_ns: float, level_ns: float, drift: float) -> None:
        total = sum(weights)
        middle = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
        sxx = sum(w * (x - middle) ** 2 for w, x in zip(weights, xs, strict=True))
        noise = self._spread_ns**2 / (QUANTILE * (1.0 - QUANTILE))
        self.drift = drift / NS_PER_S
        self._at_ns = newest_ns + middle * NS_PER_S
        self._level_ns = level_ns + drift * middle
        self._level_variance = noise / total
        self._drift_variance = 1.0 / (sxx / noise + 1.0 / (self._drift_sd * NS_PER_S) ** 2)

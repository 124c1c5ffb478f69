"""Untimed RR intervals beside an ECG: which beat ended each interval, found by the pattern, with an error and a doubt.

The sum of a strap's intervals is a clock of its own; where it began is unknown by up to the lag of its notifications.
Each way of laying the last interval's end on an ECG beat within that lag is a hypothesis; the intervals before and
after tell them apart. Missed, extra and ectopic beats count against every hypothesis alike, because sums, not single
intervals, are compared; intervals that the strap lost favour a new hypothesis within a few beats.
"""

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.packet_clock import session_time

# The Heart Rate Service sends an interval 0 to 4 s after its beat, and others that ended up to 2 s before with it.
MAX_LAG_NS = 6 * NS_PER_S
# An interval that seems to end after its arrival may by the error of either clock.
MAX_LEAD_NS = 100 * NS_PER_MS
# R peaks of a strap and of our detector differ by 1 ms and rarely by 10 (early beats of another shape).
SIGMA_NS = 8 * NS_PER_MS
NEAR_NS = 60 * NS_PER_MS
MATCH_NS = 30 * NS_PER_MS
SURE_NS = 10 * NS_PER_MS
# One beat in ten has no counterpart: then the nearest beat is anywhere within half a second.
ODD_DENSITY = 0.1 / 500.0
GOOD_DENSITY = 0.9 / (math.sqrt(2.0 * math.pi) * SIGMA_NS / NS_PER_MS)
# Evidence is forgotten within some twenty beats.
KEPT = 0.95
N_LOOK_BACK = 24
# A strap that loses or repeats intervals moves from one hypothesis to another: log-odds against that at a given beat.
AGAINST_LOSS = 12.0
AGAINST_KNOWN_LOSS = 1.0
# Log-odds against a hypothesis by which some of the last intervals arrived before they ended.
AGAINST_EARLY = 6.0
N_HYPOTHESES = 24
N_PENDING = 3
# Four beats that fit have as much; two unrelated hearts do not get there.
SOUND = 20.0
# Beats at one place of the ECG: two hypotheses nearer than this are the same.
SAME_NS = 40 * NS_PER_MS
# Share of a residual that moves a hypothesis: the two clocks drift apart by 200 ppm at most, 0.2 ms a beat.
FOLLOWED = 0.2
# No ECG beat for so long around a time: nothing can be said there.
MAX_SILENCE_NS = 5 * NS_PER_S // 2
# What is left of the doubt when the error is stated.
DOUBT = 0.05
# Rounding to 1/1024 s and two crystals, where no ECG beat confirms the sum: a beat, and a second.
STEP_NS = 0.6 * NS_PER_MS
DRIFT = 200e-6
FLOOR_NS = 2.0 * NS_PER_MS


@dataclass(slots=True)
class Hypothesis:
    """One way to lay the sum of intervals on the session clock."""

    offset_ns: float
    evidence: float = 0.0
    """Log-likelihood against a sum that belongs nowhere, older beats forgotten."""
    deviation_ns: float = float(SIGMA_NS)
    """Mean distance of its beats from those of the ECG, newer ones weighing more."""
    pending_ns: list[float] = field(default_factory=list)
    """Ends of intervals whose ECG beat may still come."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a beat was laid."""

    t_ns: int
    error_ns: float
    """Half width of a 95 % interval."""
    matched: bool | None
    """Whether an ECG beat is there; None where the ECG says nothing."""
    moved: bool
    """Whether another way of laying the sum has become the likeliest with this beat."""
    is_sound: bool
    """Whether it fits the ECG at all: better than chance would."""


class Matcher:
    """Hypotheses of one run of intervals against the beats of an ECG. Constant work a beat, bounded memory.

    Notes
    -----
    Delay: none; `review` betters a place by later beats. Warm-up: none, `place` is silent until it can tell.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._ecg_ns: deque[int] = deque(maxlen=64)
        self._sums_ns: deque[float] = deque(maxlen=N_LOOK_BACK)
        self._arrivals_ns: deque[float] = deque(maxlen=N_LOOK_BACK)
        self._latest_ns = math.inf
        """Later hypotheses would have an interval arrive before it ended."""
        self._hypotheses: list[Hypothesis] = []
        self._against_loss = AGAINST_LOSS
        self._n_unseen = 0
        self._seen_sum_ns = 0.0
        self._matched: bool | None = None
        self._offset_ns = math.inf

    def hear(self, t_ns: int) -> None:
        """Take an ECG beat.

        Parameters
        ----------
        t_ns : its session time in ns
        """
        if self._ecg_ns and t_ns <= self._ecg_ns[-1]:
            if t_ns < self._ecg_ns[-1] - MAX_SILENCE_NS:
                self._ecg_ns.clear()  # session time was laid anew
            else:
                return
        self._ecg_ns.append(t_ns)

    def loosen(self) -> None:
        """Expect the next interval anywhere: some in between are lost, and the sum no longer holds."""
        self._sums_ns.clear()
        self._arrivals_ns.clear()
        self._against_loss = AGAINST_KNOWN_LOSS
        for hypothesis in self._hypotheses:
            hypothesis.pending_ns.clear()

    def restart(self) -> None:
        """Forget everything but the ECG."""
        self.loosen()
        self._hypotheses.clear()
        self._n_unseen = 0
        self._seen_sum_ns = 0.0
        self._matched = None

    def place(self, sum_ns: float, *, arrived_ns: int) -> Place | None:
        """Lay the end of the next interval.

        Parameters
        ----------
        sum_ns : sum of the intervals up to it, in ns
        arrived_ns : arrival of its notification, session time in ns

        Returns
        -------
        where it lies; None while no ECG beat is near enough to tell
        """
        self._hypotheses = [h for h in self._hypotheses if self._in_time(h.offset_ns + sum_ns, arrived_ns=arrived_ns)]
        floor = max((h.evidence for h in self._hypotheses), default=-math.inf) - self._against_loss
        self._against_loss = AGAINST_LOSS
        self._suppose(sum_ns, arrived_ns=arrived_ns)
        for hypothesis in self._hypotheses:
            self._weigh(hypothesis)
            hypothesis.evidence = max(hypothesis.evidence, floor)
            hypothesis.pending_ns.append(sum_ns)
            self._weigh(hypothesis)
        self._sums_ns.append(sum_ns)
        self._arrivals_ns.append(arrived_ns - sum_ns)
        self._latest_ns = min(self._arrivals_ns) + MAX_LEAD_NS
        self._rank()
        if not self._hypotheses:
            return None
        best = self._hypotheses[0]
        away_ns = self._away_ns(best.offset_ns + sum_ns)
        if away_ns is None:
            self._n_unseen += 1
        else:
            self._n_unseen, self._seen_sum_ns = 0, sum_ns
        self._matched = None if away_ns is None else abs(away_ns) <= MATCH_NS
        error_ns = self._error_ns(sum_ns)
        if away_ns is not None and abs(away_ns) > SURE_NS:
            # A beat that the ECG missed, or intervals that the strap lost: then another way of laying it is right.
            error_ns += max(abs(h.offset_ns - best.offset_ns) for h in self._hypotheses)
        before_ns, self._offset_ns = self._offset_ns, best.offset_ns
        return Place(
            t_ns=session_time(best.offset_ns + sum_ns),
            error_ns=error_ns,
            matched=self._matched,
            moved=abs(best.offset_ns - before_ns) > SAME_NS,
            is_sound=best.evidence >= SOUND,
        )

    def review(self, sum_ns: float, *, told_ns: int) -> Place | None:
        """Lay an earlier interval by what is known now.

        Parameters
        ----------
        sum_ns : sum of the intervals up to it, in ns
        told_ns : where it was laid, session time in ns

        Returns
        -------
        where it lies, if an ECG beat or the beats after it confirm that
        """
        if not self._hypotheses:
            return None
        t_ns = self._hypotheses[0].offset_ns + sum_ns
        away_ns = self._away_ns(t_ns)
        is_matched = away_ns is not None and abs(away_ns) <= MATCH_NS
        if is_matched or (self._matched and abs(t_ns - told_ns) <= SAME_NS):
            is_sound = self._hypotheses[0].evidence >= SOUND
            return Place(
                t_ns=session_time(t_ns),
                error_ns=self._error_ns(sum_ns),
                matched=is_matched,
                moved=False,
                is_sound=is_sound,
            )
        return None

    def n_heard(self, after_ns: int, until_ns: int) -> int:
        """Return how many ECG beats lie between two times, both moved on by the tolerance of a match."""
        return sum(after_ns + MATCH_NS < t_ns <= until_ns + MATCH_NS for t_ns in self._ecg_ns)

    # ------------------------------------------------------------------------------------------------- hypotheses
    def _suppose(self, sum_ns: float, *, arrived_ns: int) -> None:
        """Add the ways of laying this beat on an ECG beat that nothing explains yet."""
        # An interval may be told before the ECG's beat is known: the one before it is tried as well.
        for ended_ns in (sum_ns, *list(self._sums_ns)[-1:]):
            for t_ns in self._ecg_ns:
                offset_ns = t_ns - ended_ns
                if self._in_time(offset_ns + sum_ns, arrived_ns=arrived_ns) and self._is_new(offset_ns):
                    self._hypotheses.append(Hypothesis(offset_ns, pending_ns=list(self._sums_ns)))

    def _is_new(self, offset_ns: float) -> bool:
        return all(abs(hypothesis.offset_ns - offset_ns) > SAME_NS for hypothesis in self._hypotheses)

    def _rank(self) -> None:
        """Put the likeliest first, without those that have become the same."""
        ranked = sorted(self._hypotheses, key=lambda h: -self._odds(h))
        self._hypotheses = []
        for hypothesis in ranked[:N_HYPOTHESES]:
            if self._is_new(hypothesis.offset_ns):
                self._hypotheses.append(hypothesis)

    def _odds(self, hypothesis: Hypothesis) -> float:
        return hypothesis.evidence - (AGAINST_EARLY if hypothesis.offset_ns > self._latest_ns else 0.0)

    def _weigh(self, hypothesis: Hypothesis) -> None:
        """Weigh the ends of intervals for which the ECG has been heard."""
        heard_ns = self._ecg_ns[-1] + NEAR_NS
        pending_ns = hypothesis.pending_ns
        while pending_ns and (hypothesis.offset_ns + pending_ns[0] <= heard_ns or len(pending_ns) > N_PENDING):
            away_ns = self._away_ns(hypothesis.offset_ns + pending_ns.pop(0))
            if away_ns is not None:
                self._weigh_one(hypothesis, away_ns)

    @staticmethod
    def _weigh_one(hypothesis: Hypothesis, away_ns: float) -> None:
        good = GOOD_DENSITY * math.exp(-0.5 * (away_ns / SIGMA_NS) ** 2)
        hypothesis.evidence = KEPT * hypothesis.evidence + math.log((good + ODD_DENSITY) / ODD_DENSITY)
        if abs(away_ns) < MATCH_NS:
            hypothesis.offset_ns += FOLLOWED * away_ns
            hypothesis.deviation_ns += FOLLOWED * (abs(away_ns) - hypothesis.deviation_ns)

    def _away_ns(self, t_ns: float) -> float | None:
        """Return how much later the nearest ECG beat is, or None where the ECG tells of no beats."""
        ecg_ns = self._ecg_ns
        after = bisect_left(ecg_ns, t_ns)
        later_ns = ecg_ns[after] - t_ns if after < len(ecg_ns) else math.inf
        earlier_ns = ecg_ns[after - 1] - t_ns if after > 0 else -math.inf
        nearest_ns = min(later_ns, earlier_ns, key=abs)
        if abs(nearest_ns) <= NEAR_NS:
            return nearest_ns
        return nearest_ns if later_ns - earlier_ns <= MAX_SILENCE_NS else None

    @staticmethod
    def _in_time(t_ns: float, *, arrived_ns: int) -> bool:
        return -MAX_LEAD_NS <= arrived_ns - t_ns <= MAX_LAG_NS + MAX_LEAD_NS

    def _error_ns(self, sum_ns: float) -> float:
        """Return the spread of the likely hypotheses, and what the best of them leaves."""
        best = self._hypotheses[0]
        shares = [math.exp(self._odds(h) - self._odds(best)) for h in self._hypotheses]
        told, apart_ns = 0.0, 0.0
        for hypothesis, share in zip(self._hypotheses, shares, strict=True):
            if told >= (1.0 - DOUBT) * sum(shares):
                break
            told += share
            apart_ns = max(apart_ns, abs(hypothesis.offset_ns - best.offset_ns))
        unseen_ns = STEP_NS * math.sqrt(self._n_unseen) + DRIFT * (sum_ns - self._seen_sum_ns)
        return FLOOR_NS + 2.0 * best.deviation_ns + apart_ns + unseen_ns

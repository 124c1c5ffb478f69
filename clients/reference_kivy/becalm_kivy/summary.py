"""What the end of a session says: arousal at the start and at the end of practice, or that it cannot be told."""

import math
from enum import StrEnum

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

# One value a second, for at most three hours.
STEP_NS = NS_PER_S
N_MAX = 10_800
# Less than three minutes of arousal cannot carry a comparison (SIGNAL, subsidence).
LEAST_S = 180
# Start and end are the means of a minute each.
EDGE_NS = 60 * NS_PER_S
# Who joins later than this into practice has not seen its start.
LATEST_START_NS = 30 * NS_PER_S


class Outcome(StrEnum):
    """How the end compares with the start."""

    EASED = "eased"
    CANNOT_TELL = "cannot_tell"
    MORE_ACTIVE = "more_active"
    TOO_SHORT = "too_short"
    START_NOT_SEEN = "start_not_seen"
    NO_PRACTICE = "no_practice"


@value
class Summary:
    """The end of a session."""

    outcome: Outcome
    practice_s: float
    start: Index | None = None
    end: Index | None = None
    curve: tuple[tuple[int, float], ...] = ()
    """Arousal over practice: session time and value."""


class SummaryBook:
    """Keeps the arousal of practice, second by second."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._values: list[tuple[int, float, float]] = []
        self._subsidence: Index | None = None

    def compare(self, subsidence: Index) -> None:
        """Take the pipeline's own comparison: points below the start, or that it cannot be told."""
        if subsidence.value is not None or subsidence.reason is Reason.CANNOT_TELL:
            self._subsidence = subsidence

    def add(self, arousal: Index, *, t_ns: int) -> None:
        """Take the index of a moment within practice."""
        if arousal.value is None or arousal.bound is None or len(self._values) >= N_MAX:
            return
        if not self._values or t_ns - self._values[-1][0] >= STEP_NS:
            self._values.append((t_ns, arousal.value, arousal.bound))

    def close(self, *, practice_started_ns: int | None, ended_ns: int) -> Summary:
        """Return the summary of a practice that began at `practice_started_ns`, None where it never began."""
        if practice_started_ns is None or ended_ns <= practice_started_ns:
            return Summary(outcome=Outcome.NO_PRACTICE, practice_s=0.0)
        practice_s = (ended_ns - practice_started_ns) / NS_PER_S
        curve = tuple((t_ns, level) for t_ns, level, _bound in self._values)
        if len(self._values) < LEAST_S:
            return Summary(outcome=Outcome.TOO_SHORT, practice_s=practice_s, curve=curve)
        if self._values[0][0] > practice_started_ns + LATEST_START_NS:
            return Summary(outcome=Outcome.START_NOT_SEEN, practice_s=practice_s, curve=curve)
        start, end = self._edges()
        outcome = _outcome(start, end) if self._subsidence is None else _told(self._subsidence)
        return Summary(outcome=outcome, practice_s=practice_s, start=start, end=end, curve=curve)

    def _edges(self) -> tuple[Index, Index]:
        first_ns, last_ns = self._values[0][0], self._values[-1][0]
        start = [item for item in self._values if item[0] <= first_ns + EDGE_NS]
        end = [item for item in self._values if item[0] >= last_ns - EDGE_NS]
        return _mean(start), _mean(end)


def _mean(items: list[tuple[int, float, float]]) -> Index:
    """Mean of a minute; neighbours share their smoothing, so the bound does not shrink with their number."""
    n_items = len(items)
    return Index(
        value=sum(level for _t, level, _bound in items) / n_items,
        bound=sum(bound for _t, _level, bound in items) / n_items,
        sample_ns=items[-1][0],
    )


def _told(subsidence: Index) -> Outcome:
    if subsidence.value is None:
        return Outcome.CANNOT_TELL
    return Outcome.EASED if subsidence.value > 0 else Outcome.MORE_ACTIVE


def _outcome(start: Index, end: Index) -> Outcome:
    change = (end.value or 0.0) - (start.value or 0.0)
    if abs(change) <= math.hypot(start.bound or 0.0, end.bound or 0.0):
        return Outcome.CANNOT_TELL
    return Outcome.EASED if change < 0 else Outcome.MORE_ACTIVE

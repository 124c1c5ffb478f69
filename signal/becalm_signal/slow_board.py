"""Indices of longer windows, every five seconds: each section tells its own from what the stages gave out.

A section takes every output in the order in which it counts, and is asked once for all its indices at each moment. What
no section tells is `warming_up` where its sensor is about and `no_sensor` where it is not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from becalm_protocol.derived import Index, Metrics, Reason, SlowMetrics
from becalm_protocol.events import PhaseChange, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.interval_log import IntervalLog
from becalm_signal.stage import Output

SLOW_TICK_NS = 5 * NS_PER_S
# What speaks of a minute of beats is worked out anew every other time, what speaks of two and five every sixth.
MINUTE_RENEWED_NS = 2 * SLOW_TICK_NS
LONG_RENEWED_NS = 6 * SLOW_TICK_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a section may know besides the outputs it has taken."""

    now_ns: int
    heart: SignalKind | None
    """Whose beats count now; None: there is no such sensor."""
    intervals: IntervalLog
    """Those of that heart."""
    breath: SignalKind | None
    """Whose breaths count now."""
    is_way_known: bool = True
    """Whether its turns are told the way they were (`breath_way`)."""
    metrics: Metrics
    """The live indices of this very moment."""
    far_arousal: float | None = None
    """Arousal as if no feature stopped counting at three deviations from the baseline."""
    phase: PhaseChange | None = None
    """The newest phase that has begun."""
    bad: Mapping[SignalKind, Reason]
    """Why a signal cannot be used now, where it cannot: by its own stage, or because its sensor is lost."""


class Section(Protocol):
    """Some of the indices."""

    def apply(self, event: Output) -> None:
        """Take one output of a stage."""

    def indices(self, moment: Moment) -> dict[str, Index]:
        """Return all indices of this section by their names in `SlowMetrics`, at every moment the same names."""


class Renewed:
    """Indices that are worked out anew every so often, and every time while none of them can be told."""

    def __init__(self, *, every_ns: int) -> None:
        self._every_ns = every_ns
        self._round: int | None = None
        self._told: dict[str, Index] = {}

    def at(self, now_ns: int, work_out: Callable[[int], dict[str, Index]]) -> dict[str, Index]:
        """Return them at a moment. What works them out is handed in: a state that is stored holds no methods."""
        this_round = now_ns // self._every_ns
        if this_round != self._round or all(index.value is None for index in self._told.values()):
            self._round, self._told = this_round, work_out(now_ns)
        return self._told


class SlowBoard:
    """All sections of one session."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = tuple(sections)

    def apply(self, event: Output) -> None:
        """Hand one output of a stage to every section."""
        for section in self._sections:
            section.apply(event)

    def metrics(self, moment: Moment) -> SlowMetrics:
        """Return all indices at a moment."""
        nothing = Index(reason=Reason.NO_SENSOR if moment.heart is moment.breath is None else Reason.WARMING_UP)
        told: dict[str, Index] = dict.fromkeys(SlowMetrics.index_names(), nothing)
        for section in self._sections:
            told |= section.indices(moment)
        return SlowMetrics(
            t_ns=moment.now_ns,
            emitted_ns=moment.now_ns,
            heart_source=moment.heart,
            breath_source=moment.breath,
            **told,
        )

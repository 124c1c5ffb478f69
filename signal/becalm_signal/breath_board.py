"""What is known of the breath: the last breaths of every source, and whose of them count."""

from collections.abc import Mapping, Set

from becalm_protocol.derived import Beat, BreathTurn, Index, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import Reading
from becalm_signal.breath_ecg import EcgBreath
from becalm_signal.breath_turns import HOLD_S, SAME_TURN_NS, BreathEvent
from becalm_signal.breath_way import BreathWay
from becalm_signal.breath_window import BreathWindow
from becalm_signal.stage import BreathHint, BreathsHidden, BreathsTorn

BREATH_RANKS: tuple[tuple[SignalKind, ...], ...] = (
    (SignalKind.RESPIRATION,),
    (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z),
    (SignalKind.ECG,),
    (SignalKind.RR, SignalKind.PPI),
)
"""The best first: a belt hears the chest, a strap's tilt follows it, axis and rhythm of the heart only hint at it."""
HINTS = frozenset({SignalKind.ECG, SignalKind.RR, SignalKind.PPI})
"""Sources that tell a rate, but neither depth nor which way is in."""
# Slower than the first the heart has waves of its own (blood pressure, 4 to 8 a minute, and a little above); faster
# than the second breath moves it less than its beats waver (Hirsch & Bishop: -21 dB a decade above 7 a minute). Its
# intervals alone tell such a breath only while a pacer asks for one. Of forty virtual people without a pacer 99 % of
# what was between the two was within the bound, 62 % of the rest.
FREE_BPM = (10.0, 18.0)


def rank_of(source: SignalKind | None) -> int | None:
    """Return how good a source of breath a signal is, 0 the best; None for no source."""
    return next((rank for rank, kinds in enumerate(BREATH_RANKS) if source in kinds), None)


_BELT = rank_of(SignalKind.RESPIRATION)
_CHEST = rank_of(SignalKind.ACCELERATION_Z)
_ECG = rank_of(SignalKind.ECG)
_INTERVALS_ALONE = rank_of(SignalKind.RR)


class BreathBoard:
    """The best source that works counts, or the one that a person wishes for.

    All are followed all the time, but for the ECG, whose breath costs most: it catches up where no better one breathes.
    """

    def __init__(self, kinds: frozenset[SignalKind]) -> None:
        ranks = [rank for rank, members in enumerate(BREATH_RANKS) if kinds & set(members)]
        self._windows = {rank: BreathWindow(BREATH_RANKS[rank][0]) for rank in ranks}
        self._kinds_of = {rank: kinds & set(BREATH_RANKS[rank]) for rank in ranks}
        self._rank = ranks[0] if ranks else None
        self._ecg = EcgBreath()
        self._way = BreathWay()
        self._wish: int | None = None
        self._told: BreathTurn | None = None

    @property
    def source(self) -> SignalKind | None:
        """The signal whose breaths count now."""
        return None if self._rank is None else self._windows[self._rank].kind

    @property
    def kinds(self) -> frozenset[SignalKind]:
        """The signals that the source which counts is made from."""
        return frozenset() if self._rank is None else self._kinds_of[self._rank]

    @property
    def is_way_known(self) -> bool:
        """Whether the turns of the source which counts are told the way they were."""
        return self._rank != _BELT or self._way.is_known

    def wish(self, source: SignalKind | None) -> None:
        """Keep to this source, if there is such a sensor; None: choose by quality."""
        self._wish = rank_of(source)

    def hear(self, hint: BreathHint) -> None:
        """Take what a beat has of the breath in it."""
        self._ecg.hear(hint)
        self._way.hint(hint)

    def beat(self, beat: Beat) -> None:
        """Take a sound confirmed beat of the heart that counts."""
        self._way.beat(beat)

    def jump(self) -> None:
        """Take that the belt's signal jumped."""
        self._way.doubt()

    def lose(self, hidden: BreathsHidden) -> None:
        """Take that a source had breaths too small to be told: the next begins anew."""
        rank = rank_of(hidden.source)
        if rank is not None and rank in self._windows:
            self._windows[rank].lose()

    def tear(self, torn: BreathsTorn) -> None:
        """Take that a source begins again."""
        rank = rank_of(torn.source)
        if rank is not None and rank in self._windows:
            self._windows[rank].begin_anew()

    def apply(self, event: BreathEvent) -> bool:
        """Take an event of any source; return whether it counts: of the chosen source, and newer than what counted."""
        rank = 0 if event.source is None else rank_of(event.source)
        if rank is None or rank not in self._windows:
            return False
        self._windows[rank].apply(event)
        if isinstance(event, BreathTurn) and rank in {_BELT, _CHEST}:
            (self._way.turn if rank == _BELT else self._way.tilt)(event)
        if rank != self._rank:
            return False
        if isinstance(event, BreathTurn):
            if not self.is_way_known:
                return False
            if self._was_told(event):
                return False
            self._told = event
        return True

    def _was_told(self, turn: BreathTurn) -> bool:
        """Whether a turn is no newer than the last that counted, or the same one, seen by another source."""
        told = self._told
        if told is None or turn.t_ns <= told.t_ns:
            return told is not None
        is_near = turn.phase is told.phase and turn.t_ns - told.t_ns < SAME_TURN_NS
        return is_near and rank_of(turn.source) != rank_of(told.source)

    def choose(
        self, now_ns: int, *, bad: Mapping[SignalKind, Reason], lost: frozenset[SignalKind]
    ) -> list[BreathEvent]:
        """Settle whose breaths count from now on; return what counts of those that the ECG caught up with.

        A source that is bad or silent is left at once for the next best that breathes. One that is still, but sound,
        is left only where another has gone on breathing since: else the breath is held, and that is worth knowing.
        """
        unusable = {rank for rank in self._windows if self._is_bad(rank, bad=bad, lost=lost)} if bad or lost else set()
        counting = self.catch_up() if _ECG in (self._rank, self._wish, *unusable) else []
        for rank in unusable:
            self._windows[rank].forget(now_ns)
        if _BELT in unusable and (SignalKind.RESPIRATION in lost or bad.get(SignalKind.RESPIRATION) is Reason.FLAT):
            self._way.doubt()  # who puts a belt on again may turn it over
        if self._wish in self._windows:
            self._rank = self._wish
            return counting
        for rank in self._windows:
            if rank == _ECG:
                counting += self.catch_up()
            if rank not in unusable and self._may_take(rank, now_ns, unusable=unusable):
                self._rank = rank
                break
        return counting

    def catch_up(self) -> list[BreathEvent]:
        """Take what the ECG tells of the breath by now; return what of it counts."""
        return [event for event in self._ecg.catch_up() if self.apply(event)]

    def rate(self, now_ns: int, *, pacing: bool) -> Index:
        """Return the rate of the chosen source; `pacing`: a pacer sets the breath."""
        if self._rank is None:
            return Index(reason=Reason.NO_SENSOR)
        told = self._windows[self._rank].rate(now_ns)
        slowest, fastest = FREE_BPM
        is_beyond = told.value is not None and not slowest <= told.value <= fastest
        if self._rank == _INTERVALS_ALONE and is_beyond and not pacing:
            return Index(reason=Reason.CANNOT_TELL)
        return told

    def irregularity(self) -> Reading | None:
        """Return the coefficient of variation of the last six breaths of the chosen source."""
        return None if self._rank is None else self._windows[self._rank].irregularity()

    def _may_take(self, rank: int, now_ns: int, *, unusable: Set[int]) -> bool:
        there = self._windows[rank]
        breathes = there.breathes(now_ns)
        if self._rank is None or rank == self._rank:
            return breathes
        here = self._windows[self._rank]
        if rank < self._rank:  # at once, if that tells a rate at all where the one that counts does not
            return breathes or (there.rate(now_ns).value is not None and here.rate(now_ns).value is None)
        if not breathes:
            return False
        if self._rank in unusable or here.newest_ns is None:
            return True
        still_ns = here.still_for_ns(now_ns)
        return still_ns is not None and still_ns > 0 and (there.newest_ns or 0) > here.newest_ns + HOLD_S * NS_PER_S

    def _is_bad(self, rank: int, *, bad: Mapping[SignalKind, Reason], lost: frozenset[SignalKind]) -> bool:
        kinds = self._kinds_of[rank]
        return kinds <= lost or any(bad.get(kind) not in {None, Reason.DISAGREES} for kind in kinds & bad.keys())

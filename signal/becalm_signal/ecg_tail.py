"""What follows a QRS, ST segment and T wave: the same after each beat of a heart, and nothing of it after a knock."""

from collections import deque
from collections.abc import Sequence
from statistics import fmean

from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.ecg_tail_kind import TailKind, WaveShare, nearest_kind

# From the end of a QRS to the end of a usual T wave, in boxes of this width, which quiets mains.
BEGIN_S, END_S, BOX_S = 0.08, 0.38, 0.025
# How long before its R peak the next QRS begins.
NEXT_S = 0.06
# Mean square by which a tail differs from those before it over the usual one. Of worn hearts 99 of 100 are below 5 to
# 11 (a record with many kinds of beats: 47), of knocked electrodes 19 of 20 of those unlike all before are above 22.
MOST_ODD = 14.0
# What is odder is not learned: one odd tail must not make the next one look usual.
USUAL = 6.0
MAX_KINDS = 4
# One odd tail may be any beat's, and two in a row those of early beats, which come in pairs and count half. What is
# less odd, but not usual, counts once it goes on. So does a beat too small to tell whether its wave is there, by how
# likely it is not, up or down.
N_STRANGE = 1.5
EARLY_COUNTS = VAGUE_COUNTS = 0.5
ODD_COUNTS = 0.3
# Early is after so much of the mean of the last intervals; of knocks that are nearly even, few come so soon.
EARLY_SHARE = 0.68
N_RR = 8
# Beats with tails of their own that come one or two at a time count half in a heart that has shown more of them than
# this among its last fifty; what lasts for longer is none of these.
MOST_PASSED, PASSED_FADE, N_PASSING = 2.0, 0.98, 2
# A heart may change for good. So many in doubt in a row are learned anew: knocks that go on for longer are not told
# from it.
MOST_DOUBTED = 30
# Of a heart too fast for its tails to be read nothing is known any more after so many beats.
N_UNREAD = 6


class TailWatch:
    """Counts beats in a row whose tails are unlike all that this heart has shown, turned or of any size.

    Notes
    -----
    Delay: what followed a beat is judged with the next one. Warm-up: 5 beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, recent: RecentSamples) -> None:
        self._recent = recent
        self._n_box = max(1, round(BOX_S * recent.rate_hz))
        self._begin = round(BEGIN_S * recent.rate_hz)
        self._n_boxes = round((END_S - BEGIN_S) / BOX_S)
        self._n_next = round(NEXT_S * recent.rate_hz)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget this heart: after a dead lead it may look otherwise, and in other noise."""
        self._kinds: list[TailKind] = []
        self._others: deque[TailKind] = deque(maxlen=MAX_KINDS)
        self._rr: deque[float] = deque(maxlen=N_RR)
        self._passed = 0.0
        """How many beats with tails of their own passed lately, one or two at a time."""
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap: kinds are kept."""
        self._before: tuple[float, float] | None = None
        self._is_early = False
        self._n_doubted = 0
        """How many tails in a row were not known to be this heart's."""
        self.n_strange = 0.0
        """How many tails in a row were unlike all that are known; early beats and less odd tails count less."""
        self.recognised_at: float | None = None
        """The sample of the beat before the newest, if its tail was as usual."""
        self.known_at: float | None = None
        """The sample of the last beat whose tail was known."""
        self._n_unread = 0
        """How many tails in a row the next beat came into."""

    @property
    def is_strange(self) -> bool:
        """Whether what comes is no heart as far as its tails tell."""
        return self.n_strange >= N_STRANGE

    def beat(self, at: float, *, height: float, noise: float) -> None:
        """Take the next beat.

        Parameters
        ----------
        at : its sample since the restart
        height : of its QRS, in the unit of the signal
        noise : how many times louder it is than usual, at least 1
        """
        before, self._before = self._before, (at, height)
        self.recognised_at = None
        if before is None or before[1] == 0.0:
            return
        course = self._course(before[0], at)
        self._n_unread = self._n_unread + 1 if course is None else 0
        if course is not None and self._judge(course, before[1], noise=noise):
            self.recognised_at = before[0]
        if self._n_unread >= N_UNREAD:
            self.n_strange = 0.0
        if self.n_strange == 0.0:
            self.known_at = before[0]
        self._is_early = at - before[0] < EARLY_SHARE * fmean([*self._rr, at - before[0]])
        self._rr.append(at - before[0])

    def _judge(self, course: Sequence[float], height: float, *, noise: float) -> bool:
        """Return whether a tail is as usual, however loud it is."""
        if not self._kinds:
            self._kinds.append(TailKind([x / height for x in course]))
        known, square = nearest_kind(self._kinds, course, height)
        oddity = known.oddity(square, height) / noise**2
        wave = known.wave(course, height, noise=noise)
        counts = self._counts(oddity, wave) if known.is_learned else None
        if counts is None:
            known.learn(course, height, square=square, noise=noise)
            self._recognise()
        else:
            self._doubt(counts)
            if counts > 0.0:
                self._liken(course, height, noise=noise)
            if self._n_doubted >= MOST_DOUBTED:
                self._kinds.clear()
                self._recognise()
        return known.is_learned and not wave.is_missing and oddity * noise**2 <= USUAL

    def _counts(self, oddity: float, wave: WaveShare) -> float | None:
        """Return what a tail adds to the doubt; None where it is this heart's."""
        if oddity > MOST_ODD or wave.is_missing or (oddity > USUAL and wave.is_doubtful):
            return EARLY_COUNTS if self._is_early or self._passed > MOST_PASSED else 1.0
        if oddity > USUAL:
            return ODD_COUNTS
        if wave.is_vague:
            return min(VAGUE_COUNTS, max(-VAGUE_COUNTS, wave.doubt))
        return None if wave.is_there or self.n_strange == 0.0 else 0.0

    def _doubt(self, counts: float) -> None:
        self.n_strange = max(0.0, self.n_strange + counts)
        self._n_doubted = self._n_doubted + 1 if self.n_strange > 0.0 else 0

    def _recognise(self) -> None:
        """Take a tail as this heart's; what came between its beats for long was no other heart."""
        self.n_strange = 0.0
        if self._n_doubted > N_PASSING:
            self._others.clear()
        else:
            self._passed += self._n_doubted
        self._passed *= PASSED_FADE
        self._n_doubted = 0

    def _liken(self, course: Sequence[float], height: float, *, noise: float) -> None:
        """Compare a tail with others in doubt: enough of them alike are another heart."""
        other, square = nearest_kind(self._others, course, height) if self._others else (None, 0.0)
        if other is None or other.oddity(square, height) > MOST_ODD * noise * noise:
            self._others.append(TailKind([x / height for x in course]))
            return
        other.learn(course, height, square=square, noise=noise)
        if other.is_heart:
            self._others.remove(other)
            self._kinds = [*self._kinds, other][-MAX_KINDS:]
            self._n_doubted = 0
            self._recognise()

    def _course(self, at: float, until: float) -> list[float] | None:
        first = round(at) + self._begin
        last = first + self._n_boxes * self._n_box
        part = self._recent.between(first, last)
        if last + self._n_next > until or len(part) < last - first:
            return None
        boxes = [sum(part[k : k + self._n_box]) / self._n_box for k in range(0, len(part), self._n_box)]
        mean = sum(boxes) / len(boxes)
        return [box - mean for box in boxes]

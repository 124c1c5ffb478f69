"""Knocks on electrodes that came off: unlike this heart's beats, without its T wave, and as uneven as no heart is."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from becalm_signal.ecg_wave import FIRST_VARIANCE, GAIN, MOST_VARIANCES, N_LEARNED, UsualWave
from becalm_signal.qrs_course import MAX_SHAPES
from becalm_signal.qrs_shapes import Shape

# A beat of a known shape is in doubt, too, where it is so many times larger or smaller than the others of this shape,
# and, counting half, where it clearly misses the wave that these have.
OTHER_SIZE = 2.0
OWN_MISSES, OWN_COUNTS = 3.0, 0.5
# One known beat in four is learned from, which is cheaper and soon enough for a wave that changes with posture; kinds
# whose wave is another one say nothing of it.
LEARN_EVERY = 4
LEAST_MAIN_SHARE = 0.5
# A wave upside down is that of another kind of beat, as after early ones: it says nothing.
TURNED = -0.5
# From beat to beat sizes differ by no less than this (logarithm of two in a row), those of knocks by hand by 25 % each.
FIRST_STEP_VARIANCE, LEAST_STEP_SD, KNOCKED_STEP_SD = 0.003, 0.07, 0.38
# Logarithms of likelihood ratios: what one beat may say for and against knocks; what is needed of each kind, which
# takes three beats, and what ends it. First leads of MIT-BIH and intensive care lose at most 0.24 % of their time to
# it, second leads next to nothing but for two, which lose 3 and 10 %.
MOST_TOLD, MOST_WAVE_AGAINST, MOST_EVEN_AGAINST = 2.0, -2.0, -1.5
NEEDED, ENDS_BELOW, MOST_SUM = 2.3, 1.5, 4.0
# A few beats of another look among this heart's own, and such again, are its early ones.
N_PASSING = 3
# So many in a row, as large as each other within this factor, are how this heart looks now.
N_EVEN, EVEN = 8, 1.27


@dataclass(slots=True)
class _Look:
    """A shape of QRS, the size of its beats, and the share of the usual wave that they have."""

    shape: Shape
    size: float
    share: float = 1.0
    variance: float = FIRST_VARIANCE

    def is_sized(self, size: float) -> bool:
        return self.size < size * OTHER_SIZE < self.size * OTHER_SIZE**2

    def vary(self, share: float) -> None:
        self.variance += GAIN * (min((share - self.share) ** 2, 1.0) - self.variance)

    def learn(self, size: float, share: float) -> None:
        self.vary(share)
        self.share += GAIN * (share - self.share)
        self.size += GAIN * (size - self.size)


class KnockWatch:
    """Holds a run of beats against this heart; `hears` says of each beat whether it and those before it are knocks.

    Two sums of logarithms of likelihood ratios, one of the wave that each misses and one of how uneven they are, must
    both be high: beats of a heart that looks otherwise - early, paced or widened, of electrodes put elsewhere - miss
    their wave, or are uneven, but hardly ever both, one after the other.

    Notes
    -----
    Delay: three beats or more. Warm-up: 8 beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque(maxlen=2 * MAX_SHAPES)
        """What beats of this heart look like."""
        self._passed: deque[Shape] = deque(maxlen=2 * MAX_SHAPES)
        """Shapes of beats that came once among its own."""
        self._wave = UsualWave()
        self._step_variance = FIRST_STEP_VARIANCE
        self._n_known = 0
        self._before = 0.0
        """Size of the last beat that was this heart's."""
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap; what is known of this heart is kept."""
        self._run: deque[_Look] = deque(maxlen=N_EVEN)
        """The last beats in doubt."""
        self._n_run = 0
        self._waveless = self._uneven = 0.0
        self._is_knocked = self._was_knocked = False

    def hears(self, course: Sequence[float], *, size: float, shape: Shape | None, noise: float) -> bool:
        """Take a beat.

        Parameters
        ----------
        course : of its tail, without its mean, in the unit of the signal, shape (n_boxes,)
        size : of its QRS, in the same unit
        shape : what its QRS looks like; None where too little of it was seen
        noise : how many times louder it is than usual, at least 1

        Returns
        -------
        whether it and those before it are knocks
        """
        if shape is None or size <= 0.0:
            return False
        look = self._look_of(shape)
        share = self._wave.share(course, size)
        if self._n_known >= N_LEARNED:
            is_own = look is not None and look.is_sized(size)
            missing = self._missing(share, size, noise=noise, look=look)
            if look is None or missing >= OWN_MISSES or (missing > 0.0 and not is_own):
                self._doubt(_Look(shape, size, share), missing=missing, counts=OWN_COUNTS if is_own else 1.0)
                return self._is_knocked
        self._end_run()
        self._recognise(look or self._add(_Look(shape, size)), course, size=size, share=share, noise=noise)
        return False

    def _look_of(self, shape: Shape) -> _Look | None:
        for look in self._looks:
            if look.shape is shape:
                return look
        return None

    def _add(self, look: _Look) -> _Look:
        self._looks.append(look)
        return look

    def _missing(self, share: float, size: float, *, noise: float, look: _Look | None) -> float:
        if look is not None:
            return self._wave.missing(share, size, noise=noise, usual=look.share, variance=look.variance)
        return self._wave.missing(share, size, noise=noise) if share > TURNED else 0.0

    def _doubt(self, beat: _Look, *, missing: float, counts: float) -> None:
        self._waveless = _sum(self._waveless, max(MOST_WAVE_AGAINST, missing), counts=counts)
        self._uneven = _sum(self._uneven, max(MOST_EVEN_AGAINST, self._unevenness(beat)), counts=counts)
        self._run.append(beat)
        self._n_run += 1
        sizes = [one.size for one in self._run]
        if len(sizes) == N_EVEN and max(sizes) < EVEN * min(sizes):
            self._adopt(is_for_good=True)
        self._is_knocked = min(self._waveless, self._uneven) >= (ENDS_BELOW if self._is_knocked else NEEDED)
        self._was_knocked |= self._is_knocked

    def _unevenness(self, beat: _Look) -> float:
        """Return how much likelier its size is after those before it among knocks than in a heart, as a logarithm."""
        is_turned = beat.share <= TURNED
        before = next((one for one in reversed(self._run) if is_turned or one.share > TURNED), None)
        if before is None:
            return 0.0
        heart, knocks = self._step_variance + LEAST_STEP_SD**2, KNOCKED_STEP_SD**2
        step = math.log(beat.size / before.size) ** 2
        told = 0.5 * (step / heart - step / knocks + math.log(heart / knocks))
        return min(0.0, told) if is_turned else told

    def _end_run(self) -> None:
        """Take that this heart is heard again: what came between was its own in another look, or was knocks."""
        if self._n_run == 0:
            return
        if self._n_run <= N_PASSING and not self._was_knocked:
            shapes = [beat.shape for beat in self._run]
            if all(any(shape is one for one in self._passed) for shape in shapes):
                self._adopt(is_for_good=False)
            else:
                self._passed.extend(shapes)
        if not self._was_knocked:
            for beat in self._run:
                look = self._look_of(beat.shape)
                if look is not None and look is not beat:
                    look.vary(beat.share)
        self.restart()

    def _adopt(self, *, is_for_good: bool) -> None:
        """Take the beats in doubt for this heart's, and their wave for that which their shapes have from now on."""
        for beat in self._run:
            look = self._look_of(beat.shape) or self._add(beat)
            if is_for_good:
                look.share = beat.share
            if not look.is_sized(beat.size):
                look.size = beat.size

    def _recognise(self, look: _Look, course: Sequence[float], *, size: float, share: float, noise: float) -> None:
        before, self._before = self._before, size
        self._n_known += 1
        if not look.is_sized(size):
            look.size = size
        is_first = self._n_known <= N_LEARNED
        if not is_first and self._n_known % LEARN_EVERY:
            return
        if not is_first:
            look.learn(size, share)
        if before > 0.0:
            square, most = math.log(size / before) ** 2, MOST_VARIANCES * self._step_variance + 0.01
            self._step_variance += GAIN * (min(square, most) - self._step_variance)
        if is_first or look.share > LEAST_MAIN_SHARE:
            self._wave.learn(course, size, share=share, noise=noise)


def _sum(told: float, more: float, *, counts: float) -> float:
    return max(0.0, min(MOST_SUM, told + (counts if more > 0.0 else 1.0) * min(MOST_TOLD, more)))

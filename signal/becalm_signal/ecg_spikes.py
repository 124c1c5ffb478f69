"""Spikes of one to three samples: they jump away and back, a QRS takes its time. They never reach the detector."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import sub

# At 130 Hz; of a slow signal's samples fewer: a narrow QRS has three at 65 Hz.
MOST_SAMPLES = 3
MOST_S = 0.03
# Steps beside a spike, and the step that it leaves behind, over its edges. With the shares below, eight of 82,000 beats
# of MIT-BIH (at 360, 250 and 130 Hz) are so abrupt; with 0.25, fifty of one record are.
QUIET_SHARE = 0.15
# Both edges over the farthest sample: in three samples of a narrow QRS at 130 Hz they have half of its height.
EDGE_SHARE = 0.9
# What jumps half as far again as the steepest step of a heart is no QRS, whatever it does in between.
FAR = 1.5
FAR_EDGE_SHARE = 0.3
# With edges of a quarter of the steepest step of a heart there is too little in three samples for a beat.
LEAST_SHARE = 0.25
SEGMENT_S = 0.5
N_SEGMENTS = 4

Run = tuple[Sequence[float], int | None]


class SpikeGate:
    """Lets samples through as they come, but holds an abrupt jump back until it is seen where it leads.

    Notes
    -----
    Delay: none, or at most 4 samples after a jump. Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n_segment = max(1, round(SEGMENT_S * rate_hz))
        self._n_most = max(1, min(MOST_SAMPLES, int(MOST_S * rate_hz)))
        self._steepest: deque[float] = deque(maxlen=N_SEGMENTS)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._before: list[float] = []
        self.held: list[float] = []
        """What came and was not let through yet: a jump, and what follows it."""
        self._n_left, self._top = self._n_segment, 0.0

    def feed(self, samples: Sequence[float]) -> Iterator[Run]:
        """Take samples; a generator.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)

        Returns
        -------
        runs of samples, spikes replaced by a straight line, each with how many samples after its last one it was let
            through as a whole; None: each sample as it came
        """
        if len(samples) < self._n_left and self._is_smooth(samples):
            self._n_left -= len(samples)
            yield samples, None
            return
        plain: list[float] = []
        for run, n_late in self._runs(samples):
            if n_late is None:
                plain += run
                continue
            if plain:
                yield plain, None
            plain = []
            yield run, n_late
        if plain:
            yield plain, None

    def _runs(self, samples: Sequence[float]) -> Iterator[Run]:
        """Let through what comes up to the end of each segment, which tells anew what is steep."""
        at = 0
        while at < len(samples):
            part = samples[at : at + self._n_left]
            at, self._n_left = at + len(part), self._n_left - len(part)
            if self._is_smooth(part):
                yield part, None
            else:
                yield from self._let_through(part)
            if self._n_left == 0:
                self._steepest.append(self._top)
                self._n_left, self._top = self._n_segment, 0.0

    def _is_smooth(self, part: Sequence[float]) -> bool:
        """Take samples as they are where nothing jumps, as nearly everywhere; return whether they were taken."""
        if self.held:
            return False
        steepest, before = 0.0, self._before[-1] if self._before else part[0]
        for x in part:
            step = x - before if x > before else before - x
            if step > steepest:
                steepest = step
            before = x
        if steepest > LEAST_SHARE * max(self._steepest, default=0.0):
            return False
        self._top = max(self._top, steepest)
        self._before = [*self._before, *part[-2:]][-2:]
        return True

    def _let_through(self, part: Sequence[float]) -> Iterator[Run]:
        known = [*self._before, *self.held, *part]
        done = len(self._before)
        steps = [0.0, *map(abs, map(sub, known[1:], known))]
        steepest = max(self._steepest, default=0.0)
        jumps = self._jumps(steps, least=LEAST_SHARE * steepest)
        if self.held:  # what is held begins with a jump
            jumps = [done, *[at for at in jumps if at > done]]
        for at, following in pairwise([*jumps, len(known)]):
            if at < done:
                continue  # it was seen together with one before
            if at > done:
                yield self._run(known, steps, done, at), None
                done = at
            width, n_seen = _seen(known[at - 1 : at + self._n_most + 2], n_most=self._n_most, steepest=steepest)
            if n_seen is None:
                break
            last = at + n_seen
            if width:
                step = (known[at + width] - known[at - 1]) / (width + 1)
                known[at : at + width] = [known[at - 1] + step * k for k in range(1, width + 1)]
                yield known[at : last + 1], 0
                done = last + 1
            else:
                done = min(following, last + 1)
                yield self._run(known, steps, at, done), last + 1 - done
        else:
            if done < len(known):
                yield self._run(known, steps, done, len(known)), None
            done = len(known)
        self._before, self.held = known[max(0, done - 2) : done], known[done:]

    def _jumps(self, steps: list[float], *, least: float) -> list[int]:
        """Return where a step is steep and the one before it is not."""
        if max(steps) <= least:
            return []
        first = max(2, len(self._before))
        return [at for at in range(first, len(steps)) if steps[at] > least and steps[at - 1] <= QUIET_SHARE * steps[at]]

    def _run(self, known: list[float], steps: list[float], first: int, last: int) -> list[float]:
        self._top = max(self._top, *steps[first:last])
        return known[first:last]


def _seen(around: Sequence[float], *, n_most: int, steepest: float) -> tuple[int, int | None]:
    """Return the width of the spike after the first of some samples, 0 for none, and after how many it was known.

    None: there are too few samples to tell.
    """
    heights = [x - around[0] for x in around[1:]]
    n_seen = 0
    for width in range(1, n_most + 1):
        n_seen = max(n_seen, width)
        if len(heights) <= width:
            return 0, None
        after = heights[width]
        far = max(map(abs, heights[:width]))
        edge = min(abs(heights[0]), abs(heights[width - 1] - after))
        least = (FAR_EDGE_SHARE if edge > FAR * steepest else EDGE_SHARE) * far
        if abs(after) > QUIET_SHARE * edge or edge < least:
            continue
        if len(heights) <= width + 1:
            return 0, None
        n_seen = width + 1
        if abs(heights[width + 1] - after) <= QUIET_SHARE * edge:
            return width, n_seen
    return 0, n_seen

"""Time stamps of samples to stretches of even samples: finds what was lost, states how uneven the rest was."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from becalm_protocol.events import value

# Longer than the longest hold-up of a radio packet: late stamps have caught up within it, lost samples never do.
_WINDOW_S = 3.0
# A loss shows as a lasting shift by whole periods; half of one is between none and one.
_LOST_PERIODS = 0.6
# The lowest lateness of a whole window is steadier than lateness itself, that of a part of a window is not.
_SHARE_OF_LATENESS = 1.0
_SHARE_AT_ENDS = 4.0
_BLOCK = 500


@value
class Stretch:
    """Samples from `start` up to, without, `end`: the first at `t_s`, then one period after another."""

    start: int
    end: int
    t_s: float


@value
class Even:
    """What even sampling makes of a stream's stamps."""

    period_s: float
    stretches: tuple[Stretch, ...]
    jitter_p95_s: float
    """95 % of the stamps are nearer than this to the even time that stands for them."""


def even(stamps_s: Sequence[float], *, nominal_hz: float) -> Even:
    """Fit one period to all stretches between losses, and to each stretch its own start (least squares)."""
    period_s = _typical_period(stamps_s, nominal_hz=nominal_hz)
    borders = [0, *_losses(stamps_s, period_s=period_s), len(stamps_s)]
    pairs = [(a, b) for a, b in pairwise(borders) if b > a]
    sum_xx = sum_xt = 0.0
    for a, b in pairs:
        middle, mean_s = (b - a - 1) / 2, sum(stamps_s[a:b]) / (b - a)
        sum_xx += (b - a) * ((b - a) ** 2 - 1) / 12
        sum_xt += sum((k - middle) * (t_s - mean_s) for k, t_s in enumerate(stamps_s[a:b]))
    if sum_xx and 0.5 < sum_xt / sum_xx / period_s < 2.0:
        period_s = sum_xt / sum_xx
    stretches, off = [], []
    for a, b in pairs:
        t_s = sum(stamps_s[a:b]) / (b - a) - (b - a - 1) / 2 * period_s
        stretches.append(Stretch(start=a, end=b, t_s=t_s))
        off += [abs(stamp_s - t_s - k * period_s) for k, stamp_s in enumerate(stamps_s[a:b])]
    off.sort()
    jitter_s = off[int(0.95 * (len(off) - 1))] if off else 0.0
    return Even(period_s=period_s, stretches=tuple(stretches), jitter_p95_s=jitter_s)


def _typical_period(stamps_s: Sequence[float], *, nominal_hz: float) -> float:
    n = min(_BLOCK, max(1, len(stamps_s) // 3))
    slopes = [(stamps_s[k + n] - stamps_s[k]) / n for k in range(0, len(stamps_s) - n, n)]
    typical_s = median(slopes) if slopes else 1.0 / nominal_hz
    return typical_s if 0.5 < typical_s * nominal_hz < 2.0 else 1.0 / nominal_hz


def _losses(stamps_s: Sequence[float], *, period_s: float) -> list[int]:
    """Return the positions before which samples are missing (or where the clock went back)."""
    jumps = [k for k in range(1, len(stamps_s)) if not 0 <= stamps_s[k] - stamps_s[k - 1] <= 1.5 * period_s]
    if not jumps:
        return []
    late_s = [stamp_s - k * period_s for k, stamp_s in enumerate(stamps_s)]
    n_window = max(8, round(_WINDOW_S / period_s))
    before = _running_minimum(late_s, n_window)
    after = _running_minimum(late_s[::-1], n_window)[::-1]
    # Against the nearer level of the two sides, or samples behind a loss would all be called late.
    lateness_s = median(late - max(levels) for late, *levels in zip(late_s, before, after, strict=True))
    losses: list[int] = []
    for k in jumps:
        # Behind the last loss only: what lay before it says nothing of this one.
        start = max(k - n_window, losses[-1] if losses else 0)
        floor_s = before[k - 1] if start == k - n_window else min(late_s[start:k])
        is_near_end = min(k - start, len(stamps_s) - k) < n_window
        least_s = max(_LOST_PERIODS * period_s, lateness_s * (_SHARE_AT_ENDS if is_near_end else _SHARE_OF_LATENESS))
        shift_s = after[k] - floor_s
        # A lasting shift belongs to the jump that makes it, not to another one near by.
        if abs(shift_s) > least_s and abs(stamps_s[k] - stamps_s[k - 1]) > 0.5 * abs(shift_s):
            losses.append(k)
    return losses


def _running_minimum(numbers: Sequence[float], n_window: int) -> list[float]:
    """Return the least of each number and the `n_window` - 1 before it."""
    lowest: deque[int] = deque()
    minima = []
    for k, number in enumerate(numbers):
        while lowest and numbers[lowest[-1]] >= number:
            lowest.pop()
        lowest.append(k)
        if lowest[0] <= k - n_window:
            lowest.popleft()
        minima.append(numbers[lowest[0]])
    return minima

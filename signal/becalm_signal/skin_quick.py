"""Whether a rise that was all but there within a quarter of a second is of the skin: by what it loses after it.

Sweat takes half a second and more to rise (Boucsein 2012, DOI 10.1007/978-1-4614-1126-0), and a slow sensor sees of an
electrode's jerk no corner, only that it came within a sample. Such a rise stays where it is, or springs back at once; a
quick one of the skin, as NeuroKit2 simulates it, has lost 58 to 73 % a second after its top, in no fall as steep.
"""

import math
from collections.abc import Sequence

# A slower sensor takes every rise of the skin in a sample or two.
SLOWEST_HZ = 3.0
AT_ONCE_S, AT_ONCE_SHARE = 0.25, 0.65
"""Other responses make no more of their height than this within a quarter of a second."""
# Bateman functions of 0.3 s up and 3 s down make up to 0.7 of it, and lose 0.17 in the next second; the quickest all of
# it, and lose 0.58. What must be lost grows in between.
LEAST_LOST = 0.1
QUICKEST_SHARE, LEAST_LOST_BY_QUICKEST, LOST_PER_SHARE = 0.9, 0.57, 2.0
WHOLE_S, WHOLE_SHARE, LEAST_LOST_BY_WHOLE = 0.5, 0.97, 0.25
"""What is there within half a second has lost no less than this: those of 0.4 s up and 1.2 s down lose 0.32."""
BRIDGED_SDS = 3.0
"""A jerk within a lost sample is a straight line of half a second. How much higher than where it has ended the highest
of the samples after it may be: by so much of their noise."""
MOST_LOST = 0.78
MOST_LOST_AT_ONCE = 0.45
"""What any response loses at most within a quarter of a second: 0.42 of those, sampled four times a second."""
LOST_IN_HALF_S = (0.35, 0.62)
"""What the quickest lose in half a second, sampled so slowly that they are up in one step: 42 to 54 %."""
NOISE_SDS = 2.0
"""A top is the highest of some samples, and the next one may be low."""
SEEN_AFTER_S = (0.75, 1.25)
"""What is lost is the mean over this time after the top."""


def was_electrode(
    samples: Sequence[float], top: int, *, rate_hz: float, noise_us: float, drying_us_s: float
) -> bool | None:
    """Return whether a quick rise was a jerk of the electrode; None for a rise that was not quick.

    What falls by nearly half of its height at once was the electrode, however it rose. What the level lost by itself
    meanwhile is no part of height or of too much fall; of too little it is, in favour of the skin: how fast a level
    falls is badly known from the second before, and quick responses lose hardly more than they must. Delay: a second
    after the top.

    Parameters
    ----------
    samples : as they came, from half a second before a rise to a second and more after it, in uS, shape (n_samples,)
    top : where among them it ends
    rate_hz : of the samples
    noise_us : standard deviation of their noise
    drying_us_s : how fast the level fell before

    Returns
    -------
    True: electrode; False: skin; None: slower than that, or the sensor is slower than 3 Hz
    """
    if rate_hz < SLOWEST_HZ:
        return None
    n_at_once = max(1, round(AT_ONCE_S * rate_hz))
    since = samples[top:]
    foot_us, foot = min((sample_us, at) for at, sample_us in enumerate(samples[: top + 1]))
    height_us = since[0] - foot_us + drying_us_s * (top - foot) / rate_hz
    fall_us = max((before - after for before, after in zip(since, since[n_at_once:], strict=False)), default=0.0)
    doubt_us = NOISE_SDS * noise_us
    if fall_us - drying_us_s * AT_ONCE_S - doubt_us > MOST_LOST_AT_ONCE * height_us:
        return True
    at_once = (_largest_rise(samples, top, over=n_at_once) + drying_us_s * n_at_once / rate_hz) / height_us
    n_whole = max(2, round(WHOLE_S * rate_hz))
    whole_us = _largest_rise(samples, top, over=n_whole) + drying_us_s * n_whole / rate_hz
    whole_sds = BRIDGED_SDS if _is_bridged(samples[: top + 1]) else 1.0
    is_whole = whole_us + whole_sds * noise_us >= WHOLE_SHARE * height_us
    if not is_whole and at_once <= AT_ONCE_SHARE + noise_us / height_us:
        return None
    seen = since[round(SEEN_AFTER_S[0] * rate_hz) : round(SEEN_AFTER_S[1] * rate_hz) + 1] or since[-1:]
    lost_us = since[0] - sum(seen) / len(seen)
    by_quickest = LEAST_LOST_BY_QUICKEST - LOST_PER_SHARE * max(0.0, QUICKEST_SHARE - at_once)
    least = max(LEAST_LOST_BY_WHOLE if is_whole else LEAST_LOST, by_quickest)
    is_lost = lost_us >= least * height_us - noise_us
    return not (is_lost and lost_us - drying_us_s <= MOST_LOST * height_us + doubt_us)


def _largest_rise(samples: Sequence[float], top: int, *, over: int) -> float:
    return max((samples[at] - samples[max(0, at - over)] for at in range(1, top + 1)), default=0.0)


def _is_bridged(samples: Sequence[float]) -> bool:
    """Whether the steepest two steps are one straight line: no sample was there."""
    threes = zip(samples, samples[1:], samples[2:], strict=False)
    steepest = max(threes, key=lambda three: three[2] - three[0], default=None)
    return steepest is not None and math.isclose(2.0 * steepest[1], steepest[0] + steepest[2], rel_tol=1e-9)

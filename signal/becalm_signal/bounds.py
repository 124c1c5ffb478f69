"""What every bound of the live lane rests on."""

import math
from collections.abc import Sequence

Z_95 = 1.96
"""Half width of a 95 % interval in standard deviations of a normal error."""
SD_OF_MEDIAN = 1.4826
"""Standard deviation of a normal error over the median of its sizes."""


def of_count(deviation: float) -> float:
    """Return the half width of the 95 % interval of a count, which is off by a whole number or not at all.

    Parameters
    ----------
    deviation : standard deviation of its error, in counts

    Returns
    -------
    half width in counts
    """
    normal = Z_95 * deviation
    return max(normal, math.ceil(normal - 0.5))


def moments(numbers: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation of two numbers and more.

    Parameters
    ----------
    numbers : shape (n,), n >= 2, in any unit

    Returns
    -------
    mean and standard deviation (n - 1), in that unit
    """
    mean = sum(numbers) / len(numbers)
    return mean, math.sqrt(sum([(number - mean) ** 2 for number in numbers]) / (len(numbers) - 1))


def variation(numbers: Sequence[float]) -> tuple[float, float]:
    """Return the coefficient of variation of two numbers and more, and the half width of its 95 % interval.

    Parameters
    ----------
    numbers : shape (n,), n >= 2, in any unit

    Returns
    -------
    coefficient of variation and its half width, both shares of 1
    """
    mean, deviation = moments(numbers)
    value = deviation / mean
    return value, Z_95 * value / math.sqrt(2.0 * (len(numbers) - 1))

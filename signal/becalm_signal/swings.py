"""How the next interval follows from those before it: a short autoregressive model of a heart's own swings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from becalm_signal.bounds import SD_OF_MEDIAN

# Two breaths of three intervals: longer models fit a minute's chance.
ORDER = 6
# A share of the mean square, so that a very regular heart has a model too.
RIDGE = 0.01
# What is off by more deviations than this says nothing of the swings.
REJECTED = 3.0
# Counts of 1/1024 s and the places of R peaks.
MIN_DEVIATION_MS = 2.0
N_MOST = 80
"""Intervals that make a model at the most: a heart's swings last no longer."""
_LAGS = np.arange(N_MOST - ORDER)[:, None] + np.arange(ORDER + 1)
_ONES = np.eye(ORDER)


@dataclass(frozen=True, slots=True)
class Swings:
    """Coefficients, newest interval first."""

    before: tuple[float, ...]
    """Weights of the intervals before, which foretell the next one."""
    rest_ms: float
    """And what is added."""
    single: tuple[float, ...]
    """What the errors of prediction show of one interval that is too long by 1, its own first."""
    pair: tuple[float, ...]
    """And of one that is too long by 1 before one too short by 1."""
    mean_ms: float
    deviation_ms: float
    """Of an error of prediction."""


def swings(rr_ms: Sequence[float]) -> Swings:
    """Return the model of the intervals, whose artefacts are left out as far as they stand out.

    Parameters
    ----------
    rr_ms : intervals in ms, oldest first, shape (n_beats,), n_beats > 2 * ORDER

    Returns
    -------
    coefficients, in ms

    Notes
    -----
    Delay: none. Warm-up: none beyond `rr_ms`.

    References
    ----------
    Fox 1972, Outliers in time series, DOI 10.1111/j.2517-6161.1972.tb00912.x.
    """
    told_ms = np.array(rr_ms)
    mean_ms = float(told_ms.sum()) / len(rr_ms)
    around = told_ms - mean_ms
    rows = around[_LAGS[: len(rr_ms) - ORDER]]
    weights = _weights(rows)
    errors, deviation_ms = _errors(rows, weights)
    is_off = np.abs(errors) > REJECTED * deviation_ms
    if is_off.any():
        around[ORDER:][is_off] -= errors[is_off]
        weights = _weights(around[_LAGS[: len(rr_ms) - ORDER]])
        _, deviation_ms = _errors(rows, weights)
    before = tuple(weights[::-1].tolist())
    single = (1.0, *[-weight for weight in before])
    pair = tuple([one - later for one, later in zip((*single, 0.0), (0.0, *single), strict=True)])
    rest_ms = mean_ms * sum(single)
    return Swings(before, rest_ms, single, pair, mean_ms, max(deviation_ms, MIN_DEVIATION_MS))


def _weights(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the intervals before, oldest first."""
    products = rows.T @ rows
    before = products[:ORDER, :ORDER]
    ridge = RIDGE * before.trace() / ORDER + MIN_DEVIATION_MS**2
    weights: NDArray[np.float64] = np.linalg.solve(before + ridge * _ONES, products[:ORDER, ORDER])
    return weights


def _errors(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    errors = rows[:, ORDER] - rows[:, :ORDER] @ weights
    return errors, SD_OF_MEDIAN * float(np.sort(np.abs(errors))[len(errors) // 2])

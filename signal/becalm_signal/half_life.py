"""Half-life of an exponential fall of arousal: the interval that the course of practice leaves for it."""

import math

import numpy as np
import numpy.typing as npt

from becalm_signal.arousal import SMOOTH_S
from becalm_signal.bounds import Z_95

Floats = npt.NDArray[np.float64]
# Time constants of 10 s to 43 min in steps of a quarter octave, all as likely beforehand.
STEPS_PER_OCTAVE = 4
TAUS_S = 10.0 * 2.0 ** (np.arange(33) / STEPS_PER_OCTAVE)
EDGES_S = TAUS_S[0] * 2.0 ** ((np.arange(len(TAUS_S) + 1) - 0.5) / STEPS_PER_OCTAVE)
# Responses are counted over a minute, sweat dries slowly, a heart settles within beats: the fall is seen so much late.
DELAYS_S = (0.0, 10.0, 20.0, 30.0)
# What the course is off by: the index, for minutes (`ERROR_TAU_S`), and a wandering person, for one. Its size is that
# of the residuals, with as much weight as one more of them for what the bound of the index says.
ERROR_TAU_S, ERROR_SHARE = 450.0, 0.55
WANDER_TAU_S, WANDER_POINTS = 60.0, 2.0
PRIOR_POINTS = 1.0
# A gain that is off by a tenth bends the course by as much.
GAIN_ERROR = 0.1
TAIL = 0.025
# An interval this wide says little of how fast it went.
WIDEST_RATIO = 4.0


def half_life(times_s: Floats, levels: Floats, *, bound: float) -> tuple[float, float] | None:
    """Return the 95 % interval in seconds of the half-life of levels that are seen to fall, or None.

    The posterior of level, height and time constant of an exponential that begins within `DELAYS_S` of practice, level
    and height and the size of the error integrated out; errors are autocorrelated (two Ornstein-Uhlenbeck processes).
    None where the ends of the interval are more than `WIDEST_RATIO` apart, or a half of it was not lived through.

    Parameters
    ----------
    times_s : shape (n_points,), s since practice began, half a minute and more apart
    levels : shape (n_points,), points of arousal
    bound : the usual 95 % half width of the levels, in their points

    Returns
    -------
    both ends of the interval in s
    """
    likely = _likely(times_s, levels, bound=bound)
    summed = np.concatenate([[0.0], np.cumsum(likely / likely.sum())])
    low_s, high_s = (math.log(2.0) * float(np.interp(share, summed, EDGES_S)) for share in (TAIL, 1.0 - TAIL))
    return None if high_s > WIDEST_RATIO * low_s or high_s > times_s[-1] else (low_s, high_s)


def _likely(times_s: Floats, levels: Floats, *, bound: float) -> Floats:
    """Return how likely each of `TAUS_S` is, to a common factor."""
    logs = np.empty((len(DELAYS_S), len(TAUS_S)))
    n_free = len(levels) - 2 + PRIOR_POINTS
    known = _inverse_covariance(times_s, levels, bound=bound)
    of_ones = known.sum(axis=0)
    known = known - np.outer(of_ones, of_ones) / of_ones.sum()  # whatever the level is
    total = float(levels @ known @ levels)
    for at, delay_s in enumerate(DELAYS_S):
        shapes = seen(np.maximum(0.0, times_s - delay_s))
        shapes /= np.ptp(shapes, axis=1)[:, None]
        squares = np.maximum(1e-9, np.einsum("fn,nm,fm->f", shapes, known, shapes))
        products = shapes @ known @ levels
        rest = PRIOR_POINTS + np.maximum(0.0, total - products**2 / squares)
        deviations = np.sqrt(rest / n_free / squares)
        falls = [0.5 * math.erfc(-sigmas / math.sqrt(2.0)) for sigmas in (products / squares / deviations).tolist()]
        logs[at] = -0.5 * (n_free * np.log(rest) + np.log(squares)) + np.log(np.maximum(1e-300, falls))
    return np.asarray(np.exp(logs - logs.max()).sum(axis=0))


def _inverse_covariance(times_s: Floats, levels: Floats, *, bound: float) -> Floats:
    apart_s = np.abs(times_s[:, None] - times_s)
    error = math.hypot(ERROR_SHARE * bound / Z_95, GAIN_ERROR * float(np.ptp(levels)))
    of_index = error**2 * np.exp(-apart_s / ERROR_TAU_S)
    return np.asarray(np.linalg.inv(of_index + WANDER_POINTS**2 * np.exp(-apart_s / WANDER_TAU_S)))


def seen(times_s: Floats) -> Floats:
    """Return exp(-t / tau) for all of `TAUS_S` behind the smoothing of arousal, steady before it.

    Parameters
    ----------
    times_s : shape (n_points,), s since it began

    Returns
    -------
    shape (n_taus, n_points), from 1 down
    """
    taus_s = np.where(np.abs(TAUS_S - SMOOTH_S) > 1e-3, TAUS_S, TAUS_S * 1.001)[:, None]
    own, smoothing = np.exp(-times_s / taus_s), np.exp(-times_s / SMOOTH_S)
    return np.asarray((taus_s * own - SMOOTH_S * smoothing) / (taus_s - SMOOTH_S))

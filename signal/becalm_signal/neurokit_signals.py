"""Signals as NeuroKit2 takes them, and the one way in which it is called; the only importer of neurokit2.

NeuroKit2 needs 2 s and 200 MB to import: it is imported inside.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind

Samples = NDArray[np.float64]
# Below this NeuroKit2's chains fail on too few beats or breaths; the longest stretch without a hole is used.
MIN_STRETCH_S = 10.0
# The least response that counts, absolute; NeuroKit2's own threshold is relative to the largest of the window.
MIN_SCR_US = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSignal:
    """One stream end to end, as counts."""

    kind: SignalKind
    sample_rate_hz: float
    unit_per_count: float
    counts: Sequence[float] | Samples
    """shape (n_samples,); NaN where samples are missing"""


class TooLittleError(ValueError):
    """A window or recording holds too little for a family of indices; the message is for people."""


@contextmanager
def neurokit() -> Iterator[Any]:
    """Give the module, computing on one thread and without warnings.

    NeuroKit2 warns up to 13 times a window on short data; the numbers it withholds tell the same. Its matrices are so
    small that more threads only wait for each other, on the cores that the live path needs.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(1):
        warnings.simplefilter("ignore")
        import neurokit2 as nk

        yield nk


def in_words(exc: Exception) -> str:
    """Return why there is nothing, for people: an exception of NeuroKit2 names its own insides, not the recording."""
    if isinstance(exc, TooLittleError):
        return str(exc)
    return "NeuroKit2 could make nothing of it: too short, flat or too irregular"


def usable_stretch(samples: Samples, rate_hz: float) -> Samples:
    """Return the longest stretch without a hole.

    Parameters
    ----------
    samples : in any unit, NaN where missing, shape (n_samples,)
    rate_hz : of the samples

    Returns
    -------
    that stretch

    Raises
    ------
    TooLittleError : it is below 10 s
    """
    _, stretch = longest_stretch(samples)
    used_s = len(stretch) / rate_hz
    if used_s < MIN_STRETCH_S:
        raise TooLittleError(f"expected {MIN_STRETCH_S:.0f} s without a hole, got {used_s:.1f} s")
    return stretch


def longest_stretch(samples: Samples) -> tuple[int, Samples]:
    """Return where the longest stretch without a hole begins, and the stretch, which may be empty.

    Parameters
    ----------
    samples : in any unit, NaN where missing, shape (n_samples,)

    Returns
    -------
    where it begins, and that stretch
    """
    holes = np.flatnonzero(~np.isfinite(samples))
    edges = np.concatenate(([-1], holes, [len(samples)]))
    longest = int(np.argmax(np.diff(edges)))
    first = int(edges[longest]) + 1
    return first, samples[first : edges[longest + 1]]


def bridged(raw: RawSignal) -> Samples:
    """Return samples in their unit, holes below a second bridged: sparse sensors leave cells of a finer grid empty.

    Parameters
    ----------
    raw : a stream in counts, NaN where missing

    Returns
    -------
    samples in the unit of the stream, shape (n_samples,)
    """
    samples = np.asarray(raw.counts, dtype=np.float64) * raw.unit_per_count
    known = np.flatnonzero(np.isfinite(samples))
    near = np.flatnonzero((np.diff(known) > 1) & (np.diff(known) <= raw.sample_rate_hz))
    for before, after in zip(known[near], known[near + 1], strict=True):
        samples[before : after + 1] = np.linspace(samples[before], samples[after], after - before + 1)
    return samples


def finite(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the finite numbers of a row.

    Parameters
    ----------
    numbers : by NeuroKit2's names

    Returns
    -------
    those that are finite
    """
    return {str(name): number for name, number in numbers.items() if _is_finite(number)}


def _is_finite(number: Any) -> bool:
    try:
        return math.isfinite(number)
    except TypeError:
        return False


def decomposed(nk: Any, samples: Samples, rate_hz: float) -> tuple[Samples, Samples]:
    """Return the tonic part in uS and the amplitudes of its responses of 0.05 uS and more.

    Parameters
    ----------
    nk : the module
    samples : skin conductance in uS, shape (n_samples,)
    rate_hz : of the samples

    Returns
    -------
    tonic part in uS, shape (n_samples,); amplitudes in uS, shape (n_responses,)
    """
    whole_hz = max(1, round(rate_hz))
    clean = nk.eda_clean(samples, sampling_rate=whole_hz)
    parts = nk.eda_phasic(clean, sampling_rate=whole_hz, method="highpass")
    tonic = parts["EDA_Tonic"].to_numpy()
    phasic = parts["EDA_Phasic"].to_numpy()
    if np.ptp(phasic) == 0.0:  # NeuroKit2 fails to find no peaks
        return tonic, np.array([])
    _, info = nk.eda_peaks(phasic, sampling_rate=whole_hz, amplitude_min=0.01)
    amplitudes_us = np.asarray(info["SCR_Amplitude"], dtype=np.float64)
    return tonic, amplitudes_us[amplitudes_us >= MIN_SCR_US]

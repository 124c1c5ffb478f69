"""What mars an ECG that still carries indices, told while it does: an amplifier at its end, or mains hum."""

import math
from collections import deque
from functools import lru_cache
from statistics import median

import numpy as np
import numpy.typing as npt

from becalm_protocol.derived import Reason
from becalm_signal.ecg_cause import MAINS_HZ
from becalm_signal.ecg_recent import RecentSamples

# Below, mains fold onto the heart itself.
LEAST_RATE_HZ = 95.0
WINDOW_S = 1.0
# Segments of half a second: hum is looked for in one second of two.
LOOK_EVERY = 4
N_LOOKS = 3
# Amplitude of the hum over the range of a QRS. A twentieth is a band of 1 mm on paper beside a QRS of 10 mm. Clean and
# old records, strap and intensive care lie below 0.02 (95 % of seconds), one with plain 50 Hz at 0.027.
HUM_ABOVE, HUM_BELOW = 0.05, 0.035
# Broad noise, as of muscle, is as strong beside the mains: at the first of these that is apart from where they fold to.
HUM_OVER_NOISE = 3.0
BESIDE_HZ = (55.0, 45.0, 40.0)
APART_HZ = 2.5
N_BEATS = 8
# Plateaus among the last beats: half of them at first, then any; amplitudes that breathe cross a rail in turn.
CUT_FROM = 4
# At half the rate mains have one direction, not two; the other is rounding.
LEAST_DIRECTION = 0.1


class CautionWatch:
    """`reason` is CLIPPED or POWERLINE while it mars beats that are told, else None.

    `segment` comes every half second, `beat` with every beat. Mains above half the rate are seen where they fold to
    (60 Hz at 100 Hz: 40 Hz); exactly at half the rate (50 Hz at 100 Hz) only as much of them as the samples show.

    Notes
    -----
    Delay: four beats, or 4 s of hum (median of three looks); eight beats or 4 s to end. Warm-up: eight beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, recent: RecentSamples) -> None:
        self._recent = recent
        self._n_window = round(WINDOW_S * recent.rate_hz)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._is_hum = self._is_cut = False
        self._n_segments = 0
        self._hums: deque[float] = deque(maxlen=N_LOOKS)
        self._heights: deque[float] = deque(maxlen=N_BEATS)
        self._cuts: deque[bool] = deque(maxlen=N_BEATS)

    @property
    def reason(self) -> Reason | None:
        """What mars the signal most."""
        return Reason.CLIPPED if self._is_cut else Reason.POWERLINE if self._is_hum else None

    def beat(self, height: float, *, is_cut: bool) -> None:
        """Take a QRS.

        Parameters
        ----------
        height : its range, in the unit of the samples
        is_cut : it ends in a plateau
        """
        self._heights.append(height)
        self._cuts.append(is_cut)
        if len(self._cuts) == N_BEATS:
            self._is_cut = sum(self._cuts) >= (1 if self._is_cut else CUT_FROM)

    def segment(self, *, is_usable: bool) -> None:
        """Look for hum in the last second, every fourth time; begin again where the signal is of no use."""
        if not is_usable:
            self.restart()
            return
        self._n_segments += 1
        if self._n_segments % LOOK_EVERY or self._recent.rate_hz < LEAST_RATE_HZ:
            return
        samples = self._recent.last(self._n_window)
        if len(samples) < self._n_window:
            return
        self._hums.append(_hum(samples, rate_hz=self._recent.rate_hz))
        if len(self._hums) == N_LOOKS and len(self._heights) == N_BEATS:
            share = HUM_BELOW if self._is_hum else HUM_ABOVE
            self._is_hum = median(self._hums) > share * median(self._heights)


def _hum(samples: list[float], *, rate_hz: float) -> float:
    """Return the amplitude of the stronger of the two mains, 0 where it is noise; `samples`: shape (n_samples,)."""
    parts = (_mains(len(samples), rate_hz) @ samples).tolist()
    *mains, noise = map(math.hypot, parts[::2], parts[1::2])
    hum = max(mains)
    return hum if hum > HUM_OVER_NOISE * noise else 0.0


@lru_cache(maxsize=64)
def _mains(n_samples: int, rate_hz: float) -> npt.NDArray[np.float64]:
    """Return what gives both parts of the amplitude at each of the mains and beside them, shape (6, n_samples)."""
    mains_hz = [_folded(hz, rate_hz) for hz in MAINS_HZ]
    beside_hz = max(BESIDE_HZ, key=lambda hz: min(APART_HZ, *(abs(_folded(hz, rate_hz) - one) for one in mains_hz)))
    window = np.hanning(n_samples)
    turns = np.exp(2j * np.pi * np.outer((*MAINS_HZ, beside_hz), np.arange(n_samples) / rate_hz)) * window
    rows = np.stack([turns.real, turns.imag], axis=1)
    rows -= rows.mean(axis=-1, keepdims=True)  # a level gives nothing
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    kept = directions * (sizes > LEAST_DIRECTION * sizes[:, :1])[..., None]
    return np.asarray(kept * (np.sqrt(2.0) * np.linalg.norm(window) / window.sum())).reshape(-1, n_samples)


def _folded(hz: float, rate_hz: float) -> float:
    return abs(hz - rate_hz * round(hz / rate_hz))

"""A track on an even grid, for formats that know one rate a signal: a line for each stretch, no sample left out."""

import math
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S
from becalm_server.exports.track import Counts, Track

Slots = NDArray[np.int64]
# A line is fitted to stretches longer than this; in a shorter one latency would bend it more than a crystal does.
_FITTED_NS = 10 * NS_PER_S
# The first seconds of a live clock are still being learned.
_LEARNED_NS = 5 * NS_PER_S
# A rate that is off by more is one of latency, not of a sensor.
_RATE_LIMIT = 0.05
_BLOCKS_AT_ONCE = 1_000


@value
class Stretch:
    """Samples between two breaks: the one at position k is at `t_ns + (k - first_idx) * period_ns`."""

    first_block: int
    end_block: int
    """Its blocks of the track, the last one left out."""
    first_idx: int
    """Position of its first sample."""
    t_ns: float
    period_ns: float
    lasted_ns: float
    """From the first to the last sample."""


def stretches(track: Track) -> Iterator[Stretch]:
    """Give the stretches of a track in the order they came."""
    first_block = first_idx = 0
    lasts, times_ns = array("q"), array("d")
    for n, block in enumerate(track.blocks()):
        if block.begins_stretch:
            if lasts:
                yield _fitted(track, first_block, first_idx=first_idx, lasts=lasts, times_ns=times_ns)
            first_block, first_idx, lasts, times_ns = n, block.first_sample_idx, array("q"), array("d")
        # The last sample of a block is what its clock was told of; the others are counted back from it.
        lasts.append(block.first_sample_idx + block.n_samples - 1)
        times_ns.append(block.last_ns)
    if lasts:
        yield _fitted(track, first_block, first_idx=first_idx, lasts=lasts, times_ns=times_ns)


def _fitted(
    track: Track, first_block: int, *, first_idx: int, lasts: "array[int]", times_ns: "array[float]"
) -> Stretch:
    positions = np.asarray(lasts, dtype=float) - first_idx
    told_ns = np.asarray(times_ns)
    period_ns = _period_ns(positions, told_ns, nominal_ns=NS_PER_S / track.sample_rate_hz)
    return Stretch(
        first_block=first_block,
        end_block=first_block + len(lasts),
        first_idx=first_idx,
        t_ns=float(np.median(told_ns - positions * period_ns)),
        period_ns=period_ns,
        lasted_ns=float(positions[-1]) * period_ns,
    )


def _period_ns(positions: NDArray[np.float64], times_ns: NDArray[np.float64], *, nominal_ns: float) -> float:
    """Return the slope of a line through a long stretch, the nominal period for a short or an odd one."""
    lasted_ns = times_ns[-1] - times_ns[0]
    if lasted_ns <= _FITTED_NS:
        return nominal_ns
    learned = times_ns >= times_ns[0] + (_LEARNED_NS if lasted_ns > 4 * _LEARNED_NS else 0)
    centre = positions[learned] - positions[learned].mean()
    period_ns = float((centre * times_ns[learned]).sum() / max((centre**2).sum(), 1.0))
    return period_ns if abs(period_ns / nominal_ns - 1.0) < _RATE_LIMIT else nominal_ns


def grid_rate_hz(track: Track, found: Sequence[Stretch], *, record_s: float) -> float:
    """Return the rate of a grid with a whole number of slots a record that no stretch outruns."""
    quickest_ns = min((one.period_ns for one in found if one.lasted_ns > _FITTED_NS), default=None)
    rate_hz = track.sample_rate_hz if quickest_ns is None else NS_PER_S / quickest_ns
    n_nominal = track.sample_rate_hz * record_s
    whole = abs(n_nominal - round(n_nominal)) < 1e-9
    # Half a sample over the whole recording is no other rate.
    total_s = sum(one.lasted_ns for one in found) / NS_PER_S
    if whole and abs(rate_hz - track.sample_rate_hz) * total_s < 0.5:
        return round(n_nominal) / record_s
    return max(1, math.ceil(rate_hz * record_s - 1e-6)) / record_s


@value
class Placed:
    """Samples and the slots of the grid they lie in, rising."""

    slots: Slots
    counts: Counts
    held: Slots
    """Slots between two neighbouring samples that the slower sensor left free."""


def placed(track: Track, found: Sequence[Stretch], *, rate_hz: float, began_ns: int) -> Iterator[Placed]:
    """Give every sample a slot of its own, in the order they came."""
    last_slot, last_position = -1, None
    for stretch in found:
        for first in range(stretch.first_block, stretch.end_block, _BLOCKS_AT_ONCE):
            blocks = list(track.blocks(first, min(first + _BLOCKS_AT_ONCE, stretch.end_block)))
            positions = np.concatenate([one.first_sample_idx + np.arange(one.n_samples) for one in blocks])
            t_ns = stretch.t_ns - began_ns + (positions - stretch.first_idx) * stretch.period_ns
            order = np.arange(len(positions))
            slots = np.rint(t_ns * rate_hz / NS_PER_S).astype(np.int64)
            slots = np.maximum(np.maximum.accumulate(slots - order), last_slot + 1) + order
            before_slots = np.concatenate([[last_slot], slots[:-1]])
            before = np.concatenate([[positions[0] if last_position is None else last_position], positions[:-1]])
            free = (slots - before_slots == 2) & (positions - before == 1)
            last_slot, last_position = int(slots[-1]), int(positions[-1])
            counts = track.counts(blocks[0].start, blocks[-1].start + blocks[-1].n_samples)
            yield Placed(slots=slots, counts=counts, held=slots[free] - 1)
        last_position = None

"""A track on an even grid, for formats that know one rate a signal: a line for each stretch, no sample left out."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S
from becalm_server.exports.track import Block, Counts, Track

Slots = NDArray[np.int64]
# A line is fitted to stretches longer than this; in a shorter one latency would bend it more than a crystal does.
_FITTED_NS = 10 * NS_PER_S
# The first seconds of a live clock are still being learned.
_LEARNED_NS = 5 * NS_PER_S
# A rate that is off by more is one of latency, not of a sensor.
_RATE_LIMIT = 0.05


@value
class Stretch:
    """Samples between two breaks: the one at position k is at `t_ns + (k - first_idx) * period_ns`."""

    blocks: tuple[Block, ...]
    t_ns: float
    period_ns: float

    @property
    def first_idx(self) -> int:
        """Position of the first sample."""
        return self.blocks[0].first_sample_idx

    @property
    def lasted_ns(self) -> float:
        """From the first to the last sample."""
        last = self.blocks[-1]
        return (last.first_sample_idx + last.n_samples - 1 - self.first_idx) * self.period_ns


def stretches(track: Track) -> Iterator[Stretch]:
    """Give the stretches of a track in the order they came."""
    gathered: list[Block] = []
    for block in track.blocks():
        if block.begins_stretch and gathered:
            yield _fitted(gathered, track.sample_rate_hz)
            gathered = []
        gathered.append(block)
    if gathered:
        yield _fitted(gathered, track.sample_rate_hz)


def _fitted(blocks: Sequence[Block], rate_hz: float) -> Stretch:
    first_idx, nominal_ns = blocks[0].first_sample_idx, NS_PER_S / rate_hz
    # The last sample of a block is what its clock was told of; the others are counted back from it.
    positions = np.array([block.first_sample_idx + block.n_samples - 1 - first_idx for block in blocks], dtype=float)
    times_ns = np.array([block.last_ns for block in blocks], dtype=float)
    period_ns = nominal_ns
    if times_ns[-1] - times_ns[0] > _FITTED_NS:
        learned = times_ns >= times_ns[0] + (_LEARNED_NS if times_ns[-1] - times_ns[0] > 4 * _LEARNED_NS else 0)
        centre = positions[learned] - positions[learned].mean()
        fitted_ns = float((centre * times_ns[learned]).sum() / (centre**2).sum())
        if abs(fitted_ns / nominal_ns - 1.0) < _RATE_LIMIT:
            period_ns = fitted_ns
    t_ns = float(np.median(times_ns - positions * period_ns))
    return Stretch(blocks=tuple(blocks), t_ns=t_ns, period_ns=period_ns)


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
        for start in range(0, len(stretch.blocks), 1_000):
            blocks = stretch.blocks[start : start + 1_000]
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

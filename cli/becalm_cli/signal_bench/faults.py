"""What befalls a signal on its way: one function for each kind of bad input."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from becalm_cli.signal_bench.records import Samples
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

RAIL = 2**31 - 1
BACK_NS = 10 * NS_PER_S
Rng = np.random.Generator


@value
class Sent:
    """The samples of one stream as they were sent."""

    counts: Samples
    positions: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    """When each was measured."""
    rate_hz: float
    turned_back_from: int | None = None
    """The sample from which on stamps are ten seconds early."""

    def stamps_off_ns(self, at: int) -> int:
        """Return by how much the stamp of a sample is wrong."""
        return -BACK_NS if self.turned_back_from is not None and at >= self.turned_back_from else 0


Spoil = Callable[[Sent, slice, Rng], Sent]


@value
class Fault:
    """One kind of bad input."""

    spoil: Spoil
    lasts_s: float | None = None
    """None: 2 to 12 s; 0: what comes from then on is good, but other than before."""
    label: float = 1.0
    """The rate that the sensor tells of over its own."""
    is_from_start: bool = False
    is_stamped: bool = True


def _values(change: Callable[[Samples, Rng], Samples]) -> Spoil:
    """Return a fault of the samples' values; `change` gets those it befalls, and a source of chance."""

    def spoil(sent: Sent, bad: slice, rng: Rng) -> Sent:
        counts = sent.counts.copy()
        counts[bad] = change(counts[bad], rng)
        return replace(sent, counts=counts)

    return spoil


def _clipped(share: float) -> Callable[[Samples, Rng], Samples]:
    def clip(counts: Samples, rng: Rng) -> Samples:
        del rng
        middle, reach = np.median(counts), share * np.ptp(counts)
        return np.asarray(np.clip(counts, np.rint(middle - reach), np.rint(middle + reach)))

    return clip


def _noise(counts: Samples, rng: Rng) -> Samples:
    size = rng.choice([0.3, 1.0, 3.0]) * np.ptp(counts)
    return np.asarray(np.rint(np.median(counts) + size * rng.normal(size=len(counts))))


def _turn(sent: Sent, bad: slice, rng: Rng) -> Sent:
    del rng
    counts = sent.counts.copy()
    counts[bad.stop :] = 2.0 * np.median(counts[: bad.stop]) - counts[bad.stop :]
    return replace(sent, counts=counts)


def _lose(sent: Sent, bad: slice, rng: Rng) -> Sent:
    del rng
    lost = np.arange(bad.start, bad.stop)
    return replace(
        sent,
        counts=np.delete(sent.counts, lost),
        positions=np.delete(sent.positions, lost),
        t_ns=np.delete(sent.t_ns, lost),
    )


def _turn_back(sent: Sent, bad: slice, rng: Rng) -> Sent:
    del rng
    return replace(sent, turned_back_from=bad.stop)


def _change_rate(factor: float) -> Spoil:
    def spoil(sent: Sent, bad: slice, rng: Rng) -> Sent:
        del rng
        at = np.concatenate([np.arange(bad.stop), np.arange(bad.stop, len(sent.counts) - 1, 1.0 / factor)])
        known = np.arange(len(sent.counts))
        return replace(
            sent,
            counts=np.rint(np.interp(at, known, sent.counts)),
            positions=np.arange(len(at)),
            t_ns=np.rint(np.interp(at, known, sent.t_ns)).astype(np.int64),
        )

    return spoil


def _nothing(sent: Sent, bad: slice, rng: Rng) -> Sent:
    del bad, rng
    return sent


def _label(over_true: float, *, is_stamped: bool = True) -> Fault:
    return Fault(spoil=_nothing, lasts_s=0.0, label=over_true, is_from_start=True, is_stamped=is_stamped)


GAPS_S = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0)
FAULTS: dict[str, Fault] = {
    "nan": Fault(spoil=_values(lambda counts, _: np.full(len(counts), np.nan))),
    "infinity": Fault(spoil=_values(lambda counts, rng: rng.choice([np.inf, -np.inf], len(counts)))),
    "constant": Fault(spoil=_values(lambda counts, _: np.full(len(counts), counts[0]))),
    "zero": Fault(spoil=_values(lambda counts, _: np.zeros(len(counts)))),
    "saturated": Fault(spoil=_values(lambda counts, _: np.full(len(counts), float(RAIL)))),
    "rail_to_rail": Fault(spoil=_values(lambda counts, _: np.where(np.arange(len(counts)) % 2, RAIL, -RAIL))),
    "clipped": Fault(spoil=_values(_clipped(0.15))),
    "clipped_away": Fault(spoil=_values(_clipped(0.01))),
    "noise": Fault(spoil=_values(_noise)),
    "swapped_polarity": Fault(spoil=_turn, lasts_s=0.0),
    **{f"gap_{gap_s:g}_s": Fault(spoil=_lose, lasts_s=gap_s) for gap_s in GAPS_S},
    "time_backwards": Fault(spoil=_turn_back, lasts_s=0.0),
    "rate_doubled": Fault(spoil=_change_rate(2.0), lasts_s=0.0),
    "rate_halved": Fault(spoil=_change_rate(0.5), lasts_s=0.0),
    "rate_doubled_without_stamps": Fault(spoil=_change_rate(2.0), lasts_s=0.0, is_stamped=False),
    "rate_halved_without_stamps": Fault(spoil=_change_rate(0.5), lasts_s=0.0, is_stamped=False),
    "label_right": _label(1.0),
    "label_doubled": _label(2.0),
    "label_at_77_pct": _label(0.77),
    "label_right_without_stamps": _label(1.0, is_stamped=False),
    "label_doubled_without_stamps": _label(2.0, is_stamped=False),
    "label_at_77_pct_without_stamps": _label(0.77, is_stamped=False),
}
"""Every kind; swapped polarity, time and rates count from the moment at which they change, labels from the start.

A right label is no fault: it tells how soon an index can be there at all.
"""

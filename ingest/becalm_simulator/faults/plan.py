"""Plans of faults drawn from a seed: the same seed gives the same plan."""

from collections.abc import Sequence

import numpy as np

from becalm_protocol.events import require
from becalm_protocol.units import NS_PER_MS, ns_from_s
from becalm_simulator.faults.language import FORMS, Fault, FaultKind

SENSORS = ("strap", "belt", "skin")
# Those that end by themselves: any number of them may follow each other.
PASSING_KINDS = (
    FaultKind.OUT_OF_RANGE,
    FaultKind.SILENT,
    FaultKind.DROP,
    FaultKind.DELAY,
    FaultKind.DUPLICATE,
    FaultKind.REORDER,
    FaultKind.LOSE,
    FaultKind.ADAPTER_GONE,
    FaultKind.HELD,
    FaultKind.FLAPPING,
    FaultKind.CLOCK_RESET,
    FaultKind.CLOCK_JUMP,
)
# Drawn where a kind takes a number: within what is met in practice, well inside what is allowed.
_AMOUNTS = {
    FaultKind.DELAY: (50, 1000),
    FaultKind.LOSE: (1, 12),
    FaultKind.DEAD_BATTERY: (1, 3),
    FaultKind.CLOCK_JUMP: (-60_000, 60_000),
    FaultKind.SMALL_MTU: (23, 185),
}
# Of the time from one fault to the next.
_JITTER_SHARE = 0.2
_SPAN_SHARES = (0.1, 0.5)


def seeded_faults(
    seed: int,
    *,
    n_faults: int,
    first_s: float,
    spacing_s: float,
    kinds: Sequence[FaultKind] = PASSING_KINDS,
    sensors: Sequence[str] = SENSORS,
) -> tuple[Fault, ...]:
    """Return `n_faults`, one each `spacing_s` or up to a fifth of it later, each over before the next begins."""
    require(n_faults >= 0, "n_faults", "0 or more", n_faults)
    require(first_s >= 0.0, "first_s", "0 or more", first_s)
    require(1.0 <= spacing_s <= 3600.0, "spacing_s", "1 to 3600", spacing_s)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 9]))
    return tuple(
        _draw(rng, at_s=first_s + idx * spacing_s, spacing_s=spacing_s, kinds=kinds, sensors=sensors)
        for idx in range(n_faults)
    )


def _draw(
    rng: np.random.Generator, *, at_s: float, spacing_s: float, kinds: Sequence[FaultKind], sensors: Sequence[str]
) -> Fault:
    kind = FaultKind(kinds[int(rng.integers(len(kinds)))])
    sensor = sensors[int(rng.integers(len(sensors)))]
    late_s = spacing_s * _JITTER_SHARE * rng.random()
    span_s = spacing_s * rng.uniform(*_SPAN_SHARES)
    low, high = _AMOUNTS.get(kind, (0, 0))
    amount = int(rng.integers(low, high + 1))
    form = FORMS[kind]
    return Fault(
        at_ns=_whole_ms(at_s + late_s),
        kind=kind,
        span_ns=_whole_ms(span_s) if form.takes_span else None,
        amount=None if form.amount is None else amount,
        sensor=None if form.of_adapter else sensor,
    )


def _whole_ms(t_s: float) -> int:
    return ns_from_s(t_s) // NS_PER_MS * NS_PER_MS

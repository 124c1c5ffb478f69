"""The plan of the radio bench: which faults befall whom, in which order, for how long. The seed decides all of it."""

import hashlib
import random
from dataclasses import replace

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_simulator.faults import Fault, FaultKind, seeded_faults
from becalm_simulator.population import MAX_SEED

SPACING_S = 5.0
"""Sets the lengths of faults: 0.5 to 2.5 s, some of them 25 times as long."""
PAUSE_S = (1.0, 3.0)
"""Quiet time between a recovery and the next fault."""
_LASTING = {FaultKind.NEEDS_BONDING, FaultKind.SMALL_MTU}
KINDS = tuple(kind for kind in FaultKind if kind not in _LASTING)
"""Those that pass: the sensor can be used afterwards without anybody's help."""
# Somebody leaves the room, a phone holds the strap: absences during which an agent looks ever less often.
LONG_KINDS = (FaultKind.OUT_OF_RANGE, FaultKind.HELD, FaultKind.ADAPTER_GONE, FaultKind.SILENT)
LONG_SHARE = 0.15
LONG_TIMES = 25


@value
class Step:
    """One fault, and the quiet time before it."""

    fault: Fault
    """Its `at_ns` is when it would come if nothing took time to recover."""
    pause_s: float


@value
class WearerPlan:
    """What befalls one wearer, one fault after the other."""

    wearer: int
    seed: int
    """Of the person."""
    steps: tuple[Step, ...]


def plan_wearers(*, n_faults: int, n_wearers: int, seed: int) -> tuple[WearerPlan, ...]:
    """Return the plans of all wearers; their faults differ by one at most in number. Raises ConfigError."""
    if seed + n_wearers - 1 > MAX_SEED:
        raise ConfigError(f"expected 0 to {MAX_SEED} with {n_wearers} wearers, got {seed}; take less", setting="seed")
    shares = [n_faults // n_wearers + (wearer < n_faults % n_wearers) for wearer in range(n_wearers)]
    return tuple(_plan(wearer, seed=seed + wearer, n_faults=share) for wearer, share in enumerate(shares) if share)


def plan_sha256(plans: tuple[WearerPlan, ...]) -> str:
    """Return a digest of everything that is planned."""
    lines = [f"{plan.wearer} {plan.seed} {step.pause_s} {step.fault}" for plan in plans for step in plan.steps]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _plan(wearer: int, *, seed: int, n_faults: int) -> WearerPlan:
    chance = random.Random(f"radio {seed}")  # noqa: S311 - reproducible, not secret
    faults = seeded_faults(seed, n_faults=n_faults, first_s=0.0, spacing_s=SPACING_S, kinds=KINDS)
    return WearerPlan(wearer=wearer, seed=seed, steps=tuple(_step(fault, chance) for fault in faults))


def _step(fault: Fault, chance: random.Random) -> Step:
    pause_s, is_long = round(chance.uniform(*PAUSE_S), 3), chance.random() < LONG_SHARE
    if is_long and fault.kind in LONG_KINDS and fault.span_ns is not None:
        fault = replace(fault, span_ns=LONG_TIMES * fault.span_ns)
    return Step(fault=fault, pause_s=pause_s)

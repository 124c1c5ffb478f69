"""Seeded plans of faults: reproducible, in order, each over before the next, every kind met."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.units import ns_from_s
from becalm_simulator.faults import Fault, FaultKind, parse_fault, seeded_faults

seeds = st.integers(0, 2**32)
GOLDEN = [
    "t=11.551 clock_reset sensor=skin",
    "t=18.412 clock_reset sensor=strap",
    "t=26.77 flapping 1.999 sensor=belt",
    "t=34.82 drop sensor=belt",
]


def end_ns(fault: Fault) -> int:
    return fault.at_ns + (fault.span_ns or 0)


@given(seed=seeds, n_faults=st.integers(0, 40), spacing_s=st.floats(1.0, 60.0))
def test_faults_follow_each_other(seed: int, n_faults: int, spacing_s: float) -> None:
    plan = seeded_faults(seed, n_faults=n_faults, first_s=5.0, spacing_s=spacing_s)
    assert len(plan) == n_faults
    assert plan == seeded_faults(seed, n_faults=n_faults, first_s=5.0, spacing_s=spacing_s)
    assert all(end_ns(before) < after.at_ns for before, after in pairwise(plan))
    assert all(parse_fault(str(fault)) == fault for fault in plan)


def test_a_seed_has_one_plan_for_ever() -> None:
    assert [str(fault) for fault in seeded_faults(7, n_faults=4, first_s=10.0, spacing_s=8.0)] == GOLDEN


def test_a_longer_plan_begins_as_the_shorter() -> None:
    few, many = (seeded_faults(3, n_faults=n, first_s=0.0, spacing_s=6.0) for n in (10, 30))
    assert many[:10] == few


def test_every_asked_kind_and_sensor_is_met() -> None:
    kinds = tuple(FaultKind)
    plan = seeded_faults(1, n_faults=500, first_s=0.0, spacing_s=6.0, kinds=kinds, sensors=("strap", "belt"))
    assert {fault.kind for fault in plan} == set(kinds)
    assert {fault.sensor for fault in plan} == {"strap", "belt", None}
    assert plan[-1].at_ns >= ns_from_s(499 * 6.0)


@pytest.mark.parametrize(
    ("name", "wrong"), [("n_faults", -1), ("first_s", -1.0), ("spacing_s", 0.5), ("spacing_s", 3601.0)]
)
def test_impossible_plans_are_refused_by_name(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        seeded_faults(1, **({"n_faults": 1, "first_s": 0.0, "spacing_s": 5.0} | {name: wrong}))  # type: ignore[arg-type]

"""Mixes of all that may befall signals raise nothing, and give no wrong number."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.signal.bad_input.conftest import BREATH, RAIL, STREAMS, Counts, S, check_label, info, packets, shown, wrong

from becalm_protocol.derived import Derived, Index, Metrics, SlowMetrics
from becalm_protocol.events import Clock, Gap, GapReason, SampleBlock, SignalKind

stretches = st.lists(
    st.tuples(
        st.sampled_from(["good", "hold", "rail", "zero", "noise", "spikes", "invert", "gap"]),
        st.floats(min_value=0.05, max_value=8.0),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=stretches, clock=st.sampled_from(Clock), seed=st.integers(0, 2**16))
def test_no_mix_of_faults_raises_or_gives_what_is_no_number(
    body: dict[SignalKind, Counts],
    run_events: Callable[..., list[Derived]],
    plan: list[tuple[str, float]],
    clock: Clock,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    events: list[SampleBlock] = []
    for kind, counts in body.items():
        rate_hz = STREAMS[kind][2]
        at_s, first = 0.0, 0
        for word, length_s in plan:
            good = counts[round(at_s * rate_hz) : round((at_s + length_s) * rate_hz)]
            at_s, n = at_s + length_s, len(good)
            if n and word != "gap":
                events += packets(kind, _mixed(word, good, rng), at_s=first / rate_hz, first=first)
            first += n
    derived = run_events([info(kind, clock) for kind in STREAMS], sorted(events, key=lambda e: e.received_ns))
    for event in derived:
        for number in _numbers(event):
            assert math.isfinite(number), event


clocks = st.sampled_from(Clock)


faults = st.tuples(
    st.sampled_from(["hold", "rail", "zero", "noise", "gap"]),
    st.floats(min_value=0.05, max_value=12.0),
    st.floats(min_value=0.5, max_value=20.0),
)


seldom = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@seldom
@example(plan=[("rail", 5.4, 7.7), ("noise", 7.3, 15.0), ("hold", 12.0, 15.0)], clock=Clock.ARRIVAL, seed=46)
@example(plan=[("rail", 5.0, 7.9), ("noise", 4.1, 15.0), ("hold", 12.0, 15.0)], clock=Clock.DEVICE, seed=57)
@example(plan=[("rail", 10.6, 9.2), ("noise", 4.1, 15.0), ("hold", 12.0, 15.0)], clock=Clock.ARRIVAL, seed=104)
@given(plan=st.lists(faults, min_size=1, max_size=3), clock=clocks, seed=st.integers(0, 2**16))
def test_no_mix_of_faults_gives_a_wrong_number(
    body: dict[SignalKind, Counts],
    run_events: Callable[..., list[Derived]],
    plan: list[tuple[str, float, float]],
    clock: Clock,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    events: list[SampleBlock] = []
    for kind, counts in body.items():
        rate_hz = STREAMS[kind][2]
        at = round(20.0 * rate_hz)
        events += packets(kind, counts[:at])
        for word, bad_s, good_s in plan:
            bad = counts[at : at + round(bad_s * rate_hz)]
            if len(bad) and word != "gap":
                events += packets(kind, _mixed(word, bad, rng), at_s=at / rate_hz, first=at)
            at += len(bad)
            good = counts[at : at + round(good_s * rate_hz)]
            events += packets(kind, good, at_s=at / rate_hz, first=at)
            at += len(good)
    derived = run_events([info(kind, clock) for kind in STREAMS], sorted(events, key=lambda e: e.received_ns))
    assert wrong(derived) == []


@seldom
@given(
    holes=st.lists(st.tuples(st.floats(15.0, 80.0), st.floats(0.005, 15.0)), min_size=1, max_size=6),
    kinds=st.sets(st.sampled_from(list(STREAMS)), min_size=1),
    clock=clocks,
)
def test_cells_that_are_no_numbers_give_none(
    body: dict[SignalKind, Counts],
    run_events: Callable[..., list[Derived]],
    holes: list[tuple[float, float]],
    kinds: set[SignalKind],
    clock: Clock,
) -> None:
    events: list[SampleBlock | Gap] = []
    for kind, counts in body.items():
        rate_hz = STREAMS[kind][2]
        is_number = np.ones(len(counts), dtype=bool)
        for start_s, length_s in holes if kind in kinds else []:
            is_number[round(start_s * rate_hz) : round((start_s + length_s) * rate_hz)] = False
        edges = np.flatnonzero(np.diff(is_number, prepend=False, append=False))
        runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        for first, last in runs:
            events += packets(kind, counts[first:last], at_s=first / rate_hz, first=first)
        for (_, last), (first, _) in itertools.pairwise(runs):
            start_ns, end_ns = round((last - 1) / rate_hz * S), round(first / rate_hz * S)
            events.append(
                Gap(
                    stream_id=kind.value,
                    received_ns=end_ns,
                    start_ns=start_ns,
                    end_ns=end_ns,
                    reason=GapReason.NOT_A_NUMBER,
                )
            )
    derived = run_events([info(kind, clock) for kind in STREAMS], sorted(events, key=lambda e: e.received_ns))
    assert wrong(derived) == []


@seldom
@given(label=st.floats(0.45, 2.2), clock=st.sampled_from([Clock.DEVICE, Clock.ARRIVAL]))
def test_no_wrong_rate_label_gives_wrong_rates_or_hides_them(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], label: float, clock: Clock
) -> None:
    check_label(body, run_events, label=label, clock=clock)


@seldom
@given(start_s=st.floats(25.0, 40.0), held_s=st.floats(12.0, 40.0), clock=clocks)
def test_a_breath_held_on_a_belt_is_no_rate(
    body: dict[SignalKind, Counts],
    run_events: Callable[..., list[Derived]],
    start_s: float,
    held_s: float,
    clock: Clock,
) -> None:
    rate_hz = STREAMS[BREATH][2]
    begin, n_held = round(start_s * rate_hz), round(held_s * rate_hz)
    rng = np.random.default_rng(5)
    still = body[BREATH][begin] + np.rint(rng.normal(0.0, 10.0, n_held)).astype(np.int64)
    belt = np.concatenate([body[BREATH][:begin], still, body[BREATH][begin:]])[: len(body[BREATH])]
    derived = run_events([info(BREATH, clock)], packets(BREATH, belt))
    assert wrong(derived) == []
    # The last turn before it is told within 3 s, and the rate is kept for ten more or two and a half breaths.
    assert shown(derived, "breathing_rate_bpm", from_s=start_s + 24.0, to_s=start_s + held_s) == []


def _mixed(word: str, good: Counts, rng: np.random.Generator) -> Counts:
    made: dict[str, Callable[[], Any]] = {
        "good": lambda: good,
        "hold": lambda: np.full(len(good), good[0]),
        "rail": lambda: np.full(len(good), RAIL),
        "zero": lambda: np.zeros(len(good)),
        "noise": lambda: rng.normal(0, 10.0 ** rng.uniform(0, 9), len(good)),
        "spikes": lambda: np.where(rng.random(len(good)) < 0.02, RAIL, good),
        "invert": lambda: -good,
    }
    counts: Counts = np.clip(np.rint(made[word]()), -(2**31), RAIL).astype(np.int64)
    return counts


def _numbers(event: Derived) -> Iterator[float]:
    names = Metrics.index_names() if isinstance(event, Metrics) else ()
    names = SlowMetrics.index_names() if isinstance(event, SlowMetrics) else names
    for name in names:
        index: Index = getattr(event, name)
        yield from (index.value or 0.0, index.bound or 0.0)
        assert index.bound is None or index.bound >= 0.0, name
    for name in ("rr_ms", "rr_corrected_ms", "t_error_ms", "amplitude_us", "depth", "breathing_rate_bpm"):
        number = getattr(event, name, None)
        yield float(number) if isinstance(number, float) else 0.0

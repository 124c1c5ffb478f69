"""What befalls every signal for a while gives no wrong number, and is recovered from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.signal.bad_input.conftest import (
    BEGIN_S,
    END_S,
    RAIL,
    SKIN,
    STREAMS,
    Counts,
    info,
    packets,
    shown,
    unusable,
    wrong,
)

from becalm_protocol.derived import Derived
from becalm_protocol.events import SampleBlock, SignalKind

Spoil = Callable[[Counts, SignalKind], Any]


def spoilt(body: dict[SignalKind, Counts], spoil: Spoil) -> list[SampleBlock]:
    """Return all packets of the body with fifteen seconds spoilt in every signal."""
    events: list[SampleBlock] = []
    for kind, counts in body.items():
        rate_hz = STREAMS[kind][2]
        bad = slice(round(BEGIN_S * rate_hz), round(END_S * rate_hz))
        out = counts.copy()
        out[bad] = np.clip(np.rint(spoil(counts[bad].copy(), kind)), -(2**31), RAIL).astype(np.int64)
        events += packets(kind, out)
    return sorted(events, key=lambda event: event.received_ns)


def middle(counts: Counts) -> float:
    return float(np.median(counts))


FAULTS: dict[str, tuple[Spoil, set[str]]] = {
    "constant": (lambda x, _: np.full(len(x), x[0]), {"heart_rate_bpm", "scl_us", "breathing_rate_bpm"}),
    "zero": (lambda x, _: np.zeros(len(x)), {"heart_rate_bpm", "scl_us", "breathing_rate_bpm"}),
    "saturated": (lambda x, _: np.full(len(x), RAIL), {"heart_rate_bpm", "scl_us", "breathing_rate_bpm"}),
    "from rail to rail": (
        lambda x, _: np.where(np.arange(len(x)) % 2, RAIL, -(2**31)),
        {"heart_rate_bpm", "scl_us", "breathing_rate_bpm"},
    ),
    "clipped": (lambda x, _: np.clip(x, middle(x) - 0.15 * np.ptp(x), middle(x) + 0.15 * np.ptp(x)), set()),
    "clipped to nothing": (
        lambda x, _: np.clip(x, middle(x) - 0.01 * np.ptp(x), middle(x) + 0.01 * np.ptp(x)),
        {"heart_rate_bpm"},
    ),
    "swapped polarity": (lambda x, kind: x if kind is SKIN else 2 * middle(x) - x, set()),
    "noise": (lambda x, _: middle(x) + np.random.default_rng(1).normal(0, 3 * np.ptp(x), len(x)), {"heart_rate_bpm"}),
    "less noise": (
        lambda x, _: middle(x) + np.random.default_rng(1).normal(0, 0.25 * np.ptp(x), len(x)),
        {"heart_rate_bpm"},
    ),
    "mains": (
        lambda x, kind: x + np.ptp(x) * np.sin(2 * np.pi * 50.0 * np.arange(len(x)) / STREAMS[kind][2]),
        set(),
    ),
    "an eighth of the amplitude": (lambda x, kind: x if kind is SKIN else x / 8, set()),
    "eight times the amplitude": (lambda x, kind: x if kind is SKIN else 8 * x, set()),
}
"""What befalls every signal, and the indices that must not be shown in its last five seconds."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_no_wrong_number(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], name: str
) -> None:
    spoil, hidden = FAULTS[name]
    derived = run_events([info(kind) for kind in STREAMS], spoilt(body, spoil))
    assert wrong(derived) == []
    for index in hidden:
        assert shown(derived, index, from_s=END_S - 5, to_s=END_S - 0.5) == [], index


LATE = {
    "noise": 2,
    "an eighth of the amplitude": 2,
    "eight times the amplitude": 3,
}
"""Where the detector, a belt's judge of movement or its usual swing need longer than five seconds: so many times."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_recovered_from(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], name: str
) -> None:
    derived = run_events([info(kind) for kind in STREAMS], spoilt(body, FAULTS[name][0]))
    factor = LATE.get(name, 1)
    for kind in STREAMS:
        assert unusable(derived, kind, END_S + 5.0 * factor) is None, kind
    heart_s, breath_s = END_S + 8.0 * min(2, factor), END_S + 30.0  # five beats, three breaths and their turns
    assert shown(derived, "heart_rate_bpm", from_s=heart_s, to_s=heart_s + 3.0)
    assert shown(derived, "scl_us", from_s=END_S + 5, to_s=END_S + 5.3)
    # After rails, or breaths eight times as deep, ordinary ones are found again within half a minute or more.
    assert factor > 2 or shown(derived, "breathing_rate_bpm", from_s=breath_s, to_s=breath_s + 0.3)


@pytest.mark.parametrize("name", ["from rail to rail", "clipped to nothing"])
def test_a_heart_rate_is_back_within_four_seconds_of_a_rail(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], name: str
) -> None:
    derived = run_events([info(SignalKind.ECG)], spoilt({SignalKind.ECG: body[SignalKind.ECG]}, FAULTS[name][0]))
    assert wrong(derived) == []
    assert shown(derived, "heart_rate_bpm", from_s=END_S, to_s=END_S + 4.0)

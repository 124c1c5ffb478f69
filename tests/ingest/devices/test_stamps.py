"""Stamps that wrap, come twice, jump, or tell of samples that never came."""

import pytest

from becalm_ingest.devices import Cursor
from becalm_ingest.devices.stamps import Reckoning, reckon
from becalm_protocol.units import NS_PER_MS, NS_PER_S

WRAP_NS = 512 * NS_PER_S


def after(sensor_ns: int, *, received_ns: int = NS_PER_S) -> Cursor:
    """A stream of 10 Hz whose newest sample has that stamp."""
    cursor = Cursor(stream_id="a", sample_rate_hz=10.0)
    cursor.block((0,), received_ns=received_ns, sensor_ns=sensor_ns)
    return cursor


def told(cursor: Cursor, stamp_ns: int, *, n_samples: int = 1, later_ns: int = 100 * NS_PER_MS) -> Reckoning:
    received_ns = (cursor.received_ns or 0) + later_ns
    return reckon(stamp_ns, wrap_ns=WRAP_NS, cursor=cursor, n_samples=n_samples, received_ns=received_ns)


def test_the_first_stamp_has_nothing_to_be_compared_with() -> None:
    assert told(Cursor(stream_id="a", sample_rate_hz=10.0), 77) == Reckoning(sensor_ns=77, n_missing=None)


@pytest.mark.parametrize(
    ("step_ms", "n_samples", "n_missing"),
    [(100, 1, 0), (200, 1, 1), (1_600, 8, 8), (830, 8, 0), (770, 8, 0), (400, 1, 3)],
)
def test_what_is_missing_is_counted(step_ms: int, n_samples: int, n_missing: int) -> None:
    step_ns = step_ms * NS_PER_MS
    reckoning = told(after(5 * NS_PER_S), 5 * NS_PER_S + step_ns, n_samples=n_samples, later_ns=step_ns)
    assert reckoning == Reckoning(sensor_ns=5 * NS_PER_S + step_ns, n_missing=n_missing)


def test_a_clock_that_begins_anew_goes_on() -> None:
    before_ns = 3 * WRAP_NS - 50 * NS_PER_MS
    assert told(after(before_ns), 50 * NS_PER_MS) == Reckoning(sensor_ns=3 * WRAP_NS + 50 * NS_PER_MS, n_missing=0)


def test_after_a_long_break_the_wraps_passed_are_counted() -> None:
    reckoning = told(after(0), 2 * NS_PER_S, later_ns=WRAP_NS + 2 * NS_PER_S)
    assert reckoning.sensor_ns == WRAP_NS + 2 * NS_PER_S
    assert reckoning.n_missing == 5_139


def test_a_burst_after_a_stall_is_complete() -> None:
    assert told(after(0), 100 * NS_PER_MS, later_ns=9 * NS_PER_S).n_missing == 0


def test_a_packet_that_comes_twice() -> None:
    assert told(after(700), 700, later_ns=1_000).is_again


@pytest.mark.parametrize("stamp_ns", [90 * NS_PER_S, 10 * NS_PER_S - NS_PER_MS])
def test_a_clock_that_was_set_anew(stamp_ns: int) -> None:
    assert told(after(10 * NS_PER_S), stamp_ns).has_jumped

"""Stamps that are odd in the same way are another rate, and tell since when."""

import pytest

from becalm_protocol.events import SampleBlock
from becalm_signal.odd_pace import OddPace

S = 1_000_000_000
N = 32


def block(first: int, t_s: float, *, n: int = N) -> SampleBlock:
    """Return a packet whose last sample is at a time."""
    t_ns = round(t_s * S)
    return SampleBlock(
        stream_id="ecg", received_ns=t_ns + 20_000_000, first_sample_idx=first, sensor_ns=t_ns, counts=(0,) * n
    )


def changed(pace: OddPace, *, true_hz: float, n_before: int = 0) -> float | None:
    """Feed packets of another rate than 130 Hz, of the first of which some samples came at that; return the period."""
    pace.restart(block(0, N / 130.0))
    found, t_s = None, N / 130.0
    for k in range(1, 5):
        t_s += (N - n_before) / true_hz + n_before / 130.0 if k == 1 else N / true_hz
        found = pace.feed(block(k * N, t_s))
        assert (found is not None) == (k == 4)
    return found


@pytest.mark.parametrize("true_hz", [65.0, 104.0, 260.0])
@pytest.mark.parametrize("n_before", [0, 7, 20])
def test_the_sample_from_which_on_a_rate_holds_is_found(true_hz: float, n_before: int) -> None:
    pace = OddPace()
    pace_ns = changed(pace, true_hz=true_hz, n_before=n_before)
    assert pace_ns == pytest.approx(S / true_hz, rel=1e-3)
    assert pace_ns is not None
    assert pace.since(pace_ns, before_ns=S / 130.0) == pytest.approx(N + n_before, abs=1.5)


def test_of_a_label_that_was_never_right_the_first_packet_counts_too() -> None:
    pace = OddPace()
    pace_ns = changed(pace, true_hz=65.0)
    assert pace_ns is not None
    pace.restart(block(0, N / 65.0))
    for k in range(1, 5):
        pace.feed(block(k * N, (k + 1) * N / 65.0))
    assert pace.since(pace_ns, before_ns=None) == 0


def test_nothing_before_a_hole_counts() -> None:
    pace = OddPace()
    pace.restart(block(0, N / 130.0))
    for k in range(1, 5):
        found = pace.feed(block(k * N, 10.0 + k * N / 65.0))
    assert found is not None
    assert pace.since(found, before_ns=S / 130.0) == 2 * N
    assert pace.since(found, before_ns=None) == 2 * N


def test_stamps_that_do_not_agree_are_no_rate() -> None:
    pace = OddPace()
    pace.restart(block(0, 0.25))
    assert [pace.feed(block(k * N, 0.25 + 0.5 * k + 0.1 * (k % 2))) for k in range(1, 8)] == [None] * 7

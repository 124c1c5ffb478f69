"""A sensor's clock: there and back, never early, refused when absurd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_simulator.sensors.device_clock import DeviceClock

DAY_NS = 86_400_000_000_000
drifts = st.integers(-100_000, 100_000)


@given(drift_ppb=drifts, running_ns=st.integers(0, DAY_NS))
def test_body_time_is_the_first_at_which_the_device_has_run_so_long(drift_ppb: int, running_ns: int) -> None:
    clock = DeviceClock(drift_ppb=drift_ppb)
    body_ns = clock.body_ns(running_ns)
    assert clock.running_ns(body_ns) >= running_ns
    assert clock.running_ns(body_ns - 2) < running_ns


@given(drift_ppb=drifts, body_ns=st.integers(0, DAY_NS))
def test_the_clock_shows_its_epoch_and_its_drift(drift_ppb: int, body_ns: int) -> None:
    clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=1_000)
    assert clock.shown_ns(body_ns) - 1_000 == pytest.approx(body_ns * (1 + drift_ppb * 1e-9), abs=1)


def test_an_absurd_drift_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^drift_ppb: expected -1,000,000 to 1,000,000, got 2000000"):
        DeviceClock(drift_ppb=2_000_000)


@given(drift_ppb=drifts, restart_ns=st.integers(0, DAY_NS), later_ns=st.integers(0, DAY_NS))
def test_a_restart_shows_the_first_moment_and_leaves_the_running_alone(
    drift_ppb: int, restart_ns: int, later_ns: int
) -> None:
    clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=1_000)
    running_ns = clock.running_ns(restart_ns + later_ns)
    clock.restart(restart_ns)
    assert clock.shown_ns(restart_ns) == 1_000
    assert clock.shown_ns(restart_ns + later_ns) - 1_000 == running_ns - clock.running_ns(restart_ns)
    assert clock.running_ns(restart_ns + later_ns) == running_ns


@given(by_ns=st.integers(-DAY_NS, DAY_NS), now_ns=st.integers(0, DAY_NS))
def test_a_jump_shows_so_much_more_but_never_a_time_before_the_first(by_ns: int, now_ns: int) -> None:
    clock = DeviceClock(drift_ppb=0, epoch_ns=1_000)
    clock.jump(by_ns, body_ns=now_ns)
    assert clock.shown_ns(now_ns) == max(1_000, 1_000 + now_ns + by_ns)
    assert clock.shown_ns(0) >= 1_000

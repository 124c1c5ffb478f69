"""Body time follows the machine's monotonic clock, at its speed."""

import pytest

from becalm_simulator.body_clock import BodyClock


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_body_time_and_the_wait_for_it(speed: float) -> None:
    machine_ns = [1_000_000_000]
    clock = BodyClock(speed=speed, monotonic_ns=lambda: machine_ns[0])
    assert clock.now_ns() == 0
    machine_ns[0] += 500_000_000
    assert clock.now_ns() == round(500_000_000 * speed)
    assert clock.wait_s(clock.now_ns() + 4_000_000_000) == pytest.approx(4.0 / speed)
    assert clock.wait_s(0) == 0.0


def test_an_impossible_speed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"speed: expected 0\.1 to 100, got 0"):
        BodyClock(speed=0)

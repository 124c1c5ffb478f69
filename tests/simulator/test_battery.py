"""A battery falls while its sensor streams, and only then."""

from becalm_simulator.battery import LASTS_NS, Battery

PER_CENT_NS = LASTS_NS // 100


def test_streaming_wears_it_down_to_nothing() -> None:
    battery = Battery(3)
    levels = []
    for step in range(1, 8):
        battery.wear(step * PER_CENT_NS // 2 + 1, is_streaming=True)
        levels.append(battery.level_pct)
    assert levels == [3, 2, 2, 1, 1, 0, 0]


def test_rest_does_not() -> None:
    battery = Battery(50)
    battery.wear(10 * PER_CENT_NS, is_streaming=False)
    battery.wear(12 * PER_CENT_NS + 1, is_streaming=True)
    assert battery.level_pct == 48


def test_a_fresh_one_is_what_it_is_said_to_be() -> None:
    battery = Battery(1)
    battery.set_level(100)
    assert battery.level_pct == 100

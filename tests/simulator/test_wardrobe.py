"""What a body can wear."""

from itertools import pairwise

import pytest

from becalm_protocol.errors import ConfigError
from becalm_protocol.units import ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.sensors.heart_sensor import CLOCK_EPOCH_NS
from becalm_simulator.sensors.polar_stream import PMD_CONTROL
from becalm_simulator.sensors.strap import Strap
from becalm_simulator.sensors.wardrobe import WARDROBE, wear_sensors

START_ACC = bytes.fromhex("02 02 00 01 32 00")


def test_every_sensor_has_a_name_and_an_address_of_its_own() -> None:
    sensors = wear_sensors(Body.from_seed(7), tuple(WARDROBE))
    assert len({sensor.name for sensor in sensors}) == len({sensor.address for sensor in sensors}) == len(WARDROBE)
    assert all(sensor.name.startswith("SIM-") for sensor in sensors)
    assert len({sensor.clock.drift_ppb for sensor in sensors}) == len(WARDROBE)


def test_a_sensor_has_its_clock_whatever_is_worn_beside_it() -> None:
    alone, beside = (wear_sensors(Body.from_seed(7), names)[-1] for names in (["optical"], ["strap", "optical"]))
    assert alone.clock.drift_ppb == beside.clock.drift_ppb


@pytest.mark.parametrize("names", [["strap", "hat"], [""], [], ["belt", "belt"]])
def test_what_is_not_there_or_twice_is_refused_with_what_there_is(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="some of strap, belt, skin, optical"):
        wear_sensors(Body.from_seed(7), names)


def test_acceleration_is_the_chests_in_whole_mg() -> None:
    strap = Strap(Body.from_seed(7), drift_ppb=0)
    strap.on_write(PMD_CONTROL, START_ACC, mtu=232, now_ns=0)
    (frame,) = strap.poll(ns_from_s(0.73), mtu=232)
    assert frame.n_sent == 36
    assert frame.data[0] == 2
    assert frame.data[9] == 1
    x, y, z = (int.from_bytes(frame.data[i : i + 2], "little", signed=True) for i in (10, 12, 14))
    assert (x**2 + y**2 + z**2) ** 0.5 == pytest.approx(1000.0, rel=0.03)


def test_a_minute_off_the_body_starts_the_clock_anew() -> None:
    off = Episode(kind=EpisodeKind.OFF_BODY, start_ns=ns_from_s(10.0), end_ns=ns_from_s(90.0), amount=1.0)
    strap = Strap(Body.from_seed(7, episodes=[off]), drift_ppb=0)
    strap.on_write(PMD_CONTROL, START_ACC, mtu=232, now_ns=0)
    frames = [o for t_s in range(121) for o in strap.poll(ns_from_s(t_s), mtu=232)]
    shown_s = [(int.from_bytes(o.data[1:9], "little") - CLOCK_EPOCH_NS) / 1e9 for o in frames]
    (jump,) = [i for i, (a, b) in enumerate(pairwise(shown_s)) if b < a]
    assert shown_s[jump] == pytest.approx(70.0, abs=0.73)
    assert shown_s[jump + 1] < 0.73
    assert shown_s[-1] == pytest.approx(50.0, abs=0.8)

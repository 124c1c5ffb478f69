"""Heart Rate Service in the manners of its makers, read by hand."""

import struct

from becalm_protocol.units import ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.sensors.heart_rate import CONTROL_POINT, HEART_RATE
from becalm_simulator.sensors.heart_sensor import Make
from becalm_simulator.sensors.plain_straps import CONTACT_AND_ENERGY, WIDE_AND_LATE, WITHOUT_RR, PlainStrap


def listen(strap: PlainStrap, *, first_s: int, last_s: int) -> list[bytes]:
    strap.on_subscribed(HEART_RATE, wanted=True, now_ns=ns_from_s(first_s))
    return [o.data for t_s in range(first_s, last_s + 1) for o in strap.poll(ns_from_s(t_s), mtu=185)]


def strap_of(make: Make, *episodes: Episode) -> PlainStrap:
    return PlainStrap(Body.from_seed(7, episodes=episodes), make, drift_ppb=0)


def test_contact_is_lost_and_found() -> None:
    off = Episode(kind=EpisodeKind.OFF_BODY, start_ns=ns_from_s(20.0), end_ns=ns_from_s(30.0), amount=1.0)
    flags = [data[0] & 0x06 for data in listen(strap_of(CONTACT_AND_ENERGY, off), first_s=10, last_s=40)]
    assert flags == [6] * 9 + [4] * 10 + [6] * 11


def test_energy_adds_up_until_it_is_reset() -> None:
    strap = strap_of(CONTACT_AND_ENERGY)
    energy_kj = [struct.unpack_from("<H", data, 2)[0] for data in listen(strap, first_s=0, last_s=120)]
    assert energy_kj == sorted(energy_kj)
    assert (energy_kj[0], energy_kj[-1]) == (0, 10)
    strap.on_write(CONTROL_POINT, b"\x01", mtu=185, now_ns=ns_from_s(120.0))
    (data,) = strap.poll(ns_from_s(121.0), mtu=185)
    assert struct.unpack_from("<H", data.data, 2) == (0,)


def test_a_wide_rate_and_three_seconds_of_intervals_at_once() -> None:
    strap = strap_of(WIDE_AND_LATE)
    heard = listen(strap, first_s=1, last_s=61)
    assert {data[0] & 0x01 for data in heard} == {1}
    with_rr = [i for i, data in enumerate(heard) if data[0] & 0x10]
    assert with_rr == list(range(with_rr[0], 60, 3))
    assert {(len(heard[i]) - 3) // 2 for i in with_rr} >= {3, 4}
    bpm = struct.unpack_from("<H", heard[-1], 1)[0]
    assert 40 < bpm < 140


def test_some_never_send_intervals() -> None:
    heard = listen(strap_of(WITHOUT_RR), first_s=1, last_s=40)
    assert {len(data) for data in heard} == {2}
    assert heard[-1][1] > 40


def test_only_the_one_that_counts_energy_has_a_control_point() -> None:
    for make, has in ((CONTACT_AND_ENERGY, True), (WITHOUT_RR, False)):
        uuids = {c.uuid for service in strap_of(make).services for c in service.characteristics}
        assert (CONTROL_POINT in uuids) is has

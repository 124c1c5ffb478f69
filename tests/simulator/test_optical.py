"""Arm bands without a radio: their frames against the body's truth."""

import struct

import numpy as np
import pytest

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.gatt import Outgoing
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.heart_sensor import CLOCK_EPOCH_NS
from becalm_simulator.sensors.optical import ArmBand
from becalm_simulator.sensors.polar_stream import PMD_CONTROL, PMD_DATA
from becalm_simulator.sensors.pulse_intervals import FIRST_AFTER_NS

START_PPG, START_ACC, START_PPI = "02 01", "02 02", "02 03"


def listen(band: ArmBand, *commands: str, until_s: float, step_s: float = 0.25, mtu: int = 232) -> list[Outgoing]:
    for command in commands:
        (answer,) = band.on_write(PMD_CONTROL, bytes.fromhex(command), mtu=mtu, now_ns=0)
        assert answer.data[3] == 0
    times_ns = range(0, ns_from_s(until_s) + 1, ns_from_s(step_s))
    return [outgoing for t_ns in times_ns for outgoing in band.poll(t_ns, mtu=mtu) if outgoing.uuid == PMD_DATA]


def stamps_of(heard: list[Outgoing]) -> list[int]:
    return [int.from_bytes(outgoing.data[1:9], "little") for outgoing in heard]


def pulses_of(heard: list[Outgoing]) -> list[tuple[int, int, int, int]]:
    return [fields for outgoing in heard for fields in struct.iter_unpack("<BHHB", outgoing.data[10:])]


@pytest.mark.parametrize(("is_old", "rate_hz", "form"), [(False, 55, 0x80), (True, 135, 0x00)])
def test_light_comes_at_the_rate_it_really_has(is_old: bool, rate_hz: int, form: int) -> None:
    heard = listen(ArmBand(Body.from_seed(7), drift_ppb=0, is_old=is_old), START_PPG, until_s=20.0)
    n_samples = [outgoing.n_sent for outgoing in heard]
    assert {outgoing.data[0] for outgoing in heard} == {1}
    assert {outgoing.data[9] for outgoing in heard} == {form}
    assert heard[0].kinds == (SignalKind.PPG_1, SignalKind.PPG_2, SignalKind.PPG_3, SignalKind.PPG_AMBIENT)
    assert np.diff(stamps_of(heard)) == pytest.approx(np.asarray(n_samples[1:]) / rate_hz * NS_PER_S, abs=2)


def test_a_small_link_gets_more_and_shorter_frames_of_the_same_samples() -> None:
    wide, narrow = (listen(ArmBand(Body.from_seed(7), drift_ppb=0), START_PPG, until_s=10.0, mtu=m) for m in (517, 70))
    assert max(len(outgoing.data) for outgoing in narrow) <= 67
    assert len(narrow) > len(wide)
    assert sum(o.n_sent for o in narrow) == sum(o.n_sent for o in wide)
    assert set(stamps_of(wide)) < set(stamps_of(narrow))


def test_old_light_falls_with_each_pulse() -> None:
    body = Body.from_seed(7)
    heard = listen(ArmBand(body, drift_ppb=0, is_old=True), START_PPG, until_s=20.0)
    rows = np.concatenate([np.frombuffer(o.data[10:], dtype=np.uint8).reshape(-1, 4, 3) for o in heard])
    green = rows[:, 0].astype(np.int64) @ (1, 256, 65536)
    last_ns = stamps_of(heard)[-1] - CLOCK_EPOCH_NS
    t_ns = np.round(last_ns - np.arange(len(green) - 1, -1, -1) / 135 * NS_PER_S).astype(np.int64)
    assert np.corrcoef(green, body.pulse_au(t_ns))[0, 1] < -0.98


def test_pulse_intervals_come_late_then_often_and_are_the_hearts() -> None:
    body = Body.from_seed(7)
    band = ArmBand(body, drift_ppb=0)
    heard = listen(band, START_PPI, until_s=120.0)
    assert stamps_of(heard)[0] - CLOCK_EPOCH_NS == FIRST_AFTER_NS
    assert set(np.diff(stamps_of(heard))) <= {5 * NS_PER_S}
    told = pulses_of(heard)
    assert sum(outgoing.n_sent for outgoing in heard) == len(told)
    beats_ms = np.asarray([beat.t_ns for beat in body.beats()]) / 1e6
    true_ms = np.diff(beats_ms)[: len(told)]
    errors_ms = np.asarray([interval_ms for _, interval_ms, _, _ in told]) - true_ms
    assert np.std(errors_ms) == pytest.approx(6.0 * np.sqrt(2.0), rel=0.3)
    assert {flags for *_, flags in told} == {6}
    assert np.mean(np.abs(errors_ms) <= [error_ms for _, _, error_ms, _ in told]) > 0.7


def test_intervals_while_moving_are_marked_and_their_doubt_is_larger() -> None:
    episode = Episode(kind=EpisodeKind.MOVING, start_ns=0, end_ns=ns_from_s(60.0), amount=1.0)
    told = pulses_of(listen(ArmBand(Body.from_seed(7, episodes=[episode]), drift_ppb=0), START_PPI, until_s=40.0))
    assert {flags & 1 for *_, flags in told} == {1}
    assert min(error_ms for _, _, error_ms, _ in told) > 100


def test_older_firmware_stamps_intervals_with_nothing() -> None:
    heard = listen(ArmBand(Body.from_seed(7), drift_ppb=0, is_old=True), START_PPI, until_s=60.0)
    assert set(stamps_of(heard)) == {0}


def test_the_heart_rate_has_contact_and_no_intervals_and_changes_every_five_seconds() -> None:
    band = ArmBand(Body.from_seed(7), drift_ppb=0)
    band.on_subscribed(HEART_RATE, wanted=True, now_ns=ns_from_s(5.0))
    heard = [o.data for t_s in range(5, 66) for o in band.poll(ns_from_s(t_s), mtu=232)]
    assert len(heard) == 60
    assert {(data[0], len(data)) for data in heard} == {(0x06, 2)}
    rates = [data[1] for data in heard if data[1]]
    assert 40 < min(rates) <= max(rates) < 140
    changes = np.flatnonzero(np.diff(rates))
    assert len(changes) > 1
    assert set(np.diff(changes) % 5) == {0}


def test_the_same_seed_sends_the_same_bytes_however_it_is_polled() -> None:
    sent = []
    for step_s in (0.02, 1.7):
        band = ArmBand(Body.from_seed(11), drift_ppb=12_345)
        heard = listen(band, START_PPG, START_ACC, START_PPI, until_s=34.0, step_s=step_s)
        sent.append([[o.data for o in heard if o.data[0] == kind] for kind in (1, 2, 3)])
    assert sent[0] == sent[1]

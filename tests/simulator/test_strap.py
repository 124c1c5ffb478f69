"""The strap without a radio: its notifications against the body's truth."""

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.gatt import Outgoing
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.heart_sensor import CLOCK_EPOCH_NS
from becalm_simulator.sensors.polar_stream import PMD_CONTROL, PMD_DATA
from becalm_simulator.sensors.strap import Strap

START = bytes.fromhex("02 00 00 01 82 00 01 01 0E 00")
MTU = 517


def listen(strap: Strap, *, first_s: float, last_s: float, step_s: float, mtu: int = MTU) -> list[tuple[int, Outgoing]]:
    heard = []
    for t_ns in range(ns_from_s(first_s), ns_from_s(last_s) + 1, ns_from_s(step_s)):
        heard += [(t_ns, outgoing) for outgoing in strap.poll(t_ns, mtu=mtu)]
    return heard


def rr_of(outgoing: Outgoing) -> list[int]:
    return [int(x) for x in np.frombuffer(outgoing.data[2:], dtype="<u2")]


def test_rr_intervals_are_all_there_late_and_add_up() -> None:
    body = Body.from_seed(7)
    strap = Strap(body, drift_ppb=40_000)
    strap.on_subscribed(HEART_RATE, wanted=True, now_ns=ns_from_s(10.0))
    heard = listen(strap, first_s=10.0, last_s=130.0, step_s=0.1)
    assert len(heard) == 120
    told = [rr for _, outgoing in heard for rr in rr_of(outgoing)]
    assert sum(outgoing.n_sent for _, outgoing in heard) == len(told)
    beats = [beat.t_ns for beat in body.beats()]
    first = next(i for i, t_ns in enumerate(beats) if t_ns > ns_from_s(9.0))
    true = np.diff(beats[first - 1 : first + len(told)]) * (1 + 40e-6) * 1024 / NS_PER_S
    assert np.max(np.abs(told - true)) <= 1.0
    assert abs(sum(told) - float(np.sum(true))) <= 1.0
    n_told = 0
    for t_ns, outgoing in heard:
        n_told += outgoing.n_sent
        if outgoing.n_sent:
            assert 1.0 <= (t_ns - beats[first + n_told - 1]) / NS_PER_S < 2.2


def test_zero_and_several_intervals_a_notification_both_happen() -> None:
    counts = set()
    for seed in range(12):
        strap = Strap(Body.from_seed(seed), drift_ppb=0)
        strap.on_subscribed(HEART_RATE, wanted=True, now_ns=0)
        counts |= {outgoing.n_sent for _, outgoing in listen(strap, first_s=0, last_s=120, step_s=1.0)}
    assert {0, 1, 2} <= counts


def test_the_heart_rate_byte_is_the_mean_of_the_last_intervals() -> None:
    strap = Strap(Body.from_seed(3), drift_ppb=0)
    strap.on_subscribed(HEART_RATE, wanted=True, now_ns=ns_from_s(20.0))
    recent: list[int] = []
    for _, outgoing in listen(strap, first_s=20.0, last_s=60.0, step_s=0.25):
        recent = (recent + rr_of(outgoing))[-5:]
        assert outgoing.data[0] == (0x10 if outgoing.n_sent else 0)
        assert outgoing.data[1] == (round(60 * 1024 * len(recent) / sum(recent)) if recent else 0)


def test_what_does_not_fit_the_smallest_mtu_comes_later() -> None:
    body = Body.from_seed(7)
    strap = Strap(body, drift_ppb=0)
    strap.on_subscribed(HEART_RATE, wanted=True, now_ns=ns_from_s(5.0))
    heard = listen(strap, first_s=5.0, last_s=60.0, step_s=27.5, mtu=23)
    assert max(len(outgoing.data) for _, outgoing in heard) <= 20
    told = sum(outgoing.n_sent for _, outgoing in heard)
    assert told == body.n_beats(ns_from_s(59.0)) - body.n_beats(ns_from_s(4.0))


def test_ecg_frames_are_whole_stamped_and_true() -> None:
    body = Body.from_seed(7)
    strap = Strap(body, drift_ppb=-30_000)
    answer = strap.on_write(PMD_CONTROL, START, mtu=MTU, now_ns=ns_from_s(3.3))
    assert [(a.data, a.indicate) for a in answer] == [(bytes.fromhex("F0 02 00 00 00"), True)]
    heard = [outgoing for _, outgoing in listen(strap, first_s=3.3, last_s=33.3, step_s=0.05)]
    assert {outgoing.uuid for outgoing in heard} == {PMD_DATA}
    assert len(heard) == 30 * 130 // 73
    stamps = [int.from_bytes(outgoing.data[1:9], "little") for outgoing in heard]
    assert all(len(outgoing.data) == 229 and outgoing.data[0] == outgoing.data[9] == 0 for outgoing in heard)
    assert np.diff(stamps) == pytest.approx(73 / 130 * NS_PER_S, abs=1)
    true_ns = np.round((stamps[-1] - CLOCK_EPOCH_NS) / (1 - 30e-6) - np.arange(72, -1, -1) / 130 * NS_PER_S)
    raw = heard[-1].data[10:]
    told_uv = [int.from_bytes(raw[i : i + 3], "little", signed=True) for i in range(0, len(raw), 3)]
    assert np.std(told_uv - body.ecg_uv(true_ns.astype(np.int64))) == pytest.approx(8.0, rel=0.4)


def test_the_same_seed_sends_the_same_bytes_however_it_is_polled() -> None:
    sent = []
    for step_s in (0.02, 1.7):
        strap = Strap(Body.from_seed(11), drift_ppb=12_345)
        strap.on_write(PMD_CONTROL, START, mtu=MTU, now_ns=ns_from_s(1.0))
        strap.on_subscribed(HEART_RATE, wanted=True, now_ns=ns_from_s(1.0))
        heard = [outgoing for _, outgoing in listen(strap, first_s=1.0, last_s=35.0, step_s=step_s)]
        sent.append({uuid: [o.data for o in heard if o.uuid == uuid] for uuid in (PMD_DATA, HEART_RATE)})
    assert sent[0] == sent[1]


def test_due_is_when_something_comes() -> None:
    strap = Strap(Body.from_seed(1), drift_ppb=50_000)
    assert strap.due_ns() is None
    strap.on_write(PMD_CONTROL, START, mtu=MTU, now_ns=0)
    strap.on_subscribed(HEART_RATE, wanted=True, now_ns=0)
    for _ in range(50):
        due_ns = strap.due_ns()
        assert due_ns is not None
        assert strap.poll(due_ns - 1, mtu=MTU) == ()
        assert len(strap.poll(due_ns, mtu=MTU)) >= 1


def test_a_lost_peer_ends_both_streams() -> None:
    strap = Strap(Body.from_seed(1), drift_ppb=0)
    strap.on_write(PMD_CONTROL, START, mtu=MTU, now_ns=0)
    strap.on_subscribed(HEART_RATE, wanted=True, now_ns=0)
    strap.on_disconnected()
    assert strap.due_ns() is None
    assert strap.poll(ns_from_s(60.0), mtu=MTU) == ()
    assert set(strap.sent.values()) == {0}

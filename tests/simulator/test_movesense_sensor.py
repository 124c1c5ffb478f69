"""The chest sensor without a radio: what it grants and refuses, its packets and its clock, against the body's truth."""

import struct

import numpy as np
import pytest

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.body import Body
from becalm_simulator.gatt import Outgoing
from becalm_simulator.sensors.movesense import COMMAND, ChestSensor

SECOND = NS_PER_S


def sensor(**options: object) -> ChestSensor:
    body = Body.from_seed(5)
    body.until(10 * SECOND)
    return ChestSensor(body, drift_ppb=0, **options)  # type: ignore[arg-type]


def ask(worn: ChestSensor, data: bytes) -> bytes:
    (answer,) = worn.on_write(COMMAND, data, mtu=185, now_ns=10 * SECOND)
    return answer.data


def until(worn: ChestSensor, t_ns: int, *, mtu: int = 185) -> tuple[Outgoing, ...]:
    return worn.poll(t_ns, mtu=mtu)


def test_hello_tells_version_and_names_without_a_status() -> None:
    answer = ask(sensor(), b"\x00\x63")
    assert answer[:3] == b"\x01\x63\x01"
    assert answer[3:].split(b"\0")[:2] == [b"0001", b"SIM-MOVE"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"\x01\x01/Meas/ECG/250\0", 200),
        (b"\x01\x01/Meas/ECG/250", 200),
        (b"\x01\x01/Meas/ECG/251\0", 404),
        (b"\x01\x01/Meas/IMU6/104\0", 200),
        (b"\x01\x01/Meas/IMU9/104\0", 404),
        (b"\x01\x01/Meas/HR\0", 200),
        (b"\x01\x00/Meas/HR\0", 400),
        (b"\x02\x01", 404),
        (b"\x04\x01/System/Energy/Level\0", 200),
        (b"\x04\x01/System/Nothing\0", 404),
        (b"\x07\x01\x05", 501),
        (b"\x01\x01\xff\xfe", 404),
    ],
)
def test_answers_have_a_status(command: bytes, status: int) -> None:
    answer = ask(sensor(), command)
    assert answer[:2] == bytes((1, command[1]))
    assert int.from_bytes(answer[2:4], "little") == status


def test_it_takes_four_subscriptions_and_gives_them_back() -> None:
    worn = sensor()
    statuses = [ask(worn, bytes((1, ref)) + b"/Meas/HR\0")[2:4] for ref in range(1, 6)]
    assert [int.from_bytes(status, "little") for status in statuses] == [200] * 4 + [507]
    assert ask(worn, b"\x02\x03")[2:] == b"\xc8\x00"
    assert ask(worn, b"\x01\x09/Meas/HR\0")[2:] == b"\xc8\x00"
    worn.on_disconnected()
    assert worn.due_ns() is None


def test_ecg_packets_follow_each_other_by_their_stamps_and_are_the_bodys() -> None:
    worn = sensor(epoch_ns=(2**32 - 12_000) * NS_PER_MS)  # begins anew at 12 s
    ask(worn, b"\x01\x07/Meas/ECG/250\0")
    packets = [o.data for o in until(worn, 15 * SECOND)]
    assert {(p[0], p[1], len(p)) for p in packets} == {(2, 7, 6 + 64)}
    stamps = np.asarray([int.from_bytes(p[2:6], "little") for p in packets])
    assert set(np.diff(stamps) % 2**32) == {64}
    assert stamps.min() < 3_000 < 2**31 < stamps.max()
    counts = np.concatenate([np.frombuffer(p[6:], "<i4") for p in packets])
    t_ns = ((stamps[0] + 12_000) % 2**32) * NS_PER_MS + np.arange(len(counts)) * 4 * NS_PER_MS
    true_uv = Body.from_seed(5)
    true_uv.until(16 * SECOND)
    error_uv = counts * 0.381469726563 - true_uv.ecg_uv(t_ns.astype(np.int64))
    assert np.std(error_uv) < 12.0


def test_motion_is_gravity_in_metres_a_second_squared_and_turning_in_degrees() -> None:
    worn = sensor()
    ask(worn, b"\x01\x02/Meas/IMU6/52\0")
    outgoing = until(worn, 20 * SECOND, mtu=517)
    assert {o.kinds for o in outgoing} == {tuple(worn.sent)[1:7]}
    arrays = [np.frombuffer(o.data[6:], "<f4").reshape(2, -1, 3) for o in outgoing]
    acceleration, turning = np.concatenate(arrays, axis=1)
    assert np.linalg.norm(acceleration, axis=1) == pytest.approx(9.80665, rel=0.02)
    assert 0.0 < np.abs(turning).max() < 20.0


def test_what_does_not_fit_the_link_follows_as_a_second_part() -> None:
    wide, narrow = sensor(), sensor()
    for worn in (wide, narrow):
        ask(worn, b"\x01\x02/Meas/IMU6/52\0")
    whole, parts = until(wide, 12 * SECOND, mtu=517), until(narrow, 12 * SECOND, mtu=64)
    assert len(parts) == 2 * len(whole)
    for one, first, rest in zip(whole, parts[::2], parts[1::2], strict=True):
        assert (first.data[0], rest.data[0], len(first.data)) == (2, 3, 61)
        assert first.data + rest.data[2:] == one.data
        assert (first.n_sent, rest.n_sent) == (0, one.n_sent)


def test_intervals_are_the_true_ones_in_milliseconds() -> None:
    worn = sensor()
    ask(worn, b"\x01\x04/Meas/HR\0")
    told = [o for o in until(worn, 70 * SECOND) if o.kind is SignalKind.RR]
    rr_ms = [ms for o in told for ms in struct.unpack(f"<{o.n_sent}H", o.data[6:])]
    body = Body.from_seed(5)
    body.until(71 * SECOND)
    true_ms = [round(1000 * beat.rr_s) for beat in body.beats() if beat.t_ns > 9 * SECOND]
    assert rr_ms == true_ms[: len(rr_ms)]
    assert len(rr_ms) > 40
    (average_bpm,) = struct.unpack_from("<f", told[-1].data, 2)
    assert average_bpm == pytest.approx(60_000 / np.mean(rr_ms[-5:]), rel=1e-4)

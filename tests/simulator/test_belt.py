"""The belt without a radio: commands in pieces, measurements that follow the breath, garbage ignored."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.gatt import Outgoing
from becalm_simulator.sensors.belt import COMMAND, RESPONSE, Belt

MTU = 517


def command(code: int, arguments: bytes = b"", *, counter: int = 0xFE) -> bytes:
    packet = bytearray((0x58, 5 + len(arguments), counter, 0, code)) + arguments
    packet[3] = (sum(packet) - packet[3]) & 0xFF
    return bytes(packet)


def start(mask: int) -> bytes:
    return command(0x18, b"\xff\x01" + struct.pack("<I", mask) + bytes(8))


def period(us: int) -> bytes:
    return command(0x1B, b"\xff\x00" + struct.pack("<I", us) + bytes(4))


def packets(outgoing: list[Outgoing]) -> list[bytes]:
    """Put the 20-byte pieces together by the length byte, checking every checksum."""
    stream = b"".join(piece.data for piece in outgoing)
    whole = []
    while stream:
        packet, stream = stream[: stream[1]], stream[stream[1] :]
        assert (sum(packet) - packet[3]) & 0xFF == packet[3]
        whole.append(packet)
    return whole


def tell(belt: Belt, *writes: bytes, now_ns: int = 0) -> list[bytes]:
    outgoing = [o for data in writes for o in belt.on_write(COMMAND, data, mtu=MTU, now_ns=now_ns)]
    assert all(len(o.data) <= 20 and o.uuid == RESPONSE for o in outgoing)
    return packets(outgoing)


def test_a_command_in_pieces_is_answered_once_it_is_whole() -> None:
    belt = Belt(Body.from_seed(1), drift_ppb=0)
    whole = start(1 << 1)
    assert tell(belt, whole[:7]) == []
    (answer,) = tell(belt, whole[7:])
    assert (answer[0], answer[4], answer[5]) == (0x98, 0x18, 0xFE)


def test_information_is_laid_out_as_the_protocol_says() -> None:
    belt = Belt(Body.from_seed(1), drift_ppb=0, battery_pct=64)
    (status,), (mask,), (default,), (info,), (force,) = (
        tell(belt, command(code, arguments))
        for code, arguments in ((0x10, b""), (0x51, b""), (0x56, b""), (0x55, b""), (0x50, b"\x01"))
    )
    assert struct.unpack_from("<BBBBHBBHBB", status, 6)[-2:] == (64, 0)
    assert struct.unpack_from("<I", mask, 6) == (0b110110,)
    assert struct.unpack_from("<I", default, 6) == (0b10,)
    assert info[6:22].rstrip(b"\0") == b"GDX-RB"
    fields = struct.unpack_from("<bBIBB60s32sdddIQIII", force, 6)
    assert (fields[0], fields[5].rstrip(b"\0"), fields[6].rstrip(b"\0")) == (1, b"Force", b"N")


def test_measurements_come_every_period_and_follow_the_breath() -> None:
    body = Body.from_seed(5)
    belt = Belt(body, drift_ppb=20_000)
    tell(belt, period(50_000), start(0b110), now_ns=ns_from_s(2.0))
    outgoing = list(belt.poll(ns_from_s(62.0), mtu=MTU))
    measured = packets(outgoing)
    assert len(measured) == sum(o.n_sent for o in outgoing) == 1200
    assert {(m[0], m[4], m[7]) for m in measured} == {(0x20, 0x06, 1)}
    assert {struct.unpack_from("<H", m, 5)[0] for m in measured} == {0b110}
    force_n, rate_bpm = np.asarray([struct.unpack_from("<2f", m, 9) for m in measured]).T
    t_ns = ns_from_s(2.0) + np.round(np.arange(1, 1201) * 0.05 * NS_PER_S / (1 + 20e-6)).astype(np.int64)
    assert np.std(force_n - body.force_n(t_ns)) == pytest.approx(0.012, rel=0.2)
    assert all(math.isnan(x) for x in rate_bpm[:590])
    true_bpm = 60.0 * NS_PER_S / np.mean(np.diff([t.t_ns for t in body.turns(since_ns=ns_from_s(22))[::2]]))
    assert rate_bpm[-1] == pytest.approx(true_bpm, abs=3.0)


def test_stop_and_a_lost_peer_end_the_measurements() -> None:
    belt = Belt(Body.from_seed(5), drift_ppb=0)
    for end in (lambda: tell(belt, command(0x19, bytes.fromhex("FF 00 FF FF FF FF"))), belt.on_disconnected):
        tell(belt, start(0b10))
        assert belt.due_ns() is not None
        end()
        assert belt.due_ns() is None
        assert belt.poll(ns_from_s(9.0), mtu=MTU) == ()


def test_the_period_is_kept_within_what_the_belt_can_do() -> None:
    belt = Belt(Body.from_seed(5), drift_ppb=0)
    tell(belt, period(1), start(0b10))
    assert belt.due_ns() == 10_000_000


def test_garbage_before_a_command_is_skipped_and_a_bad_checksum_is_counted() -> None:
    belt = Belt(Body.from_seed(5), drift_ppb=0)
    broken = bytearray(start(0b10))
    broken[3] ^= 0xFF
    (answer,) = tell(belt, b"\x00\xff\x01" + bytes(broken) + command(0x10))
    assert answer[4] == 0x10
    assert belt.n_bad_commands == 1
    assert belt.due_ns() is None


@given(writes=st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_upset_the_belt(writes: list[bytes]) -> None:
    belt = Belt(Body.from_seed(5), drift_ppb=0)
    tell(belt, *writes)
    assert belt.sent == {SignalKind.RESPIRATION: 0}

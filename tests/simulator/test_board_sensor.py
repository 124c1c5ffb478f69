"""The board without a radio: commands, frames, state; and the GSR unit: settings, ranges, its clock."""

import numpy as np
import pytest

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_simulator.body import Body
from becalm_simulator.sensors import bitalino, shimmer

SECOND = NS_PER_S


def body() -> Body:
    made = Body.from_seed(8)
    made.until(10 * SECOND)
    return made


def ask(worn: bitalino.Board | shimmer.GsrUnit, data: bytes) -> bytes:
    uuid = bitalino.COMMAND if isinstance(worn, bitalino.Board) else shimmer.COMMAND
    return b"".join(o.data for o in worn.on_write(uuid, data, mtu=185, now_ns=10 * SECOND))


def check(data: bytes) -> int:
    """The board's check by polynomial division of the whole number."""
    number, divisor = int.from_bytes((*data[:-1], data[-1] & 0xF0), "big"), 0b10011
    for bit in range(8 * len(data) - 1, 3, -1):
        if number >> bit & 1:
            number ^= divisor << (bit - 4)
    return number


def test_frames_are_numbered_checked_and_cut_without_regard_for_their_borders() -> None:
    board = bitalino.Board(body(), drift_ppb=0)
    assert ask(board, b"\x83\x1d") == b""  # 100 Hz, A1 to A3
    outgoing = board.poll(20 * SECOND, mtu=23)
    assert {len(o.data) for o in outgoing} == {20}
    data = b"".join(o.data for o in outgoing)
    frames = [data[i : i + 6] for i in range(0, len(data), 6)]
    assert [frame[-1] >> 4 for frame in frames] == [n % 16 for n in range(1_000)]
    assert all(frame[-1] & 0x0F == check(frame) for frame in frames)
    assert sum(o.n_sent for o in outgoing) == 1_000
    assert {o.kinds for o in outgoing if o.n_sent} == {tuple(bitalino.PLUGGED.values())}
    board.on_write(bitalino.COMMAND, b"\x00", mtu=23, now_ns=20 * SECOND)
    assert board.due_ns() is None


def test_the_converter_gives_what_the_data_sheets_say() -> None:
    worn = body()
    board = bitalino.Board(worn, drift_ppb=0)
    ask(board, b"\x83\x11")  # A3 alone
    data = b"".join(o.data for o in board.poll(40 * SECOND, mtu=185))
    counts = [(data[i + 1] & 0x0F) << 6 | data[i] >> 2 for i in range(0, len(data), 3)]
    t_ns = (10 * SECOND + (1 + np.arange(len(counts))) * 10_000_000).astype(np.int64)
    assert np.asarray(counts) * 25.0 / 1_024 == pytest.approx(worn.conductance_us(t_ns), abs=0.08)


def test_the_state_is_told_only_while_it_rests() -> None:
    board = bitalino.Board(body(), drift_ppb=0, battery_pct=50)
    state = ask(board, b"\xff\x0b")
    assert len(state) == 16
    assert state[-1] & 0x0F == check(state)
    assert int.from_bytes(state[12:14], "little") * 2 * 3.3 / 1_024 == pytest.approx(3.8, abs=0.01)
    assert ask(board, b"\x07") == bitalino.VERSION
    ask(board, b"\x83\x09")
    assert ask(board, b"\x0b") == b""
    assert board.due_ns() is not None


@pytest.mark.parametrize("rate_hz", [1, 10, 100, 1_000])
def test_rates(rate_hz: int) -> None:
    board = bitalino.Board(body(), drift_ppb=0)
    ask(board, bytes((bitalino.RATES_HZ.index(rate_hz) << 6 | 3, 0x09)))
    outgoing = board.poll(20 * SECOND, mtu=185)
    assert sum(o.n_sent for o in outgoing) == 10 * rate_hz


def test_the_unit_acknowledges_and_refuses() -> None:
    unit = shimmer.GsrUnit(body(), drift_ppb=0)
    assert ask(unit, b"\x08\x04") == b""  # not whole yet
    assert ask(unit, b"\x00\x00") == shimmer.ACK
    assert ask(unit, b"\x05\x00\x08\x21\x04") == shimmer.ACK * 2
    assert ask(unit, b"\x21\x09") == shimmer.NACK
    assert ask(unit, b"\x66") == shimmer.NACK
    assert ask(unit, b"\x01") == shimmer.ACK + b"\x02\x00\x08" + (4 << 25).to_bytes(7, "little") + b"\x01\x01\x1c"
    assert ask(unit, b"\x07") == shimmer.ACK + shimmer.STREAMING_STATUS
    assert unit.due_ns() is not None
    assert ask(unit, b"\x20") == shimmer.ACK
    assert unit.due_ns() is None


@pytest.mark.parametrize("gain", [0, 1, 2, 4])
def test_samples_are_the_skins_in_every_range_and_the_clock_wraps(gain: int) -> None:
    worn = body()
    unit = shimmer.GsrUnit(worn, drift_ppb=0, epoch_ns=495 * SECOND)
    ask(unit, b"\x08\x04\x00\x00\x05\x00\x08\x21" + bytes((gain, 0x07)))
    samples = [o.data for o in unit.poll(30 * SECOND, mtu=185)]
    assert len(samples) == 320
    ticks = np.asarray([int.from_bytes(s[1:4], "little") for s in samples])
    assert set(np.diff(ticks) % 2**24) == {2_048}
    assert ticks.max() - ticks.min() > 2**23
    raw = np.asarray([int.from_bytes(s[4:], "little") for s in samples])
    resistor_kohm = np.asarray(shimmer.FEEDBACK_KOHM)[raw >> 14]
    told_us = ((raw & 0xFFF) * 3 / 4_095 / 0.5 - 1) * 1_000 / resistor_kohm
    t_ns = (10 * SECOND + (1 + np.arange(len(samples))) * SECOND // 16).astype(np.int64)
    true_us = np.minimum(worn.conductance_us(t_ns), 5_000 / resistor_kohm)  # a range set by hand ends somewhere
    step_us = 6_000 / 4_095 / resistor_kohm
    assert np.all(np.abs(told_us - true_us) < 4 * step_us)
    if gain != 4:
        assert set(raw >> 14) == {gain}


def test_it_measures_nothing_without_electrodes() -> None:
    unit = shimmer.GsrUnit(body(), drift_ppb=0, has_gsr=False)
    ask(unit, b"\x08\x04\x00\x00")
    assert ask(unit, b"\x01")[-2:] == b"\x00\x01"
    ask(unit, b"\x07")
    assert unit.due_ns() is None
    assert unit.sent == {SignalKind.SKIN_CONDUCTANCE: 0}

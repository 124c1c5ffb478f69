"""Compression as sensors do it, undone by hand and by the driver."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices.polar_delta import unpack_deltas
from becalm_simulator.sensors.polar_delta import BLOCK_SAMPLES, pack_deltas


def test_a_block_by_hand() -> None:
    # Two channels; deltas +3 -4, then 0 +1: three bits hold -4 to +3, the first delta in the lowest bits.
    counts = np.asarray([[100, -100], [103, -104], [103, -103]])
    bits = 0b011 | 0b100 << 3 | 0b000 << 6 | 0b001 << 9
    assert pack_deltas(counts, reference_bytes=2) == bytes.fromhex("64 00 9C FF 03 02") + bits.to_bytes(2, "little")


def test_one_sample_is_its_reference() -> None:
    assert pack_deltas(np.asarray([[-1, 2, 3]]), reference_bytes=3) == bytes.fromhex("FF FF FF 02 00 00 03 00 00")


@given(
    n_channels=st.integers(1, 4),
    rows=st.lists(st.lists(st.integers(-(2**23), 2**23 - 1), min_size=4, max_size=4), min_size=1, max_size=40),
)
def test_the_driver_reads_what_a_sensor_packs(n_channels: int, rows: list[list[int]]) -> None:
    counts = np.asarray(rows, dtype=np.int64)[:, :n_channels]
    packed = pack_deltas(counts, reference_bytes=3)
    samples = unpack_deltas(packed, n_channels=n_channels, reference_bytes=3, device="test")
    assert [list(channel) for channel in samples] == counts.T.tolist()


def test_quiet_signals_take_little_room() -> None:
    rng = np.random.default_rng(1)
    counts = np.cumsum(rng.integers(-3, 4, size=(BLOCK_SAMPLES * 4 + 1, 3)), axis=0)
    n_bytes_a_block = 2 + -(-3 * 3 * BLOCK_SAMPLES // 8)  # three bits for each of three channels
    assert len(pack_deltas(counts, reference_bytes=2)) == 6 + 4 * n_bytes_a_block

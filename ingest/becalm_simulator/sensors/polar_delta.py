"""Samples compressed as a sensor does it: a reference sample, then blocks of deltas as narrow as they can be."""

import numpy as np
from numpy.typing import NDArray

BLOCK_SAMPLES = 12


def pack_deltas(counts: NDArray[np.int64], *, reference_bytes: int) -> bytes:
    """Return samples of shape (n_samples, n_channels) compressed."""
    packed = b"".join(int(count).to_bytes(reference_bytes, "little", signed=True) for count in counts[0])
    deltas = np.diff(counts, axis=0)
    for start in range(0, len(deltas), BLOCK_SAMPLES):
        packed += _block(deltas[start : start + BLOCK_SAMPLES])
    return packed


def _block(deltas: NDArray[np.int64]) -> bytes:
    """Return one block: width, count, and the deltas, the least significant bit first."""
    flat = [int(delta) for delta in deltas.ravel()]
    # As many bits as the largest needs beside its sign; -4 fits where +3 does.
    width = 1 + max((delta if delta >= 0 else ~delta).bit_length() for delta in flat)
    bits = 0
    for position, delta in enumerate(flat):
        bits |= (delta & (1 << width) - 1) << position * width
    return bytes((width, len(deltas))) + bits.to_bytes(-(-width * len(flat) // 8), "little")

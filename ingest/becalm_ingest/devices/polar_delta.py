"""Delta-compressed samples of Polar Measurement Data.

One reference sample, each channel in whole bytes; then blocks of `width count` and `count` times one delta a channel,
`width` bits each, the least significant bit first, each block filled up to a byte. Deltas add up.
"""

from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError

_BLOCK_HEAD_BYTES = 2
# A delta of a 24-bit signal takes 25 bits; wider fields exist in no published frame.
_MAX_WIDTH_BITS = 32


def unpack_deltas(data: bytes, *, n_channels: int, reference_bytes: int, device: str) -> tuple[tuple[int, ...], ...]:
    """Return the samples of each channel, shape (n_channels, n_samples). Raises DeviceDataError."""
    offset = n_channels * reference_bytes
    if len(data) < offset:
        problem = f"expected a reference sample of {offset} bytes, got {len(data)} bytes"
        raise DeviceDataError(problem, device=device, data=data)
    row = [
        int.from_bytes(data[start : start + reference_bytes], "little", signed=True)
        for start in range(0, offset, reference_bytes)
    ]
    channels = [[reference] for reference in row]
    while offset < len(data):
        width, count = data[offset], data[offset + 1] if offset + 1 < len(data) else 0
        offset += _BLOCK_HEAD_BYTES
        n_bytes = -(-width * count * n_channels // 8)
        if not 0 < width <= _MAX_WIDTH_BITS or offset + n_bytes > len(data):
            problem = f"expected deltas of 1 to {_MAX_WIDTH_BITS} bits as many as announced, got {count} of {width}"
            raise DeviceDataError(problem, device=device, data=data)
        if len(channels[0]) + count > limits.MAX_SAMPLES_PER_BLOCK:
            problem = f"expected at most {limits.MAX_SAMPLES_PER_BLOCK} samples"
            raise DeviceDataError(problem, device=device, data=data)
        _add_block(channels, data[offset : offset + n_bytes], width=width, count=count)
        offset += n_bytes
    return tuple(map(tuple, channels))


def _add_block(channels: list[list[int]], packed: bytes, *, width: int, count: int) -> None:
    bits, mask, sign = int.from_bytes(packed, "little"), (1 << width) - 1, 1 << (width - 1)
    for _ in range(count):
        for channel in channels:
            delta = bits & mask
            channel.append(channel[-1] + ((delta ^ sign) - sign))
            bits >>= width

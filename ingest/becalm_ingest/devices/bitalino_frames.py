"""Bytes of BITalino (r)evolution boards: frames, the answer about the board's state, commands.

After BITalinoWorld's public interfaces. A frame holds one sample of each channel that was started; read from its last
byte backwards it is: sequence 4 bits, CRC 4, digital ports 4, then the channels, 10 bits each of the first four and 6
each of the last two. The CRC is taken over the frame with its own four bits zero.
"""

from becalm_protocol.events import value

NAME = "bitalino"

RATE_CODES = {1: 0, 10: 1, 100: 2, 1000: 3}
IDLE = b"\xff"
"""Stop whatever goes on."""
STOP = b"\x00"
ASK_STATE = b"\x0b"

MAX_CHANNELS = 6
WIDTHS_BITS = (10, 10, 10, 10, 6, 6)
N_SEQUENCE = 16

_HEAD_BITS = 12
# x^4 + x + 1 over four bits at once.
_CRC_TABLE = (0, 3, 6, 5, 12, 15, 10, 9, 11, 8, 13, 14, 7, 4, 1, 2)
_CRC_BYTES = bytes(
    _CRC_TABLE[_CRC_TABLE[crc] ^ (byte >> 4)] ^ (byte & 0x0F) for crc in range(16) for byte in range(256)
)
_STATE_SIZES = (16, 17)  # firmware from 5.2 on has one byte more, before the last
MAX_STATE_BYTES = max(_STATE_SIZES)
_N_STATE_WORDS = 7
_MAX_WORD = 1_023
_MAX_THRESHOLD = 63


@value
class Frame:
    """One sample of each channel."""

    sequence: int
    """0 to 15, then 0 again."""
    analog: tuple[int, ...]
    """Counts of the channels that were started, A1 first."""


@value
class BoardState:
    """The board's answer about itself."""

    battery_count: int
    """Half the battery voltage against 3.3 V, 10 bits."""
    n_bytes: int


def frame_bytes(n_channels: int) -> int:
    """Return the length of a frame."""
    return (_HEAD_BITS + sum(WIDTHS_BITS[:n_channels]) + 7) // 8


def crc4(data: bytes) -> int:
    """Return the check over `data`, whose last four bits count as zero."""
    crc = 0
    for byte in data[:-1]:
        crc = _CRC_BYTES[crc << 8 | byte]
    return _CRC_TABLE[_CRC_TABLE[crc] ^ (data[-1] >> 4)]


def parse_frame(raw: bytes, *, n_channels: int) -> Frame | None:
    """Return the frame in `raw`, which has its length; None where the check fails."""
    if raw[-1] & 0x0F != crc4(raw):
        return None
    word, shift = int.from_bytes(raw, "little"), 8 * len(raw) - _HEAD_BITS
    analog = []
    for n_bits in WIDTHS_BITS[:n_channels]:
        shift -= n_bits
        analog.append(word >> shift & (1 << n_bits) - 1)
    return Frame(sequence=raw[-1] >> 4, analog=tuple(analog))


def parse_state(data: bytes) -> BoardState | None:
    """Return the state that `data` begins with; None where it is none, or not yet whole."""
    if any(high > _MAX_WORD >> 8 for high in data[1 : 2 * _N_STATE_WORDS : 2]):
        return None  # most of what is no state ends here
    for size in _STATE_SIZES:
        raw = data[:size]
        if len(raw) < size or raw[-1] & 0x0F != crc4(raw):
            continue
        words = [int.from_bytes(raw[start : start + 2], "little") for start in range(0, 2 * _N_STATE_WORDS, 2)]
        if max(words) <= _MAX_WORD and raw[2 * _N_STATE_WORDS] <= _MAX_THRESHOLD:
            return BoardState(battery_count=words[-1], n_bytes=size)
    return None


def set_rate(rate_hz: int) -> bytes:
    """Return the command that sets the rate."""
    return bytes((RATE_CODES[rate_hz] << 6 | 0x03,))


def start(channels: tuple[int, ...]) -> bytes:
    """Return the command that starts channels (1 for A1 to 6 for A6)."""
    return bytes((0x01 | sum(1 << channel + 1 for channel in channels),))

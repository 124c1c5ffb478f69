"""Garmin FIT: an activity with HRV messages (78) and the heart rate of each second, as a watch records it."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from becalm_protocol.units import NS_PER_S
from becalm_server.exports.content import Content
from becalm_server.exports.heart import intervals

# Seconds from the Unix epoch to 1989-12-31, where FIT begins.
_EPOCH_S = 631_065_600
_PROTOCOL, _PROFILE = 0x10, 2_132
_N_A_MESSAGE = 5
_NONE_U8, _NONE_U16, _MAX_U32 = 0xFF, 0xFFFF, 0xFFFF_FFFE
_CRC_NIBBLES = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip
_ENUM, _UINT8, _UINT16, _UINT32, _UINT32Z = (0x00, "B"), (0x02, "B"), (0x84, "H"), (0x86, "I"), (0x8C, "I")
# Global message number and (field number, base type, items) of each message we write: local types in this order.
_FILE_ID = (0, ((0, _ENUM, 1), (1, _UINT16, 1), (2, _UINT16, 1), (3, _UINT32Z, 1), (4, _UINT32, 1)))
_EVENT = (21, ((253, _UINT32, 1), (0, _ENUM, 1), (1, _ENUM, 1)))
_RECORD = (20, ((253, _UINT32, 1), (3, _UINT8, 1)))
_HRV = (78, ((0, _UINT16, _N_A_MESSAGE),))
_LAP = (19, ((253, _UINT32, 1), (2, _UINT32, 1), (7, _UINT32, 1), (8, _UINT32, 1)))
_SESSION = (18, ((253, _UINT32, 1), (2, _UINT32, 1), (7, _UINT32, 1), (8, _UINT32, 1), (5, _ENUM, 1)))
_ACTIVITY = (34, ((253, _UINT32, 1), (0, _UINT32, 1), (1, _UINT16, 1), (2, _ENUM, 1)))
_MESSAGES = (_FILE_ID, _EVENT, _RECORD, _HRV, _LAP, _SESSION, _ACTIVITY)
_Definition = tuple[int, tuple[tuple[int, tuple[int, str], int], ...]]
# Enumerations of the FIT profile.
_FILE_ACTIVITY, _MAKER_DEVELOPMENT, _TIMER, _START, _STOP_ALL, _SPORT_GENERIC, _MANUAL = 4, 255, 0, 0, 4, 0, 0


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file. Raises NothingToExportError."""
    beats = intervals(content)
    began_ns = min(0, beats[0]["t_ns"])
    lasted_ns = max(content.span_ns()[1], beats[-1]["t_ns"]) - began_ns
    started_s = (content.started_unix_ns + began_ns) // NS_PER_S - _EPOCH_S
    ended_s, lasted_ms = started_s + lasted_ns // NS_PER_S, lasted_ns // 1_000_000
    body = bytearray()
    for local, definition in enumerate(_MESSAGES):
        body += _defined(local, definition)
    body += _message(_FILE_ID, _FILE_ACTIVITY, _MAKER_DEVELOPMENT, 0, 0, started_s)
    body += _message(_EVENT, started_s, _TIMER, _START)
    body += _hrv_and_records(beats, content.rows("select_metrics"), started_unix_ns=content.started_unix_ns)
    body += _message(_EVENT, ended_s, _TIMER, _STOP_ALL)
    body += _message(_LAP, ended_s, started_s, lasted_ms, lasted_ms)
    body += _message(_SESSION, ended_s, started_s, lasted_ms, lasted_ms, _SPORT_GENERIC)
    body += _message(_ACTIVITY, ended_s, lasted_ms, 1, _MANUAL)
    head = struct.pack("<BBHI4s", 14, _PROTOCOL, _PROFILE, len(body), b".FIT")
    head += struct.pack("<H", crc16(head))
    file.write(head + body)
    file.write(struct.pack("<H", crc16(head + body)))


def _hrv_and_records(
    beats: Sequence[dict[str, Any]], metrics: Iterable[dict[str, Any]], *, started_unix_ns: int
) -> bytes:
    """Return HRV messages of five intervals each, every one before the record of the second that it ended in."""
    body, waiting, beat_idx = bytearray(), [], 0
    for row in metrics:
        while beat_idx < len(beats) and beats[beat_idx]["t_ns"] <= row["t_ns"]:
            waiting.append(_fit_ms(beats[beat_idx]["rr_ms"]))
            beat_idx += 1
        body += _hrv(waiting)
        waiting.clear()
        stamp_s = (started_unix_ns + row["t_ns"]) // NS_PER_S - _EPOCH_S
        heart_rate_bpm = row["heart_rate_bpm"]
        body += _message(
            _RECORD, stamp_s, _NONE_U8 if heart_rate_bpm is None else min(round(heart_rate_bpm), _NONE_U8 - 1)
        )
    return bytes(body + _hrv([_fit_ms(beat["rr_ms"]) for beat in beats[beat_idx:]]))


def _hrv(intervals_ms: Sequence[int]) -> bytes:
    body = bytearray()
    for start in range(0, len(intervals_ms), _N_A_MESSAGE):
        five = list(intervals_ms[start : start + _N_A_MESSAGE])
        body += _message(_HRV, *five, *[_NONE_U16] * (_N_A_MESSAGE - len(five)))
    return bytes(body)


def _fit_ms(rr_ms: float) -> int:
    """FIT knows whole milliseconds up to a minute."""
    return max(0, min(round(rr_ms), _NONE_U16 - 1))


def _defined(local: int, definition: _Definition) -> bytes:
    number, fields = definition
    head = struct.pack("<BBBHB", 0x40 | local, 0, 0, number, len(fields))
    cells = (struct.pack("<BBB", field, struct.calcsize(base[1]) * n_items, base[0]) for field, base, n_items in fields)
    return head + b"".join(cells)


def _message(definition: _Definition, *numbers: int) -> bytes:
    layout = "<B" + "".join(f"{n_items}{base[1]}" for _, base, n_items in definition[1])
    held = (min(max(number, 0), _MAX_U32) for number in numbers)  # beats of an odd clock may be far off
    return struct.pack(layout, _MESSAGES.index(definition), *held)


def crc16(data: bytes | bytearray) -> int:
    """Return the checksum of FIT."""
    crc = 0
    for byte in data:
        for nibble in (byte & 0xF, byte >> 4):
            crc = (crc >> 4) ^ _CRC_NIBBLES[crc & 0xF] ^ _CRC_NIBBLES[nibble]
    return crc

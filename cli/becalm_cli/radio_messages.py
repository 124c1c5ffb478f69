"""What notifications say, read apart from the agent's own parsers: the bench compares the two.

A message may come in pieces (text lines, packets of a belt); its pieces share its fate.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from becalm_cli.radio_tap import Heard
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.sensors.belt import RESPONSE
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.polar_control import ECG_RATE_HZ
from becalm_simulator.sensors.polar_stream import PMD_DATA
from becalm_simulator.sensors.skin import UART_TX

PERIOD_NS: dict[SignalKind | None, int] = {
    SignalKind.ECG: round(NS_PER_S / ECG_RATE_HZ),
    SignalKind.RESPIRATION: NS_PER_S // 10,
    SignalKind.SKIN_CONDUCTANCE: NS_PER_S // 8,
}
_MEASUREMENT, _NORMAL_FLOATS, _FORCE_MASK = 0x20, 0x06, 0x02
_N_PER_COUNT, _US_PER_COUNT = 0.001, 0.0001
_KINDS = {
    HEART_RATE: SignalKind.RR,
    PMD_DATA: SignalKind.ECG,
    RESPONSE: SignalKind.RESPIRATION,
    UART_TX: SignalKind.SKIN_CONDUCTANCE,
}


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of a sensor, whole or torn."""

    kind: SignalKind | None
    """None: a measurement whose content is not compared."""
    pieces: list[int]
    """Positions of its notifications among all that were heard; the last one completes it."""
    samples: tuple[int, ...] = ()
    first_ns: int | None = None
    """When its first sample was taken by the sensor's own clock, where it tells."""
    countdown: int = 0
    """The belt's own number of its packet, counted down in one byte."""
    is_whole: bool = True


@dataclass(slots=True)
class _Line:
    """A text line in the making."""

    text: bytes = b""
    pieces: list[int] = field(default_factory=list)


def is_measurement(heard: Heard) -> bool:
    """Tell a measurement, or a piece of one, from an answer to a command."""
    return heard.uuid in _KINDS and not (heard.uuid == RESPONSE and heard.data[0] != _MEASUREMENT)


def read_messages(heard: Sequence[Heard]) -> tuple[list[Message], list[int]]:
    """Return the measurements in what was heard, and the positions of notifications that measure nothing."""
    messages: list[Message] = []
    lines: dict[tuple[str, int], _Line] = {}
    for position, notification in enumerate(heard):
        kind, data = _KINDS.get(notification.uuid), notification.data
        if kind is SignalKind.SKIN_CONDUCTANCE:
            line = lines.setdefault((notification.address, notification.link), _Line())
            messages += _read_lines(line, data, position=position)
            continue
        message = _read_one(kind, data, position=position)
        messages += [message] if message is not None else []
    kind = SignalKind.SKIN_CONDUCTANCE
    messages += [Message(kind=kind, pieces=line.pieces, is_whole=False) for line in lines.values() if line.pieces]
    in_messages = {position for message in messages for position in message.pieces}
    return messages, [position for position in range(len(heard)) if position not in in_messages]


def _read_one(kind: SignalKind | None, data: bytes, *, position: int) -> Message | None:
    if kind is SignalKind.RR:
        first = 3 if data[0] & 1 else 2
        first += 2 if data[0] & 8 else 0
        rr_1024 = struct.unpack_from(f"<{(len(data) - first) // 2}H", data, first) if data[0] & 0x10 else ()
        return Message(kind=kind, pieces=[position], samples=rr_1024)
    if kind is SignalKind.ECG:
        if data[0] or data[9]:  # acceleration and the like, on the same characteristic
            return Message(kind=None, pieces=[position])
        samples = tuple(int.from_bytes(data[at : at + 3], "little", signed=True) for at in range(10, len(data), 3))
        first_ns = int.from_bytes(data[1:9], "little") - (len(samples) - 1) * PERIOD_NS[kind]
        return Message(kind=kind, pieces=[position], samples=samples, first_ns=first_ns)
    if kind is SignalKind.RESPIRATION and data[0] == _MEASUREMENT and data[4] == _NORMAL_FLOATS:
        if struct.unpack_from("<H", data, 5)[0] != _FORCE_MASK or len(data) != data[1]:
            return None
        force_n = struct.unpack_from(f"<{data[7]}f", data, 9)
        counts = tuple(round(n / _N_PER_COUNT) for n in force_n)
        return Message(kind=kind, pieces=[position], samples=counts, countdown=data[2])
    return None


def _read_lines(line: _Line, data: bytes, *, position: int) -> list[Message]:
    """Return the messages that `data` completes; what is left of it begins the next."""
    messages = []
    *ends, rest = data.split(b"\n")
    for end in ends:
        text, pieces = line.text + end, [*line.pieces, position]
        line.text, line.pieces = b"", []
        if b"=" in text:  # others are banners
            messages.append(_read_line(text, pieces=pieces))
    if rest:
        line.text += rest
        line.pieces.append(position)
    return messages


def _read_line(text: bytes, *, pieces: list[int]) -> Message:
    kind = SignalKind.SKIN_CONDUCTANCE
    try:
        fields = {name.strip(): float(number) for name, number in (part.split(b"=") for part in text.split(b","))}
        count, t_ms = round(fields[b"eda_us"] / _US_PER_COUNT), fields.get(b"t_ms")
    except (ValueError, KeyError):
        return Message(kind=kind, pieces=pieces, is_whole=False)
    first_ns = None if t_ms is None else round(t_ms * NS_PER_MS)
    return Message(kind=kind, pieces=pieces, samples=(count,), first_ns=first_ns)

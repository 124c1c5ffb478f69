"""The control point of Polar Measurement Data: commands, answers, settings, and errors in words."""

import math
import struct
from enum import IntEnum

from becalm_ingest.devices.polar_frames import DEVICE, Measurement
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import value

_ANSWER, _ENDED_BY_DEVICE, _FEATURES = 0xF0, 0x01, 0x0F
_TYPE_MASK = 0x3F
_ANSWER_HEAD_BYTES = 5
# Settings of one measurement take some tens of bytes; more is a sensor gone wild.
_MAX_PARAMETER_BYTES = 512
_FEATURE_BITS = {Measurement.ECG: 0x01, Measurement.PPG: 0x02, Measurement.ACC: 0x04, Measurement.PPI: 0x08}


class Op(IntEnum):
    """Commands we write."""

    SETTINGS = 1
    START = 2
    STOP = 3


class Setting(IntEnum):
    """Types in a list of settings."""

    RATE = 0
    RESOLUTION = 1
    RANGE = 2
    RANGE_MILLI = 3
    CHANNELS = 4
    FACTOR = 5
    SECURITY = 6


_SIZES = {
    Setting.RATE: 2,
    Setting.RESOLUTION: 2,
    Setting.RANGE: 2,
    Setting.RANGE_MILLI: 4,
    Setting.CHANNELS: 1,
    Setting.FACTOR: 4,
    Setting.SECURITY: 16,
}


class Status(IntEnum):
    """Error codes with a meaning of their own for us."""

    OK = 0
    ALREADY_IN_STATE = 6
    BAD_MTU = 10
    IN_CHARGER = 13


_REFUSALS = {
    1: "does not know the command",
    2: "does not know the measurement",
    3: "does not support it",
    4: "found the command too short or too long",
    5: "found a parameter out of range",
    Status.ALREADY_IN_STATE: "is in that state already",
    7: "does not have that resolution",
    8: "does not have that sample rate",
    9: "does not have that range",
    Status.BAD_MTU: "has been given packets too small for it",
    11: "does not have that number of channels",
    12: "is in a state that does not allow it",
    Status.IN_CHARGER: "is in its charger",
    14: "has no room left to record",
}
_ADVICE = {
    12: "End its own training or recording, or switch it off and on",
    Status.BAD_MTU: "Switch Bluetooth off and on, or bring this machine's Bluetooth up to date",
    Status.IN_CHARGER: "Take it off the charger and put it on",
}
_USUAL_ADVICE = "Take it off, wait a minute, put it on again"
_NAMES = {
    Measurement.ECG: "ECG",
    Measurement.PPG: "its light signal",
    Measurement.ACC: "acceleration",
    Measurement.PPI: "pulse intervals",
}


@value
class Settings:
    """What a measurement offers, or with what it was started; empty where the sensor does not say."""

    rates_hz: tuple[int, ...] = ()
    resolutions_bit: tuple[int, ...] = ()
    ranges: tuple[int, ...] = ()
    """g for acceleration."""
    channels: tuple[int, ...] = ()
    factor: float | None = None
    """Multiplies every sample of a compressed frame; told when a measurement starts."""


@value
class Answer:
    """A whole answer to a command."""

    op: int
    kind: int
    """Number of the measurement; not always one that we know."""
    error: int
    parameters: bytes


@value
class Ended:
    """Measurements that the sensor ended by itself."""

    kinds: frozenset[int]


class ControlChannel:
    """Puts answers together over the frames they come in."""

    def __init__(self) -> None:
        self._first: Answer | None = None

    def feed(self, data: bytes) -> Answer | Ended | None:
        """Return what is complete now: None while an answer goes on. Raises DeviceDataError."""
        if data[:1] == bytes([_FEATURES]):  # on some systems reading the features lands here
            return None
        if data[:1] == bytes([_ENDED_BY_DEVICE]):
            return Ended(kinds=frozenset(kind & _TYPE_MASK for kind in data[1:]))
        if len(data) < _ANSWER_HEAD_BYTES - 1 or data[0] != _ANSWER:
            raise DeviceDataError("expected an answer F0 op type error", device=DEVICE, data=data)
        answer = Answer(op=data[1], kind=data[2] & _TYPE_MASK, error=data[3], parameters=data[_ANSWER_HEAD_BYTES:])
        first, self._first = self._first, None
        if first is not None and (first.op, first.kind) == (answer.op, answer.kind):
            answer = Answer(
                op=answer.op, kind=answer.kind, error=answer.error, parameters=first.parameters + answer.parameters
            )
        if len(answer.parameters) > _MAX_PARAMETER_BYTES:
            problem = f"expected at most {_MAX_PARAMETER_BYTES} bytes of parameters"
            raise DeviceDataError(problem, device=DEVICE, data=data)
        goes_on = answer.error == Status.OK and len(data) >= _ANSWER_HEAD_BYTES and data[4] != 0
        if goes_on:
            self._first = answer
        return None if goes_on else answer


def parse_features(data: bytes) -> frozenset[Measurement]:
    """Return which of our measurements a sensor has, from the value of the control point. Raises DeviceDataError."""
    if len(data) < 2 or data[0] != _FEATURES:
        raise DeviceDataError("expected features 0F bits", device=DEVICE, data=data)
    return frozenset(measurement for measurement, bit in _FEATURE_BITS.items() if data[1] & bit)


def parse_settings(parameters: bytes) -> Settings:
    """Return the settings in a list of `type count values`. Raises DeviceDataError.

    A setting of later firmware ends the list, for its size is not known.
    """
    found: dict[int, tuple[bytes, ...]] = {}
    offset = 0
    while offset < len(parameters) and parameters[offset] in _SIZES:
        kind, count = parameters[offset], parameters[offset + 1] if offset + 1 < len(parameters) else 0xFF
        size, first = _SIZES[Setting(kind)], offset + 2
        offset = first + count * size
        if offset > len(parameters):
            problem = f"expected {count} values of setting {kind}"
            raise DeviceDataError(problem, device=DEVICE, data=parameters)
        found[kind] = tuple(parameters[start : start + size] for start in range(first, offset, size))
    return Settings(
        rates_hz=_integers(found, Setting.RATE),
        resolutions_bit=_integers(found, Setting.RESOLUTION),
        ranges=_integers(found, Setting.RANGE),
        channels=_integers(found, Setting.CHANNELS),
        factor=_factor(found.get(Setting.FACTOR, ()), data=parameters),
    )


def _integers(found: dict[int, tuple[bytes, ...]], setting: Setting) -> tuple[int, ...]:
    return tuple(int.from_bytes(raw, "little") for raw in found.get(setting, ()))


def _factor(told: tuple[bytes, ...], *, data: bytes) -> float | None:
    if not told:
        return None
    (factor,) = struct.unpack("<f", told[0])
    if not (math.isfinite(factor) and factor > 0):
        raise DeviceDataError(f"expected a factor above 0, got {factor}", device=DEVICE, data=data)
    return float(factor)


def settings_command(measurement: Measurement) -> bytes:
    """Return the command that asks what a measurement offers."""
    return bytes([Op.SETTINGS, measurement])


def start_command(measurement: Measurement, *, chosen: Settings) -> bytes:
    """Return the command that starts a measurement with the first value of each setting in `chosen`."""
    command = bytes([Op.START, measurement])
    for setting, values in (
        (Setting.RATE, chosen.rates_hz),
        (Setting.RESOLUTION, chosen.resolutions_bit),
        (Setting.RANGE, chosen.ranges),
        (Setting.CHANNELS, chosen.channels),
    ):
        if values:
            command += bytes([setting, 1]) + values[0].to_bytes(_SIZES[setting], "little")
    return command


def stop_command(measurement: Measurement) -> bytes:
    """Return the command that stops a measurement."""
    return bytes([Op.STOP, measurement])


def refused(measurement: Measurement, *, error: int) -> LinkError:
    """Return a sensor's refusal to start a measurement, in words."""
    why = _REFUSALS.get(error, f"gave error {error}")
    advice = _ADVICE.get(error, _USUAL_ADVICE)
    return LinkError(f"The sensor refused to send {_NAMES[measurement]}: it {why}", advice=advice)


def ended(measurement: Measurement) -> LinkError:
    """Return the end of a measurement by the sensor, in words."""
    return LinkError(f"The sensor ended {_NAMES[measurement]} by itself", advice="It is started again")

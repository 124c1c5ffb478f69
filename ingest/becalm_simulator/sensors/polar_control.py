"""The control point of a sensor's measurement service: what it offers, what it has started, and its answers."""

import struct
from collections.abc import Mapping

from becalm_protocol.events import value
from becalm_simulator.gatt import ATT_HEADER_BYTES

ECG, PPG, ACC, PPI = 0, 1, 2, 3
RATE, RESOLUTION, RANGE, CHANNELS, FACTOR = 0, 1, 2, 4, 5
ECG_RATE_HZ = 130

_FEATURE_BITS = {ECG: 0x01, PPG: 0x02, ACC: 0x04, PPI: 0x08}
_FEATURES, _ANSWER, _ENDED = 0x0F, 0xF0, 0x01
_HEAD_BYTES = 5
_GET_SETTINGS, _START, _STOP = 1, 2, 3
_OK = 0
_BAD_OP_CODE, _BAD_TYPE, _NOT_SUPPORTED, _BAD_LENGTH, _BAD_PARAMETER, _ALREADY_IN_STATE = 1, 2, 3, 4, 5, 6
_BAD_MTU, _IN_CHARGER = 10, 13
_KNOWN_TYPES = range(15)
_SIZES = {RATE: 2, RESOLUTION: 2, RANGE: 2, CHANNELS: 1}
_NOT_OFFERED = {RESOLUTION: 7, RATE: 8, RANGE: 9, CHANNELS: 11}
_FORMS = {1: "B", 2: "H"}


@value
class Offer:
    """One measurement that a sensor has."""

    kind: int
    settings: Mapping[int, tuple[int, ...]]
    """Values of each setting; the first is taken where a peer names none."""
    min_mtu: int
    """Its frames do not fit a smaller one."""
    factor: float | None = None
    """What a sample of its compressed frames is worth, told when it starts."""


class PolarControl:
    """What a sensor measures, and the answers to commands about it."""

    def __init__(self, offers: tuple[Offer, ...]) -> None:
        self.in_charger = False
        self.chosen: dict[int, dict[int, int]] = {}
        """The settings of every measurement that runs."""
        self._offers = {offer.kind: offer for offer in offers}

    def features(self) -> bytes:
        """Return what a read of the control point gives."""
        return bytes((_FEATURES, sum(_FEATURE_BITS[kind] for kind in self._offers), 0))

    def answer(self, command: bytes, *, mtu: int) -> tuple[bytes, ...]:
        """Obey one command and return the indications that answer it: several where they do not fit one."""
        op_code = command[0] if command else 0
        kind = command[1] & 0x3F if len(command) > 1 else 0
        error, parameters = self._obey(command, op_code=op_code, kind=kind, mtu=mtu)
        n_fitting = mtu - ATT_HEADER_BYTES - _HEAD_BYTES
        pieces = [parameters[start : start + n_fitting] for start in range(0, len(parameters), n_fitting)] or [b""]
        return tuple(bytes((_ANSWER, op_code, kind, error, piece is not pieces[-1])) + piece for piece in pieces)

    def end_all(self) -> bytes:
        """Stop every measurement without being asked, and return the indication that tells it."""
        ended, self.chosen = tuple(self.chosen), {}
        return bytes((_ENDED, *ended))

    def _obey(self, command: bytes, *, op_code: int, kind: int, mtu: int) -> tuple[int, bytes]:
        if op_code not in (_GET_SETTINGS, _START, _STOP):
            return _BAD_OP_CODE, b""
        if len(command) < 2:
            return _BAD_LENGTH, b""
        offer = self._offers.get(kind)
        if offer is None:
            return (_NOT_SUPPORTED if kind in _KNOWN_TYPES else _BAD_TYPE), b""
        if op_code == _GET_SETTINGS:
            return _OK, b"".join(_listed(setting, values) for setting, values in offer.settings.items())
        if op_code == _STOP:
            return (_OK if self.chosen.pop(kind, None) is not None else _ALREADY_IN_STATE), b""
        error = self._start(offer, command[2:], mtu=mtu)
        told = offer.factor is not None and error == _OK
        return error, struct.pack("<BBf", FACTOR, 1, offer.factor) if told else b""

    def _start(self, offer: Offer, settings: bytes, *, mtu: int) -> int:
        error, chosen = _choose(offer, settings)
        if error == _OK and self.in_charger:
            error = _IN_CHARGER
        if error == _OK and mtu < offer.min_mtu:
            error = _BAD_MTU
        if error == _OK and offer.kind in self.chosen:
            error = _ALREADY_IN_STATE
        if error == _OK:
            self.chosen[offer.kind] = chosen
        return error


def _listed(setting: int, values: tuple[int, ...]) -> bytes:
    return struct.pack(f"<BB{len(values)}{_FORMS[_SIZES[setting]]}", setting, len(values), *values)


def _choose(offer: Offer, settings: bytes) -> tuple[int, dict[int, int]]:
    """Return the error code for the type, count, value triples of a start command, and what they choose."""
    chosen = {setting: values[0] for setting, values in offer.settings.items()}
    while settings:
        setting, n_values = settings[0], settings[1] if len(settings) > 1 else 0
        size = _SIZES.get(setting, 1)
        if len(settings) < 2 + size:
            return _BAD_LENGTH, {}
        if n_values != 1 or setting not in offer.settings:
            return _BAD_PARAMETER, {}
        chosen[setting] = int.from_bytes(settings[2 : 2 + size], "little")
        if chosen[setting] not in offer.settings[setting]:
            return _NOT_OFFERED[setting], {}
        settings = settings[2 + size :]
    return _OK, chosen

"""The control point of the measurement service of the strap: settings, start and stop of its ECG."""

import struct

# An ECG frame is 10 bytes and 73 samples of 3; with the attribute header it needs an MTU of 232.
ECG_SAMPLES_PER_FRAME = 73
ECG_FRAME_BYTES = 10 + 3 * ECG_SAMPLES_PER_FRAME
MIN_ECG_MTU = ECG_FRAME_BYTES + 3
ECG_RATE_HZ = 130
ECG_RESOLUTION_BITS = 14

FEATURES = bytes((0x0F, 0x01, 0x00))
"""Answer to a read: this is a feature list, and it holds ECG."""

_ECG = 0
_GET_SETTINGS, _START, _STOP = 1, 2, 3
_SETTING_RATE, _SETTING_RESOLUTION = 0, 1
_OK = 0
_BAD_OP_CODE, _BAD_TYPE, _NOT_SUPPORTED, _BAD_LENGTH, _BAD_PARAMETER, _ALREADY_IN_STATE = 1, 2, 3, 4, 5, 6
_BAD_RESOLUTION, _BAD_RATE, _BAD_MTU = 7, 8, 10
_KNOWN_TYPES = range(15)
_SETTINGS = struct.pack("<BBHBBH", _SETTING_RATE, 1, ECG_RATE_HZ, _SETTING_RESOLUTION, 1, ECG_RESOLUTION_BITS)


class PolarControl:
    """Whether the ECG streams, and the answers to commands about it."""

    def __init__(self) -> None:
        self.streaming = False

    def answer(self, command: bytes, *, mtu: int) -> bytes:
        """Obey one command and return the indication that answers it."""
        op_code = command[0] if command else 0
        kind = command[1] & 0x3F if len(command) > 1 else 0
        error, parameters = self._obey(command, op_code=op_code, kind=kind, mtu=mtu)
        return bytes((0xF0, op_code, kind, error, 0)) + parameters

    def _obey(self, command: bytes, *, op_code: int, kind: int, mtu: int) -> tuple[int, bytes]:
        if op_code not in (_GET_SETTINGS, _START, _STOP):
            return _BAD_OP_CODE, b""
        if len(command) < 2:
            return _BAD_LENGTH, b""
        if kind != _ECG:
            return (_NOT_SUPPORTED if kind in _KNOWN_TYPES else _BAD_TYPE), b""
        if op_code == _GET_SETTINGS:
            return _OK, _SETTINGS
        if op_code == _STOP:
            return self._switch(streaming=False), b""
        error = _check_settings(command[2:])
        if error == _OK and mtu < MIN_ECG_MTU:
            error = _BAD_MTU
        return error or self._switch(streaming=True), b""

    def _switch(self, *, streaming: bool) -> int:
        if self.streaming is streaming:
            return _ALREADY_IN_STATE
        self.streaming = streaming
        return _OK


def _check_settings(settings: bytes) -> int:
    """Return the error code for the type, count, value triples of a start command."""
    while settings:
        if len(settings) < 4:
            return _BAD_LENGTH
        setting, n_values, chosen = struct.unpack_from("<BBH", settings)
        if n_values != 1 or setting not in (_SETTING_RATE, _SETTING_RESOLUTION):
            return _BAD_PARAMETER
        if setting == _SETTING_RATE and chosen != ECG_RATE_HZ:
            return _BAD_RATE
        if setting == _SETTING_RESOLUTION and chosen != ECG_RESOLUTION_BITS:
            return _BAD_RESOLUTION
        settings = settings[4:]
    return _OK

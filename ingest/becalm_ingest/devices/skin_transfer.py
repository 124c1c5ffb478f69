"""From raw converter counts to microsiemens, by name: for self-built sensors, and recordings, that leave it to us."""

from collections.abc import Callable, Mapping

Transfer = Callable[[float, Mapping[str, float]], float]
"""Microsiemens from a raw count and the other fields of its line; KeyError where one is missing."""

_BITS_10 = 1_024
_GROVE_BALANCE = 512.0


def grove(raw: float, _: Mapping[str, float]) -> float:
    """Return uS of a Grove GSR 1.2 on a converter of 10 bits, as Seeed's wiki has it: 0 where no skin bridges it."""
    return max(0.0, 100.0 * (_GROVE_BALANCE - raw) / (_BITS_10 + 2.0 * raw))


def bitalino(raw: float, _: Mapping[str, float]) -> float:
    """Return uS of a BITalino EDA sensor on a converter of 10 bits, as its data sheet has it."""
    return raw / _BITS_10 * 3.3 / 0.132


def bitalino6(raw: float, _: Mapping[str, float]) -> float:
    """Return the same from one of the board's inputs of 6 bits."""
    return raw / 2**6 * 3.3 / 0.132


def plux12(raw: float, _: Mapping[str, float]) -> float:
    """Return uS of a biosignalsplux EDA sensor at 3 V on 12 bits, as its data sheet has it."""
    return raw / 2**12 * 3.0 / 0.12


def plux16(raw: float, _: Mapping[str, float]) -> float:
    """Return the same on 16 bits."""
    return raw / 2**16 * 3.0 / 0.12


def divider(raw: float, fields: Mapping[str, float]) -> float:
    """Return uS of skin between the supply and the converter's input, with a resistor of `ref_kohm` to ground.

    `full` is the count of the whole supply. Nothing between the electrodes reads 0.
    """
    full, ref_kohm = fields["full"], fields["ref_kohm"]
    return 1_000.0 / ref_kohm * raw / (full - raw)


FROM_COUNTS: Mapping[str, Transfer] = {
    "bitalino": bitalino,
    "bitalino6": bitalino6,
    "plux12": plux12,
    "plux16": plux16,
    "grove": grove,
}
"""Those that need nothing but the count."""
TRANSFERS: Mapping[str, Transfer] = {**FROM_COUNTS, "divider": divider}

"""From raw converter counts to microsiemens, for self-built sensors that leave the arithmetic to us: by name."""

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


def divider(raw: float, fields: Mapping[str, float]) -> float:
    """Return uS of skin between the supply and the converter's input, with a resistor of `ref_kohm` to ground.

    `full` is the count of the whole supply. Nothing between the electrodes reads 0.
    """
    full, ref_kohm = fields["full"], fields["ref_kohm"]
    return 1_000.0 / ref_kohm * raw / (full - raw)


TRANSFERS: Mapping[str, Transfer] = {"grove": grove, "bitalino": bitalino, "divider": divider}

"""A sensor's battery: it falls while the sensor streams."""

from becalm_protocol.units import NS_PER_S

# Belts last a day on a charge, straps weeks on a cell; half a day lets an evening of practice show it.
LASTS_NS = 12 * 3600 * NS_PER_S

FULL_PCT = 100


class Battery:
    """A level that streaming wears down. Pure: body times are given in."""

    def __init__(self, level_pct: int) -> None:
        self._level_pct = float(level_pct)
        self._worn_until_ns = 0

    @property
    def level_pct(self) -> int:
        """The level it tells, in whole per cent."""
        return max(0, min(100, -int(-self._level_pct // 1)))

    def set_level(self, level_pct: int) -> None:
        """Hold so much from now on."""
        self._level_pct = float(level_pct)

    def wear(self, now_ns: int, *, is_streaming: bool) -> None:
        """Count the time since the last call, if the sensor streamed in it."""
        if is_streaming:
            self._level_pct = max(0.0, self._level_pct - 100.0 * (now_ns - self._worn_until_ns) / LASTS_NS)
        self._worn_until_ns = now_ns

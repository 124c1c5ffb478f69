"""Which sensor is plugged into which channel of a BITalino: the person's to say, for the board cannot know.

Counts stay as the board's converter gave them, but for the middle of the scale taken away where the sensor's zero is
there: a whole number, so that adding it again gives the raw count exactly.
"""

import re

from becalm_ingest.devices.bitalino_frames import RATE_CODES
from becalm_ingest.devices.family import StreamTemplate
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import Clock, SignalKind, value

SETTING = "--wiring"
DEFAULT_TEXT = "A2=ecg,A3=skin_conductance"
"""The (r)evolution board as it is sold; its A1, A4, A5 and A6 carry muscle, brain, acceleration and light."""

# 100 Hz of three channels are 600 bytes a second; 1000 Hz are more than most links carry without loss.
DEFAULT_RATE_HZ = 100
_RATES_HZ = tuple(rate_hz for rate_hz in RATE_CODES if rate_hz >= 10)
_MIN_ECG_RATE_HZ = 100
_N_COUNTS = 1_024
_SUPPLY_V = 3.3


@value
class Transfer:
    """How counts of a sensor become its unit: (count - zero_count) * unit_per_count."""

    unit: str
    unit_per_count: float
    zero_count: int


TRANSFERS = {
    # ECG sensor data sheet: (ADC / 2^n - 1/2) * 3.3 V / 1100
    SignalKind.ECG: Transfer(unit="uV", unit_per_count=_SUPPLY_V / 1_100 / _N_COUNTS * 1e6, zero_count=_N_COUNTS // 2),
    # EDA sensor data sheet, (r)evolution: ADC / 2^n * 3.3 / 0.132 uS, 0 to 25 uS
    SignalKind.SKIN_CONDUCTANCE: Transfer(unit="uS", unit_per_count=_SUPPLY_V / 0.132 / _N_COUNTS, zero_count=0),
    # Respiration (PZT) sensor data sheet: (ADC / 2^n - 1/2) * 100 % of full scale
    SignalKind.RESPIRATION: Transfer(unit="au", unit_per_count=100 / _N_COUNTS, zero_count=_N_COUNTS // 2),
}
"""By what is plugged in. Source: the sensors' data sheets by PLUX."""


@value
class Wiring:
    """Signals by channel, lowest channel first."""

    channels: tuple[int, ...]
    """1 for A1."""
    kinds: tuple[SignalKind, ...]
    rate_hz: int

    @property
    def streams(self) -> tuple[StreamTemplate, ...]:
        """The streams that come of it, in the order of the channels."""
        return tuple(
            StreamTemplate(
                kind=kind,
                unit=TRANSFERS[kind].unit,
                unit_per_count=TRANSFERS[kind].unit_per_count,
                sample_rate_hz=float(self.rate_hz),
                clock=Clock.ARRIVAL,
                late_after_s=1.6,
                lost_after_s=3.0,
            )
            for kind in self.kinds
        )


def parse_wiring(text: str) -> Wiring:
    """Return the wiring that `A2=ecg,A3=skin_conductance,rate_hz=100` says. Raises ConfigError."""
    rate_hz, by_channel = DEFAULT_RATE_HZ, dict[int, SignalKind]()
    for entry in text.split(","):
        name, _, told = (part.strip().casefold() for part in entry.partition("="))
        if name == "rate_hz":
            rate_hz = _parse_rate(told)
            continue
        channel = _parse_channel(name, entry=entry.strip())
        kind = _parse_kind(told, entry=entry.strip())
        if channel in by_channel:
            raise ConfigError(f"expected each channel once, got A{channel} twice", setting=SETTING)
        if kind in by_channel.values():
            raise ConfigError(f"expected each signal once, got {kind.value} twice", setting=SETTING)
        by_channel[channel] = kind
    if not by_channel:
        raise ConfigError(f"expected at least one channel, as in {DEFAULT_TEXT}", setting=SETTING)
    if SignalKind.ECG in by_channel.values() and rate_hz < _MIN_ECG_RATE_HZ:
        raise ConfigError(f"expected {_MIN_ECG_RATE_HZ} Hz or more for ecg, got {rate_hz} Hz", setting=SETTING)
    channels = tuple(sorted(by_channel))
    return Wiring(channels=channels, kinds=tuple(by_channel[channel] for channel in channels), rate_hz=rate_hz)


def _parse_rate(told: str) -> int:
    if told not in map(str, _RATES_HZ):
        known = ", ".join(map(str, _RATES_HZ))
        raise ConfigError(f"expected rate_hz to be one of {known}, got {told!r:.20}", setting=SETTING)
    return int(told)


def _parse_channel(name: str, *, entry: str) -> int:
    if re.fullmatch(r"a[56]", name):
        raise ConfigError(
            f"expected A1 to A4, got {name.upper()}: A5 and A6 have 6 bits, too few for this; plug it elsewhere",
            setting=SETTING,
        )
    if not re.fullmatch(r"a[1-4]", name):
        raise ConfigError(f"expected entries like A3=skin_conductance, got {entry!r:.40}", setting=SETTING)
    return int(name[1])


def _parse_kind(told: str, *, entry: str) -> SignalKind:
    kind = next((kind for kind in TRANSFERS if kind.value == told), None)
    if kind is None:
        known = ", ".join(kind.value for kind in TRANSFERS)
        raise ConfigError(f"expected one of {known}, got {entry!r:.40}", setting=SETTING)
    return kind


DEFAULT_WIRING = parse_wiring(DEFAULT_TEXT)

"""Which measurements of a Polar sensor are started, at which settings: what is of use, and no more of its battery."""

from collections.abc import Iterable, Mapping

from becalm_ingest.devices.family import StreamTemplate
from becalm_ingest.devices.polar_control import Settings, start_command
from becalm_ingest.devices.polar_frames import Measurement
from becalm_protocol import limits
from becalm_protocol.events import Clock, SignalKind, value

WANTED_ECG_RATE_HZ = 130
WANTED_ACC_RATE_HZ = 50
"""Breathing moves a chest below 1 Hz and a heartbeat shakes it up to 20 Hz: 50 Hz carry both with a margin. 200 Hz work
as well, and cost a strap four times the radio."""
WANTED_PPG_RATE_HZ = 55
# Sensors give acceleration in whole mg whatever the range, or in steps that the widest usual one keeps below 0.25 mg:
# a wide range clips no movement and costs nothing.
WIDEST_ACC_RANGE_G = 8
# Three lights and the ambient one: the only form whose channels are published.
PPG_CHANNELS = 4

KINDS: Mapping[Measurement, tuple[SignalKind, ...]] = {
    Measurement.ECG: (SignalKind.ECG,),
    Measurement.ACC: (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z),
    Measurement.PPG: (SignalKind.PPG_1, SignalKind.PPG_2, SignalKind.PPG_3, SignalKind.PPG_AMBIENT),
    Measurement.PPI: (SignalKind.PPI,),
}
"""The streams of each measurement, in the order of its channels."""
_UNITS = {Measurement.ECG: "uV", Measurement.ACC: "mg", Measurement.PPG: "au"}

# Silence to bear: 1.5 s beyond the longest packet. 73 ECG samples take 0.56 s; acceleration in 2 bytes an axis may fill
# a packet of 512 bytes for 1.7 s; compressed samples of an arm at rest may fill one for 4 s.
_LATE_LOST_S = {Measurement.ECG: (2.1, 3.0), Measurement.ACC: (3.5, 6.0), Measurement.PPG: (3.5, 6.0)}
_LATE_LOST_COMPRESSED_S = (6.0, 12.0)


@value
class Plan:
    """One measurement to start."""

    measurement: Measurement
    start: bytes
    """The command."""
    streams: tuple[StreamTemplate, ...]


def choose(features: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """Return the measurements that are of use: PPG only where there is no ECG, all else as offered."""
    wanted = set(features)
    if Measurement.ECG in wanted:
        wanted.discard(Measurement.PPG)
    return tuple(sorted(wanted))


def plan(measurement: Measurement, offers: Mapping[Measurement, Settings]) -> Plan | None:
    """Return how to start a measurement, given what each offers; None where we could not read it."""
    offer = offers.get(measurement, Settings())
    if measurement is Measurement.PPI:
        return Plan(measurement=measurement, start=start_command(measurement, chosen=Settings()), streams=(PPI,))
    if not offer.rates_hz:
        return None
    if measurement is Measurement.PPG and offer.channels and PPG_CHANNELS not in offer.channels:
        return None
    chosen = _choose_settings(measurement, offer)
    rate_hz = float(chosen.rates_hz[0])
    if measurement is Measurement.PPG:
        rate_hz = _true_ppg_rate_hz(offers, told_hz=rate_hz)
    if not limits.MIN_SAMPLE_RATE_HZ <= rate_hz <= limits.MAX_SAMPLE_RATE_HZ:
        return None
    return Plan(
        measurement=measurement,
        start=start_command(measurement, chosen=chosen),
        streams=_streams(measurement, rate_hz=rate_hz, chosen=chosen),
    )


def _choose_settings(measurement: Measurement, offer: Settings) -> Settings:
    wanted_hz = {
        Measurement.ECG: WANTED_ECG_RATE_HZ,
        Measurement.ACC: WANTED_ACC_RATE_HZ,
        Measurement.PPG: WANTED_PPG_RATE_HZ,
    }[measurement]
    usual = [g for g in offer.ranges if g <= WIDEST_ACC_RANGE_G]
    ranges = (max(usual) if usual else min(offer.ranges),) if offer.ranges else ()
    channels = (PPG_CHANNELS,) if measurement is Measurement.PPG and offer.channels else offer.channels[:1]
    return Settings(
        rates_hz=(at_least(wanted_hz, offer.rates_hz),),
        resolutions_bit=(max(offer.resolutions_bit),) if offer.resolutions_bit else (),
        ranges=ranges,
        channels=channels,
    )


def at_least(wanted: int, offered: Iterable[int]) -> int:
    """Return the smallest of `offered` that is `wanted` or more, else the largest."""
    ascending = sorted(offered)
    return next((number for number in ascending if number >= wanted), ascending[-1])


def _true_ppg_rate_hz(offers: Mapping[Measurement, Settings], *, told_hz: float) -> float:
    """Return the rate that PPG really has; the maker's list of known issues tells of two that are told wrongly."""
    told, acc_hz = offers[Measurement.PPG].rates_hz, offers.get(Measurement.ACC, Settings()).rates_hz
    if told == (130,):
        return 135.0
    if told == (135,) and acc_hz == (52,):  # the newer arm band, before firmware 2.1
        return 55.0
    return told_hz


def _unit_per_count(measurement: Measurement, chosen: Settings) -> float:
    if measurement is not Measurement.ACC or not _is_compressed(measurement, chosen) or not chosen.ranges:
        return 1.0
    resolution_bit = chosen.resolutions_bit[0] if chosen.resolutions_bit else 16
    return chosen.ranges[0] * 1000 / 2 ** (resolution_bit - 1) if 8 <= resolution_bit <= 32 else 1.0


def _is_compressed(measurement: Measurement, chosen: Settings) -> bool:
    """Sensors that tell their channels are of the generation that compresses, and sends steps of the range, not mg."""
    return measurement is not Measurement.ECG and bool(chosen.channels)


def _streams(measurement: Measurement, *, rate_hz: float, chosen: Settings) -> tuple[StreamTemplate, ...]:
    late_s, lost_s = _LATE_LOST_COMPRESSED_S if _is_compressed(measurement, chosen) else _LATE_LOST_S[measurement]
    return tuple(
        StreamTemplate(
            kind=kind,
            unit=_UNITS[measurement],
            unit_per_count=_unit_per_count(measurement, chosen),
            sample_rate_hz=rate_hz,
            clock=Clock.DEVICE,
            late_after_s=late_s,
            lost_after_s=lost_s,
        )
        for kind in KINDS[measurement]
    )


PPI = StreamTemplate(
    kind=SignalKind.PPI,
    unit="1/1024 s",
    unit_per_count=1.0,
    sample_rate_hz=None,
    clock=Clock.ARRIVAL,
    late_after_s=30.0,  # the first intervals come 25 s after the start
    lost_after_s=600.0,  # without a pulse there are none; whether the link lives, the streams beside it tell
)
_ECG_SETTINGS = Settings(rates_hz=(WANTED_ECG_RATE_HZ,), resolutions_bit=(14,))
USUAL = (
    Plan(
        measurement=Measurement.ECG,
        start=start_command(Measurement.ECG, chosen=_ECG_SETTINGS),
        streams=_streams(Measurement.ECG, rate_hz=float(WANTED_ECG_RATE_HZ), chosen=_ECG_SETTINGS),
    ),
)
"""What is started where nobody asked: the ECG of a chest strap."""

"""What is started on which sensor, and at which settings."""

import pytest

from becalm_ingest.devices import polar_choice
from becalm_ingest.devices.polar_choice import Plan, at_least, choose, plan
from becalm_ingest.devices.polar_control import Settings
from becalm_ingest.devices.polar_frames import Measurement
from becalm_protocol.events import SignalKind

ECG, PPG, ACC, PPI = Measurement.ECG, Measurement.PPG, Measurement.ACC, Measurement.PPI
STRAP_ACC = Settings(rates_hz=(200, 100, 50, 25), resolutions_bit=(16,), ranges=(8, 4, 2))
BAND_ACC = Settings(rates_hz=(52,), resolutions_bit=(16,), ranges=(8,), channels=(3,))


def planned(measurement: Measurement, **offers: Settings) -> Plan:
    found = plan(measurement, {Measurement[name]: offer for name, offer in offers.items()})
    assert found is not None
    return found


def test_light_is_of_use_where_there_is_no_ecg() -> None:
    assert choose({ECG, PPG, ACC, PPI}) == (ECG, ACC, PPI)
    assert choose({PPG, ACC, PPI}) == (PPG, ACC, PPI)
    assert choose(set()) == ()


@pytest.mark.parametrize(("offered", "chosen"), [((25, 50, 100), 50), ((26, 52), 52), ((10, 25), 25), ((200,), 200)])
def test_the_slowest_rate_that_is_enough(offered: tuple[int, ...], chosen: int) -> None:
    assert at_least(50, offered) == chosen


def test_ecg_of_a_strap() -> None:
    found = planned(ECG, ECG=Settings(rates_hz=(130,), resolutions_bit=(14,)))
    assert found.start.hex(" ") == "02 00 00 01 82 00 01 01 0e 00"
    (stream,) = found.streams
    assert (stream.kind, stream.unit, stream.unit_per_count, stream.sample_rate_hz) == (
        SignalKind.ECG,
        "uV",
        1.0,
        130.0,
    )
    assert found == polar_choice.USUAL[0]


def test_acceleration_of_a_strap_is_in_whole_mg() -> None:
    found = planned(ACC, ACC=STRAP_ACC)
    assert found.start.hex(" ") == "02 02 00 01 32 00 01 01 10 00 02 01 08 00"
    assert {(s.unit, s.unit_per_count, s.sample_rate_hz) for s in found.streams} == {("mg", 1.0, 50.0)}
    assert len(found.streams) == 3


def test_another_rate_of_acceleration_is_one_constant_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polar_choice, "WANTED_ACC_RATE_HZ", 200)
    found = planned(ACC, ACC=STRAP_ACC)
    assert found.start.hex(" ") == "02 02 00 01 c8 00 01 01 10 00 02 01 08 00"
    assert found.streams[0].sample_rate_hz == 200.0


def test_acceleration_of_an_arm_band_is_in_steps_of_its_range() -> None:
    found = planned(ACC, ACC=BAND_ACC)
    assert found.start.hex(" ") == "02 02 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03"
    assert {s.unit_per_count for s in found.streams} == {8000 / 32768}


def test_the_widest_usual_range() -> None:
    wide = Settings(rates_hz=(52,), resolutions_bit=(16,), ranges=(2, 4, 8, 16), channels=(3,))
    assert planned(ACC, ACC=wide).start.hex(" ").endswith("02 01 08 00 04 01 03")
    wider = Settings(rates_hz=(52,), resolutions_bit=(16,), ranges=(16, 32))
    assert planned(ACC, ACC=wider).start.hex(" ").endswith("02 01 10 00")


@pytest.mark.parametrize(
    ("told", "acc", "true_hz"),
    [
        ((130,), Settings(rates_hz=(50,)), 135.0),
        ((135,), BAND_ACC, 55.0),
        ((135,), Settings(rates_hz=(50,)), 135.0),
        ((55,), BAND_ACC, 55.0),
        ((28, 44, 55, 135, 176), BAND_ACC, 55.0),
    ],
)
def test_light_has_its_true_rate_though_another_is_told(told: tuple[int, ...], acc: Settings, true_hz: float) -> None:
    found = planned(PPG, PPG=Settings(rates_hz=told, resolutions_bit=(22,), channels=(4,)), ACC=acc)
    assert int.from_bytes(found.start[4:6], "little") in told
    assert {stream.sample_rate_hz for stream in found.streams} == {true_hz}
    assert [stream.kind for stream in found.streams] == [
        SignalKind.PPG_1,
        SignalKind.PPG_2,
        SignalKind.PPG_3,
        SignalKind.PPG_AMBIENT,
    ]


def test_pulse_intervals_have_no_settings_and_may_take_half_a_minute() -> None:
    found = planned(PPI)
    assert found.start.hex(" ") == "02 03"
    assert found.streams[0].late_after_s > 25.0


@pytest.mark.parametrize(
    ("measurement", "offer"),
    [
        (ECG, Settings()),
        (ACC, Settings(resolutions_bit=(16,))),
        (PPG, Settings(rates_hz=(55,), channels=(16,))),
        (ECG, Settings(rates_hz=(0,))),
        (ECG, Settings(rates_hz=(65535,))),
    ],
)
def test_what_we_could_not_read_is_not_started(measurement: Measurement, offer: Settings) -> None:
    assert plan(measurement, {measurement: offer}) is None


def test_an_impossible_resolution_makes_no_impossible_unit() -> None:
    for resolution_bit in (0, 7, 33, 65535):
        offer = Settings(rates_hz=(52,), resolutions_bit=(resolution_bit,), ranges=(8,), channels=(3,))
        assert planned(ACC, ACC=offer).streams[0].unit_per_count == 1.0

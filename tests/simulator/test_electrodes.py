"""Electrodes: each disturbance shows as what it is, while it lasts, and leaves the rest as it was."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.electrodes import OFF_SKIN_US, TAIL_NS
from becalm_simulator.episode import ECG_KINDS, SKIN_KINDS, Episode, EpisodeKind
from becalm_simulator.person import Person

RATE_HZ = 500
FIRST_S, LAST_S = 10.0, 20.0
QUIET = {"wander_uv": 0.0, "muscle_uv": 0.0, "hum_uv": 0.0, "electrode_gain": 1.0, "ectopic_share": 0.0}
T_NS = np.arange(0, 40 * RATE_HZ, dtype=np.int64) * NS_PER_S // RATE_HZ
INSIDE = (ns_from_s(FIRST_S) <= T_NS) & (ns_from_s(LAST_S) > T_NS)
Floats = NDArray[np.float64]


def disturbed(kind: EpisodeKind, amount: float) -> Body:
    return body(Episode(kind=kind, start_ns=ns_from_s(FIRST_S), end_ns=ns_from_s(LAST_S), amount=amount))


def body(*episodes: Episode, **traits: float) -> Body:
    one = Body(replace(Person.from_seed(1), **QUIET | traits), seed=1, episodes=episodes)
    one.until(int(T_NS[-1]))
    return one


def ecg_change(kind: EpisodeKind, amount: float) -> Floats:
    return disturbed(kind, amount).ecg_uv(T_NS) - body().ecg_uv(T_NS)


def share_near(signal: Floats, hz: float) -> float:
    power = np.abs(np.fft.rfft(signal)) ** 2
    return float(np.sum(power[np.abs(np.fft.rfftfreq(len(signal), 1 / RATE_HZ) - hz) < 1.0]) / np.sum(power))


@pytest.mark.parametrize(("kind", "amount"), [(kind, 1.5) for kind in sorted(ECG_KINDS - {EpisodeKind.POLARITY})])
def test_a_disturbance_of_the_ecg_is_there_while_it_lasts_and_not_otherwise(kind: EpisodeKind, amount: float) -> None:
    amount = min(amount, 1.0) if kind is EpisodeKind.OFF_BODY else amount
    change = ecg_change(kind, amount)
    assert np.max(np.abs(change[INSIDE])) > 0.5
    long_past = (ns_from_s(FIRST_S) > T_NS) | (ns_from_s(LAST_S) + TAIL_NS < T_NS)
    assert np.max(np.abs(change[long_past])) < 1e-6
    assert np.array_equal(disturbed(kind, amount).conductance_us(T_NS), body().conductance_us(T_NS))


@pytest.mark.parametrize(("kind", "hz"), [(EpisodeKind.POWERLINE_50, 50.0), (EpisodeKind.POWERLINE_60, 60.0)])
def test_powerline_hums_at_its_frequency(kind: EpisodeKind, hz: float) -> None:
    change = ecg_change(kind, 200.0)[INSIDE]
    assert share_near(change, hz) > 0.95
    assert np.max(change) == pytest.approx(200.0, rel=0.06)  # no sample lies on the very top


def test_wander_is_slow_and_muscle_is_broad() -> None:
    wander, muscle = ecg_change(EpisodeKind.WANDER, 1000.0)[INSIDE], ecg_change(EpisodeKind.MUSCLE, 100.0)[INSIDE]
    power = np.abs(np.fft.rfft(wander)) ** 2
    hz = np.fft.rfftfreq(len(wander), 1 / RATE_HZ)
    assert np.sum(power[hz < 2.0]) > 0.97 * np.sum(power)
    assert np.std(muscle) == pytest.approx(100.0, rel=0.1)
    power = np.abs(np.fft.rfft(muscle)) ** 2
    assert np.sum(power[hz > 30.0]) > 0.5 * np.sum(power)


def test_polarity_turns_the_signal_over() -> None:
    plain, turned = body().ecg_uv(T_NS), disturbed(EpisodeKind.POLARITY, 1.0).ecg_uv(T_NS)
    np.testing.assert_array_equal(turned, np.where(INSIDE, -plain, plain))


def test_nothing_comes_through_the_end_of_a_range() -> None:
    clipped = Episode(kind=EpisodeKind.ECG_CLIPPED, start_ns=ns_from_s(FIRST_S), end_ns=ns_from_s(LAST_S), amount=300.0)
    later = [
        Episode(kind=kind, start_ns=ns_from_s(12.0), end_ns=ns_from_s(18.0), amount=1000.0)
        for kind in (EpisodeKind.POWERLINE_50, EpisodeKind.WANDER)
    ]
    shown = body(clipped, *later).ecg_uv(T_NS)
    assert np.max(np.abs(shown[INSIDE])) == 300.0
    assert np.mean(np.abs(shown[INSIDE]) == 300.0) > 0.1
    assert np.max(shown[~INSIDE]) > 600.0


def test_tall_t_waves_are_taller_and_r_waves_are_not() -> None:
    one, plain = disturbed(EpisodeKind.TALL_T, 3.0), body()
    for beat in [b for b in one.beats() if ns_from_s(11.0) < b.t_ns < ns_from_s(19.0)]:
        at_r = np.asarray([beat.t_ns], dtype=np.int64)
        assert one.ecg_uv(at_r)[0] == pytest.approx(plain.ecg_uv(at_r)[0], rel=0.02)
        after = beat.t_ns + np.arange(150, 400, dtype=np.int64) * 1_000_000
        assert np.max(np.abs(one.ecg_uv(after))) > 2.0 * np.max(np.abs(plain.ecg_uv(after)))


def test_pops_jump_and_leak_away() -> None:
    change = ecg_change(EpisodeKind.POPS, 2000.0)
    steps = np.abs(np.diff(change))
    assert 4 <= np.sum(steps > 150.0) <= 9
    assert np.max(np.abs(change[ns_from_s(LAST_S) + TAIL_NS < T_NS])) < 1e-6


def test_free_electrodes_show_no_heart() -> None:
    at_60 = body(Episode(kind=EpisodeKind.OFF_BODY, start_ns=ns_from_s(FIRST_S), end_ns=ns_from_s(LAST_S)), hum_hz=60.0)
    shown = at_60.ecg_uv(T_NS)[INSIDE]
    other = Body(replace(at_60.person, resting_heart_rate_bpm=90.0), seed=1, episodes=at_60.episodes())
    other.until(int(T_NS[-1]))
    assert np.array_equal(other.ecg_uv(T_NS)[INSIDE], shown)
    assert share_near(shown - np.mean(shown), 60.0) > 0.1


@pytest.mark.parametrize("kind", sorted(SKIN_KINDS))
def test_a_disturbance_of_the_skin_leaves_the_ecg_alone(kind: EpisodeKind) -> None:
    one, plain = disturbed(kind, 0.8), body()
    change = one.conductance_us(T_NS) - plain.conductance_us(T_NS)
    assert np.max(np.abs(change[INSIDE])) > 0.3
    assert np.max(np.abs(change[ns_from_s(FIRST_S) > T_NS])) == 0.0
    assert np.array_equal(one.ecg_uv(T_NS), plain.ecg_uv(T_NS))
    assert np.min(one.conductance_us(T_NS)) >= 0.0


def test_free_skin_electrodes_read_next_to_nothing() -> None:
    assert np.all(disturbed(EpisodeKind.SKIN_OFF, 1.0).conductance_us(T_NS)[INSIDE] == OFF_SKIN_US)


def test_moving_shakes_every_sensor() -> None:
    moving, plain = disturbed(EpisodeKind.MOVING, 1.0), body()
    for shaken, still in (
        (moving.ecg_uv(T_NS), plain.ecg_uv(T_NS)),
        (moving.force_n(T_NS), plain.force_n(T_NS)),
        (moving.acceleration_mg(T_NS)[:, 1], plain.acceleration_mg(T_NS)[:, 1]),
        (moving.impedance_ohm(T_NS), plain.impedance_ohm(T_NS)),
        (moving.conductance_us(T_NS), plain.conductance_us(T_NS)),
        (moving.pulse_au(T_NS), plain.pulse_au(T_NS)),
    ):
        assert np.std(np.diff(shaken)[INSIDE[1:]]) > 1.1 * np.std(np.diff(still)[INSIDE[1:]])

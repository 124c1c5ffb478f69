"""An outside judge: NeuroKit2 finds the truth in our signals, and its own simulated signals look like ours.

Its simulators cannot hear a pacer, feel arousal or carry truth through a fault, so no person is made of them.
"""

from dataclasses import replace

import neurokit2 as nk
import numpy as np
import pytest
from numpy.typing import NDArray

from becalm_protocol.derived import BreathPhase
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.person import Person

pytestmark = pytest.mark.filterwarnings("ignore")
SECONDS = 90
RATE_HZ = 100
T_NS = np.arange(0, SECONDS * RATE_HZ, dtype=np.int64) * NS_PER_S // RATE_HZ
PLAIN = {
    "ectopic_share": 0.0, "atrial_ectopic_share": 0.0, "fibrillation_share": 0.0, "electrode_gain": 1.0,
    "habit_breathing_rate_bpm": 14.0, "scr_rest_per_min": 3.0, "scr_amplitude_us": 0.3,
}  # fmt: skip
SEEDS = (1, 4, 9)
Floats = NDArray[np.float64]


def living(seed: int) -> Body:
    body = Body(replace(Person.from_seed(seed), **PLAIN), seed=seed)
    body.until(int(T_NS[-1]))
    return body


def mean_beat(signal: Floats, peaks: NDArray[np.int64], *, before_s: float, after_s: float) -> Floats:
    """Return the mean around peaks, from 0 to 1."""
    before, after = round(before_s * RATE_HZ), round(after_s * RATE_HZ)
    whole = [p for p in peaks if before <= p < len(signal) - after]
    mean = np.mean([signal[p - before : p + after] for p in whole], axis=0)
    return np.asarray((mean - mean.min()) / np.ptp(mean))


def found_near(true_s: Floats, found_s: Floats, *, within_s: float) -> float:
    """Return the share of true times with a found one nearby."""
    return float(np.mean([np.min(np.abs(found_s - t)) <= within_s for t in true_s]))


@pytest.mark.parametrize("seed", SEEDS)
def test_it_finds_our_beats_and_its_own_mean_beat_has_our_shape(seed: int) -> None:
    body = living(seed)
    ecg = body.ecg_uv(T_NS) / 1000.0
    _, ours = nk.ecg_peaks(nk.ecg_clean(ecg, sampling_rate=RATE_HZ), sampling_rate=RATE_HZ)
    beats_s = np.asarray([beat.t_ns for beat in body.beats()][1:-1]) / NS_PER_S
    assert found_near(beats_s, ours["ECG_R_Peaks"] / RATE_HZ, within_s=0.05) > 0.98
    assert abs(len(ours["ECG_R_Peaks"]) - len(body.beats())) <= 2
    theirs = nk.ecg_simulate(
        duration=SECONDS, sampling_rate=RATE_HZ, heart_rate=round(len(beats_s) * 60 / SECONDS), random_state=seed
    )
    _, peaks = nk.ecg_peaks(nk.ecg_clean(theirs, sampling_rate=RATE_HZ), sampling_rate=RATE_HZ)
    one = mean_beat(ecg, ours["ECG_R_Peaks"], before_s=0.12, after_s=0.4)
    other = mean_beat(np.asarray(theirs), peaks["ECG_R_Peaks"], before_s=0.12, after_s=0.4)
    assert np.corrcoef(one, other)[0, 1] > 0.75


@pytest.mark.parametrize("seed", SEEDS)
def test_it_finds_our_pulses_and_its_own_pulse_has_our_shape(seed: int) -> None:
    body = living(seed)
    pulse = body.pulse_au(T_NS)
    ours = nk.ppg_findpeaks(nk.ppg_clean(pulse, sampling_rate=RATE_HZ), sampling_rate=RATE_HZ)["PPG_Peaks"]
    tops_s = np.asarray([beat.t_ns for beat in body.beats()][2:-2]) / NS_PER_S + body.person.pulse_delay_s + 0.11
    assert found_near(tops_s, ours / RATE_HZ, within_s=0.1) > 0.95
    theirs = nk.ppg_simulate(
        duration=SECONDS, sampling_rate=RATE_HZ, heart_rate=round(len(body.beats()) * 60 / SECONDS), random_state=seed
    )
    peaks = nk.ppg_findpeaks(nk.ppg_clean(theirs, sampling_rate=RATE_HZ), sampling_rate=RATE_HZ)["PPG_Peaks"]
    one = mean_beat(pulse, ours, before_s=0.2, after_s=0.4)
    other = mean_beat(np.asarray(theirs), peaks, before_s=0.2, after_s=0.4)
    assert np.corrcoef(one, other)[0, 1] > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_it_finds_our_breaths(seed: int) -> None:
    body = living(seed)
    clean = nk.rsp_clean(body.force_n(T_NS), sampling_rate=RATE_HZ)
    _, found = nk.rsp_peaks(clean, sampling_rate=RATE_HZ)
    tops_s = np.asarray([t.t_ns for t in body.turns() if t.phase is BreathPhase.OUT and t.t_ns > 0]) / NS_PER_S
    inner = tops_s[(tops_s > 5.0) & (tops_s < SECONDS - 5.0)]
    assert found_near(inner, found["RSP_Peaks"] / RATE_HZ, within_s=0.5) > 0.85
    per_min = 60.0 * (len(tops_s) - 1) / (tops_s[-1] - tops_s[0])
    assert np.median(nk.rsp_rate(clean, found, sampling_rate=RATE_HZ)) == pytest.approx(per_min, rel=0.12)


def test_our_skin_responses_rise_as_published_and_its_simulated_ones_faster() -> None:
    rises_s = [rise_s for seed in SEEDS for rise_s in skin_rises_s(living(seed).skin_us(T_NS))]
    assert len(rises_s) >= 6
    assert 0.7 < np.median(rises_s) < 3.0
    theirs = nk.eda_simulate(duration=SECONDS, sampling_rate=RATE_HZ, scr_number=4, noise=0, drift=0, random_state=1)
    assert np.median(skin_rises_s(theirs)) < 0.5  # why ours are not made with it


def skin_rises_s(skin: Floats) -> list[float]:
    phasic = nk.eda_phasic(skin, sampling_rate=RATE_HZ)["EDA_Phasic"]
    _, info = nk.eda_peaks(phasic, sampling_rate=RATE_HZ)
    return [float(rise_s) for rise_s in info["SCR_RiseTime"] if np.isfinite(rise_s)]


def test_it_finds_our_skin_responses() -> None:
    n_true, n_found = 0, 0
    for seed in SEEDS:
        body = living(seed)
        phasic = nk.eda_phasic(body.skin_us(T_NS), sampling_rate=RATE_HZ)["EDA_Phasic"]
        _, info = nk.eda_peaks(phasic, sampling_rate=RATE_HZ, amplitude_min=0.05)
        peaks_s = np.asarray(info["SCR_Peaks"], dtype=float) / RATE_HZ
        true = [r for r in body.responses() if r.amplitude_us >= 0.15 and ns_from_s(5) < r.onset_ns < ns_from_s(80)]
        n_true += len(true)
        n_found += sum(bool(np.min(np.abs(peaks_s - r.peak_ns / NS_PER_S)) < 1.0) for r in true)
    assert n_true >= 6
    assert n_found >= 0.7 * n_true

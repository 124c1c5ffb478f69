"""The true indices of longer windows: by hand, against NeuroKit2, and scored like the others."""

import math
from itertools import accumulate, cycle, islice, pairwise

import neurokit2 as nk
import numpy as np
import pytest

from becalm_cli.score_indices import report_index, score_slow
from becalm_cli.tally import Tally
from becalm_cli.truth import Truth
from becalm_cli.truth_slow import SLOW_INDICES, powers, rsa_ms, slow_index, variability
from becalm_protocol.derived import Index, Reason, SlowMetrics
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.heart import HeartBeat
from becalm_simulator.rhythm import BeatKind


def heartbeats(rr_s: list[float], *, early: int | None = None) -> tuple[HeartBeat, ...]:
    return tuple(
        HeartBeat(t_ns=ns_from_s(t_s), rr_s=rr, kind=BeatKind.ATRIAL if i == early else BeatKind.SINUS)
        for i, (rr, t_s) in enumerate(zip(rr_s, accumulate(rr_s), strict=True))
    )


@pytest.fixture(scope="module")
def truth() -> Truth:
    body = Body.from_seed(4)
    body.until(400 * NS_PER_S)
    return Truth(body)


def test_variability_of_an_alternating_heart() -> None:
    found = variability(heartbeats(list(islice(cycle((0.97, 1.03)), 61))), window_s=60.0)
    assert found["mean_rr_ms"] == pytest.approx(1000.0)
    assert found["rmssd_ms"] == pytest.approx(60.0)
    assert found["ln_rmssd"] == pytest.approx(math.log(60.0))
    assert found["sdnn_ms"] == pytest.approx(30.0, rel=0.01)
    assert found["pnn50_pct"] == 100.0
    assert found["sd1_ms"] == pytest.approx(42.6, abs=0.3)
    assert found["sd2_ms"] == pytest.approx(0.0, abs=5.0)


def test_variability_is_that_of_neurokit(truth: Truth) -> None:
    beats = truth.beats[:200]
    found = variability(beats, window_s=60.0)
    theirs = nk.hrv_time({"RRI": [1000.0 * b.rr_s for b in beats[1:]], "RRI_Time": [b.t_ns / 1e9 for b in beats[1:]]})
    for name, column in (("mean_rr_ms", "MeanNN"), ("rmssd_ms", "RMSSD"), ("sdnn_ms", "SDNN")):
        assert found[name] == pytest.approx(float(theirs[f"HRV_{column}"].iloc[0]), rel=1e-6)
    assert found["pnn50_pct"] == pytest.approx(float(theirs["HRV_pNN50"].iloc[0]), abs=1.0)


def test_what_an_early_beat_touches_is_left_out_and_too_little_has_no_value() -> None:
    steady = [1.0, 1.02] * 31
    with_early = heartbeats([*steady[:30], 0.7, 1.06, *steady[30:]], early=30)
    assert variability(with_early, window_s=60.0)["rmssd_ms"] == pytest.approx(20.0)
    assert variability(heartbeats(steady[:40]), window_s=60.0) == {}


def test_powers_are_those_of_the_swings_without_early_beats() -> None:
    t_s, rr_s = 0.0, []
    while t_s < 120.0:
        swing_ms = 40.0 * math.sin(2 * math.pi * 0.25 * t_s) + 20.0 * math.sin(2 * math.pi * 0.1 * t_s)
        rr_s.append((900.0 + swing_ms) / 1000.0)
        t_s += rr_s[-1]
    found = powers(heartbeats([*rr_s[:60], rr_s[60] - 0.3, rr_s[61] + 0.3, *rr_s[62:]], early=60))
    assert found["hf_ms2"] == pytest.approx(40.0**2 / 2, rel=0.1)
    assert found["lf_ms2"] == pytest.approx(20.0**2 / 2, rel=0.1)
    assert found["lf_hf"] == pytest.approx(found["lf_ms2"] / found["hf_ms2"])


def test_windows_reach_back_as_far_as_their_names_say(truth: Truth) -> None:
    t_ns = 330 * NS_PER_S  # when all are worked out anew
    found = {name: slow_index(truth, name, t_ns, tick_ns=t_ns) for name in SLOW_INDICES}
    assert all(value is not None for value in found.values())
    rr_ms = [1000.0 * b.rr_s for b in truth.beats if 30 * NS_PER_S < b.t_ns <= t_ns]
    assert found["mean_rr_300s_ms"] == pytest.approx(np.mean(rr_ms), rel=0.001)
    assert found["ln_rmssd"] == pytest.approx(math.log(truth.rmssd_ms(t_ns, since_ns=270 * NS_PER_S) or 0.0))
    assert slow_index(truth, "sdnn_300s_ms", 200 * NS_PER_S, tick_ns=200 * NS_PER_S) is None


def test_rsa_is_the_median_swing_of_six_breaths(truth: Truth) -> None:
    t_ns = 200 * NS_PER_S
    found = rsa_ms(truth, t_ns)
    assert found is not None
    starts = [s for s in truth.inhale_ns if s <= t_ns + NS_PER_S][-7:]
    swings = []
    for a, b in pairwise(starts):
        rr = [1000.0 * beat.rr_s for beat in truth.beats if a < beat.t_ns <= b]
        swings.append(max(rr) - min(rr))
    assert found == pytest.approx(float(np.median(swings)))
    assert rsa_ms(truth, 10 * NS_PER_S) is None


def test_slow_indices_are_scored_like_the_others(truth: Truth) -> None:
    tally, t_ns = Tally(), 350 * NS_PER_S
    true = slow_index(truth, "sdnn_ms", t_ns, tick_ns=t_ns)
    assert true is not None
    indices = dict.fromkeys(SlowMetrics.index_names(), Index(reason=Reason.WARMING_UP))
    for off_ms in (0.5, 2.0):
        told = indices | {"sdnn_ms": Index(value=true + off_ms, bound=1.0, sample_ns=t_ns)}
        score_slow(
            tally,
            SlowMetrics(t_ns=t_ns, emitted_ns=t_ns, heart_source=None, breath_source=None, **told),
            truth=truth,
            kinds=["none"],
        )
    report = report_index(tally, "sdnn_ms")
    assert report["none"]["bound_coverage"] == report["all"]["bound_coverage"] == 0.5
    assert report_index(tally, "rsa_ms")["all"]["withheld_seconds"] == {"warming_up": 2}

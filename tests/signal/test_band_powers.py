"""Powers by band: within their bounds of what the heart's own swings have, whatever else is among the intervals."""

import math
from typing import Any

import numpy as np
import pytest
from tests.signal.windows import window_of

from becalm_protocol.derived import BeatFlag, Index, Reason
from becalm_signal.band_powers import NAMES, band_powers
from becalm_signal.spectrum import WINDOW_S, Spectrum

N_BEATS = 180


def powers(rr_ms: list[float], *, flagged: dict[int, BeatFlag] | None = None) -> dict[str, Index]:
    window = window_of(rr_ms, flagged=flagged, window_s=WINDOW_S)
    return band_powers(window, since_ns=window[-1].t_ns - round(WINDOW_S * 1e9))


def of_rhythm(rr_ms: list[float], *, heard_ms: list[float]) -> dict[str, float]:
    """Return the powers of a rhythm at the beats at which it was heard."""
    t_s = np.cumsum(heard_ms) / 1000.0
    bands = Spectrum(t_s[t_s > t_s[-1] - WINDOW_S], np.array(rr_ms)[t_s > t_s[-1] - WINDOW_S]).bands()
    return {"lf_ms2": bands.lf_ms2, "hf_ms2": bands.hf_ms2, "lf_hf": bands.lf_ms2 / bands.hf_ms2}


def is_within(told: Index, true: float) -> bool:
    return told.value is not None and told.bound is not None and abs(told.value - true) <= told.bound


def test_a_steady_breath_is_told_with_a_narrow_bound(make_rr: Any) -> None:
    told = powers(make_rr(N_BEATS))
    assert told["hf_ms2"].value == pytest.approx(40.0**2 / 2, rel=0.25)
    assert (told["hf_ms2"].bound or math.inf) < 0.1 * (told["hf_ms2"].value or 0.0)


def test_jitter_of_beats_stays_within_the_bound(make_rr: Any) -> None:
    """Beats that are 0.7 ms off: what every interval is known to."""
    rng = np.random.default_rng(3)
    n_within = 0
    for seed in range(40):
        rhythm_ms = make_rr(N_BEATS, rsa_ms=12.0, seed=seed)
        off_ms = np.diff(rng.normal(0.0, 0.7, N_BEATS + 1))
        heard_ms = (np.array(rhythm_ms) + off_ms).tolist()
        n_within += is_within(powers(heard_ms)["hf_ms2"], of_rhythm(rhythm_ms, heard_ms=heard_ms)["hf_ms2"])
    assert n_within >= 38


def test_a_beat_that_was_surely_early_is_taken_back(make_rr: Any) -> None:
    rhythm_ms = make_rr(N_BEATS)
    heard_ms = list(rhythm_ms)
    heard_ms[120] -= 160.0
    heard_ms[121] += 160.0
    told, true = powers(heard_ms), of_rhythm(rhythm_ms, heard_ms=heard_ms)
    as_heard = of_rhythm(heard_ms, heard_ms=heard_ms)
    assert is_within(told["hf_ms2"], true["hf_ms2"])
    assert not is_within(told["hf_ms2"], as_heard["hf_ms2"])


def test_a_swing_that_sets_in_at_once_may_be_an_early_beat(make_rr: Any) -> None:
    window = window_of(make_rr(N_BEATS), window_s=WINDOW_S)
    since_ns = window[-1].t_ns - round(WINDOW_S * 1e9)
    before = band_powers(window, since_ns=since_ns)["hf_ms2"]
    swing = window[60]
    swing.early_ms, swing.unseen_ms, swing.is_swing = 60.0, 60.0, True
    after = band_powers(window, since_ns=since_ns)["hf_ms2"]
    assert after.value == before.value
    assert (after.bound or 0.0) > (before.bound or math.inf)


@pytest.mark.parametrize("n_early", [1, 3])
def test_beats_that_may_be_early_are_within_the_bound_or_withhold_the_powers(make_rr: Any, n_early: int) -> None:
    n_told = 0
    for seed in range(12):
        rhythm_ms = make_rr(N_BEATS, rsa_ms=70.0, seed=seed)
        places = set(range(160, 160 - 12 * n_early, -12))
        heard_ms = [rr - 110.0 * (k in places) for k, rr in enumerate(rhythm_ms)]
        told, true = powers(heard_ms), of_rhythm(rhythm_ms, heard_ms=heard_ms)
        for name in ("lf_ms2", "hf_ms2", "lf_hf"):
            n_told += told[name].value is not None
            assert told[name].reason is Reason.TOO_MANY_ARTEFACTS or is_within(told[name], true[name]), (seed, name)
    assert n_told > (12 if n_early == 1 else 0)


def test_too_little_of_a_window_has_none(make_rr: Any) -> None:
    assert {index.reason for index in powers(make_rr(60)).values()} == {Reason.WARMING_UP}
    flagged = dict.fromkeys(range(40, 160), BeatFlag.ECTOPIC)
    assert powers(make_rr(N_BEATS), flagged=flagged) == dict.fromkeys(NAMES, Index(reason=Reason.TOO_MANY_ARTEFACTS))


def test_a_steady_heart_has_no_powers_to_tell(make_rr: Any) -> None:
    told = powers([800.0] * N_BEATS)
    assert {told[name].reason for name in ("lf_ms2", "hf_ms2")} == {Reason.NOISY}

"""Arousal: 50 at the person's own baseline, the published directions, frozen features, honest withholding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.derived import Index, Reason
from becalm_signal.arousal import FEATURES, Arousal, Reading

STEP_NS = 250_000_000
CALM = {
    "heart_rate_bpm": 65.0,
    "ln_rmssd": 3.6,
    "scl_us": 4.0,
    "scr_per_min": 3.0,
    "breathing_rate_bpm": 14.0,
    "breath_irregularity": 0.15,
}


def feed(arousal: Arousal, values: dict[str, float], *, begin_s: float, end_s: float, pacing: bool = False) -> Index:
    readings = {name: Reading(value, 0.0) for name, value in values.items()}
    index = Index(reason=Reason.BASELINE)
    for now_ns in range(round(begin_s * 1e9), round(end_s * 1e9), STEP_NS):
        index = arousal.tick(now_ns, readings, pacing=pacing).index
    return index


def calm(values: dict[str, float] = CALM) -> Arousal:
    arousal = Arousal()
    feed(arousal, values, begin_s=0, end_s=120)
    return arousal


def test_the_baseline_takes_a_minute_and_is_fifty() -> None:
    arousal = Arousal()
    assert feed(arousal, CALM, begin_s=0, end_s=59).reason is Reason.BASELINE
    index = feed(arousal, CALM, begin_s=59, end_s=61)
    assert index.value == pytest.approx(50.0)
    assert index.bound is not None
    assert index.bound > 0.0


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_each_feature_counts_in_its_direction(feature: object) -> None:
    name, sign, floor = feature.name, feature.sign, feature.floor  # type: ignore[attr-defined]
    index = feed(calm(), CALM | {name: CALM[name] + 3 * floor}, begin_s=120, end_s=360)
    assert index.value is not None
    assert sign * (index.value - 50.0) == pytest.approx(30.0 / len(FEATURES), rel=0.05)


def test_it_is_slow_enough_to_calm() -> None:
    arousal = calm()
    excited = {name: CALM[name] + (10 if name != "ln_rmssd" else -10) for name in CALM}
    feed(arousal, CALM, begin_s=120, end_s=121)
    after_one = feed(arousal, excited, begin_s=121, end_s=122).value
    after_thirty = feed(arousal, excited, begin_s=122, end_s=151).value
    assert after_one is not None
    assert after_thirty is not None
    assert after_one - 50.0 < 1.5
    assert after_thirty - 50.0 == pytest.approx(30.0 * 0.632, abs=1.0)


def test_a_pacer_freezes_out_what_it_forces() -> None:
    paced = CALM | {"breathing_rate_bpm": 6.0, "ln_rmssd": 4.6, "breath_irregularity": 0.01}
    index = feed(calm(), paced, begin_s=120, end_s=260, pacing=True)
    assert index.value == pytest.approx(50.0)
    forced = feed(calm(), paced, begin_s=120, end_s=260)
    assert forced.value is not None
    assert forced.value < 40.0


def test_one_body_system_alone_has_a_wider_bound() -> None:
    heart = {name: CALM[name] for name in ("heart_rate_bpm", "ln_rmssd")}
    alone = feed(calm(heart), heart, begin_s=120, end_s=121)
    together = feed(calm(), CALM, begin_s=120, end_s=121)
    assert alone.bound is not None
    assert together.bound is not None
    assert alone.bound > 1.3 * together.bound


def test_without_any_feature_it_is_withheld() -> None:
    arousal = calm()
    assert feed(arousal, {}, begin_s=120, end_s=121).reason is Reason.TOO_FEW_SIGNALS
    assert feed(Arousal(), {}, begin_s=0, end_s=120).reason is Reason.BASELINE


def test_a_pacer_ends_the_baseline() -> None:
    arousal = Arousal()
    feed(arousal, CALM, begin_s=0, end_s=60)
    feed(arousal, CALM | {"heart_rate_bpm": 71.0}, begin_s=60, end_s=260, pacing=True)
    index = feed(arousal, CALM | {"heart_rate_bpm": 71.0}, begin_s=260, end_s=460, pacing=True)
    assert index.value == pytest.approx(60.0, abs=0.5)  # clipped at 3, one of three features


def test_a_second_quiet_minute_belongs_to_the_baseline() -> None:
    arousal = Arousal()
    feed(arousal, CALM, begin_s=0, end_s=60)
    feed(arousal, CALM | {"heart_rate_bpm": 69.0}, begin_s=60, end_s=120)
    index = feed(arousal, CALM | {"heart_rate_bpm": 67.0}, begin_s=120, end_s=360)
    assert index.value == pytest.approx(50.0, abs=0.5)


def settled(values: dict[str, float], bounds: dict[str, float]) -> Index:
    arousal = calm()
    index = Index(reason=Reason.BASELINE)
    readings = {name: Reading(value, bounds.get(name, 0.0)) for name, value in values.items()}
    for now_ns in range(120_000_000_000, 300_000_000_000, STEP_NS):
        index = arousal.tick(now_ns, readings, pacing=False).index
    return index


def test_an_uncertain_reading_counts_less() -> None:
    risen = CALM | {"scl_us": CALM["scl_us"] + 0.6}
    sure, unsure = settled(risen, {}).value, settled(risen, {"scl_us": 0.8}).value
    assert sure is not None
    assert unsure is not None
    assert sure > unsure > 50.0


def test_uncertain_readings_widen_the_bound() -> None:
    floors = {feature.name: 2.0 * feature.floor for feature in FEATURES}
    sure, unsure = settled(CALM, {}).bound, settled(CALM, floors).bound
    assert sure is not None
    assert unsure is not None
    assert unsure > sure


@pytest.mark.parametrize(("moved_s", "is_doubted"), [(-1, False), (20, False), (45, True), (80, True)])
def test_a_sensor_that_moved_is_compared_with_where_most_of_the_baseline_was(moved_s: int, *, is_doubted: bool) -> None:
    arousal = Arousal()
    for second in range(0, 200, 2):
        moved = 2.0 if second > moved_s else 0.0
        readings = {name: Reading(value, 0.0) for name, value in CALM.items()}
        readings["scl_us"] = Reading(CALM["scl_us"] + moved, 0.0, moved)
        told = arousal.tick(second * 10**9, readings, pacing=second >= 64).index
    assert told.value is not None
    assert told.bound is not None
    still = feed(calm(), CALM, begin_s=120, end_s=122, pacing=True).bound
    assert still is not None
    assert (told.bound > 1.05 * still) is is_doubted
    assert abs(told.value - 50.0) < (5.0 if is_doubted else 0.1)  # 10, where it counts as much as the others


def test_a_broken_baseline_waits_for_enough_of_it() -> None:
    arousal = Arousal()
    for second in range(0, 100, 4):  # two seconds of four usable: half is too little
        feed(arousal, CALM, begin_s=second, end_s=second + 2)
        index = feed(arousal, {}, begin_s=second + 2, end_s=second + 4)
    assert index.reason is Reason.BASELINE
    assert feed(arousal, CALM, begin_s=100, end_s=140).value is not None


@given(st.dictionaries(st.sampled_from(sorted(CALM)), st.floats(-1e6, 1e6), min_size=1))
def test_it_never_leaves_its_scale(odd: dict[str, float]) -> None:
    arousal = calm()
    index = feed(arousal, CALM | odd, begin_s=120, end_s=122)
    assert index.value is not None
    assert 20.0 <= index.value <= 80.0
    assert index.bound is not None
    assert 0.0 <= index.bound <= 50.0


def test_a_baseline_that_sinks_is_fifty_all_the_same() -> None:
    arousal = Arousal()
    for second in range(61):
        sinking = {"heart_rate_bpm": Reading(70.0 - second / 6.0, 0.0)}
        index = arousal.tick(second * 10**9, sinking, pacing=False).index
    assert index.value == pytest.approx(50.0)
    later = feed(arousal, {"heart_rate_bpm": 60.0}, begin_s=60, end_s=240, pacing=True)
    assert later.value is not None
    assert later.value < 40.0


def test_it_names_what_it_is_made_of() -> None:
    readings = {name: Reading(value, 0.0) for name, value in CALM.items() if name != "scl_us"}
    arousal = calm()
    free = arousal.tick(120 * 10**9, readings, pacing=False)
    assert free.features == tuple(feature.name for feature in FEATURES if feature.name != "scl_us")
    assert arousal.tick(121 * 10**9, readings, pacing=True).features == ("heart_rate_bpm", "scr_per_min")
    assert arousal.tick(122 * 10**9, {}, pacing=True).features is None


def test_what_falls_farther_than_counts_is_known() -> None:
    arousal = calm({"heart_rate_bpm": 65.0})
    for second in range(120, 420):
        now = arousal.tick(second * 10**9, {"heart_rate_bpm": Reading(55.0, 0.0)}, pacing=True)
    assert now.index.value == pytest.approx(20.0, abs=0.1)
    assert now.far == pytest.approx(0.0, abs=0.1)

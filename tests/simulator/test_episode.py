"""Episodes: refused by name when impossible, and found by time."""

import re

import numpy as np
import pytest

from becalm_protocol.units import ns_from_s
from becalm_simulator.episode import AMOUNTS, ECG_KINDS, MAX_EPISODE_S, Episode, EpisodeKind, Script


def episode(kind: EpisodeKind, *, start_s: float, end_s: float, amount: float = 1.0) -> Episode:
    return Episode(kind=kind, start_ns=ns_from_s(start_s), end_ns=ns_from_s(end_s), amount=amount)


@pytest.mark.parametrize("kind", EpisodeKind)
def test_an_impossible_amount_is_refused_with_its_range_and_meaning(kind: EpisodeKind) -> None:
    low, high, meaning = AMOUNTS[kind]
    for impossible in (low - 0.1, high + 0.1, float("nan")):
        with pytest.raises(
            ValueError, match=rf"^amount of {kind}: expected {low:g} to {high:g} \({re.escape(meaning[:10])}"
        ):
            episode(kind, start_s=0.0, end_s=1.0, amount=impossible)
    assert episode(kind, start_s=0.0, end_s=1.0, amount=high).amount == high


@pytest.mark.parametrize(
    ("start_s", "end_s", "named"), [(-1.0, 1.0, "start_ns"), (2.0, 2.0, "end_ns"), (0.0, MAX_EPISODE_S + 1, "end_ns")]
)
def test_impossible_times_are_refused_by_name(start_s: float, end_s: float, named: str) -> None:
    with pytest.raises(ValueError, match=rf"^{named}: expected"):
        episode(EpisodeKind.HOLD, start_s=start_s, end_s=end_s)


def test_a_script_knows_how_much_of_what_there_is_when() -> None:
    script = Script([episode(EpisodeKind.THREAT, start_s=10.0, end_s=20.0, amount=0.4)])
    script.add(episode(EpisodeKind.THREAT, start_s=15.0, end_s=18.0, amount=0.9))
    amounts = [script.amount(EpisodeKind.THREAT, ns_from_s(t_s)) for t_s in (9.9, 10.0, 15.0, 18.0, 20.0)]
    assert amounts == [0.0, 0.4, 0.9, 0.4, 0.0]
    assert script.amount(EpisodeKind.MOVING, ns_from_s(12.0)) == 0.0
    touched = script.within(frozenset({EpisodeKind.THREAT}), ns_from_s(17.0), last_ns=ns_from_s(19.0))
    assert [e.amount for e in touched] == [0.4, 0.9]
    assert script.within(ECG_KINDS, 0, last_ns=ns_from_s(100.0)) == ()


def test_amounts_at_many_times_are_those_at_each_and_may_come_and_go_slowly() -> None:
    script = Script(
        [
            episode(EpisodeKind.MOVING, start_s=10.0, end_s=20.0, amount=0.4),
            episode(EpisodeKind.MOVING, start_s=18.0, end_s=22.0, amount=0.8),
        ]
    )
    t_ns = np.asarray([ns_from_s(0.5 * i) for i in range(60)], dtype=np.int64)
    assert script.amounts(EpisodeKind.MOVING, t_ns).tolist() == [
        script.amount(EpisodeKind.MOVING, int(t)) for t in t_ns
    ]
    eased = script.eased(EpisodeKind.MOVING, t_ns, ramp_s=2.0)
    assert eased[[20, 22, 24, 40, 42, 44]] == pytest.approx([0.0, 0.2, 0.4, 0.8, 0.4, 0.0])
    assert np.all(script.amounts(EpisodeKind.HOLD, t_ns) == 0.0)

"""Whether bounds keep at a glance, of values counted by hand."""

from becalm_cli.score_bounds import report_bounds
from becalm_cli.score_indices import count_index
from becalm_cli.tally import Tally
from becalm_protocol.derived import Index, Reason

KEPT, BROKEN, WITHHELD = Index(value=60.0, bound=2.0), Index(value=60.0, bound=0.5), Index(reason=Reason.NOISY)


def count(tally: Tally, name: str, index: Index, *, kind: str, n: int = 1) -> None:
    for _ in range(n):
        count_index(tally, name, index, true=61.0, kinds=(kind,), step=0.01)


def test_a_kind_is_judged_over_all_indices_and_the_cells_below_are_named_worst_first() -> None:
    tally = Tally()
    count(tally, "heart_rate_bpm", KEPT, kind="muscle", n=96)
    count(tally, "heart_rate_bpm", WITHHELD, kind="muscle", n=100)
    count(tally, "sdnn_ms", BROKEN, kind="muscle", n=1)
    count(tally, "sdnn_ms", KEPT, kind="muscle", n=1)
    count(tally, "rmssd_ms", KEPT, kind="muscle", n=1)
    count(tally, "rmssd_ms", BROKEN, kind="muscle", n=1)
    count(tally, "pnn50_pct", BROKEN, kind="pops", n=1)
    told = report_bounds(tally)
    assert told["asked"] == 0.95
    assert told["kinds_below"] == ["pops"]
    kinds = told["kinds"]
    assert list(kinds) == ["all", "muscle", "pops"]
    assert kinds["muscle"] == {
        "coverage": 0.98,
        "n_values": 100,
        "told_share": 0.5,
        "below": {"rmssd_ms": {"coverage": 0.5, "n_values": 2}, "sdnn_ms": {"coverage": 0.5, "n_values": 2}},
    }
    assert kinds["pops"]["coverage"] == 0.0


def test_values_without_a_truth_are_told_but_not_judged() -> None:
    tally = Tally()
    count_index(tally, "heart_rate_bpm", KEPT, true=None, kinds=("hold",), step=0.01)
    kinds = report_bounds(tally)["kinds"]
    assert kinds["hold"] == {"coverage": None, "n_values": 0, "told_share": 1.0, "below": {}}
    assert report_bounds(tally)["kinds_below"] == []

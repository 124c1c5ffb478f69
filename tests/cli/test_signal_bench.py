"""The scoring of `becalm bench signal`: known counts, and one quick figure of each kind on real recordings."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from becalm_cli.main import app
from becalm_cli.signal_bench.f1 import count, total, unannotated
from becalm_cli.signal_bench.rendering import rendered

DATA = Path(os.environ.get("BECALM_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
S = 10**9


def test_events_are_matched_one_to_one() -> None:
    counts = count([1 * S, 2 * S, 3 * S], [S + 40_000_000, S + 45_000_000, 3 * S - 60_000_000], within_ms=50.0)
    assert (counts.n_true, counts.n_found, counts.n_matched) == (3, 3, 1)
    assert total([counts, count([S], [S], within_ms=50.0)]).as_dict() == {
        "n_true": 4, "n_missed": 2, "n_extra": 2, "f1_pct": 50.0,
    }  # fmt: skip


def test_an_event_outside_the_window_is_matched_but_not_counted() -> None:
    counts = count([1 * S, 2 * S, 3 * S], [S, 2 * S - 1, 5 * S], within_ms=50.0, window_ns=range(2 * S, 4 * S))
    assert (counts.n_true, counts.n_found, counts.n_matched) == (2, 1, 1)


def test_small_objects_stand_on_a_line_and_all_is_json() -> None:
    content = {"a": {"b": [1, 2.5, None], "c": {}}, "long": {f"name {n}": [n] * 9 for n in range(9)}, "e": []}
    text = rendered(content)
    assert json.loads(text) == content
    assert '  "a": {"b": [1, 2.5, null], "c": {}},' in text.splitlines()
    assert max(map(len, text.splitlines())) <= 120


def test_bounds_and_ghosts_of_virtual_people(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["bench", "signal", "--quick", "--data", str(tmp_path), "--only", "bounds", "--only", "ghosts"]
    )
    assert done.exit_code == 0, done.output
    figures = json.loads(done.output)["figures"]
    heart = figures["bounds"]["measured"]["heart_rate_bpm"]
    assert heart["all_pct"] > 90.0
    assert heart["reported_pct"] > 50.0
    assert set(figures["ghosts"]["measured"]) == {"beats", "breath_turns", "skin_responses"}


def test_electrodes_off_the_body_of_virtual_people(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "signal", "--quick", "--data", str(tmp_path), "--only", "off_the_body"])
    assert done.exit_code == 0, done.output
    hanging = json.loads(done.output)["figures"]["off_the_body"]["measured"]["hanging, as_before"]
    assert 0.0 < hanging["heart_rate_told_pct"] < 6.0, "told for the quarter second in which it cannot be known"
    assert hanging["of_a_moment_off_the_body_pct"] == 0.0
    assert hanging["back_within_5_s_pct"] > 50.0


def test_stretches_that_nobody_annotated() -> None:
    assert unannotated([0, S, 9 * S, 10 * S], longer_than_s=5.0) == [(S, 9 * S)]


@pytest.mark.skipif(not DATA.is_dir(), reason="real recordings are not beside the project")
def test_a_figure_of_each_kind_is_measured() -> None:
    wanted = ("strap_intervals", "breath_impedance", "skin_calm_rest", "on_the_body", "memory")
    options = [word for name in wanted for word in ("--only", name)]
    done = CliRunner().invoke(app, ["bench", "signal", "--quick", "--data", str(DATA), *options])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.output)["figures"]
    assert list(figures) == list(wanted)
    strap = figures["strap_intervals"]["measured"]
    assert strap["becalm"]["mae_ms"] < strap["neurokit2"]["mae_ms"]
    assert strap["becalm"]["n_unmatched"] == 0
    assert all(folder["called_off_pct"] < 1.0 for folder in figures["on_the_body"]["measured"].values())
    assert figures["memory"]["measured"]["mb_per_session"] < 2.0


def test_an_unknown_figure_lists_the_known_ones(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "signal", "--data", str(tmp_path), "--only", "fame"])
    assert done.exit_code != 0
    assert "r_peaks" in str(done.exception)

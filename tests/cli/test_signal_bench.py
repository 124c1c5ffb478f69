"""The scoring of `becalm bench signal`: known counts, and one quick figure of each kind on real recordings."""

import gzip
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from becalm_cli.main import app
from becalm_cli.signal_bench.f1 import count, total, unannotated
from becalm_cli.signal_bench.figures import Figure
from becalm_cli.signal_bench.rendering import rendered
from becalm_simulator.body import Body

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
    figures = json.loads(done.stdout)["figures"]
    heart = figures["bounds"]["measured"]["heart_rate_bpm"]
    assert heart["all_pct"] > 90.0
    assert heart["reported_pct"] > 50.0
    assert set(figures["ghosts"]["measured"]) == {"beats", "breath_turns", "skin_responses"}


def test_electrodes_off_the_body_of_virtual_people(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "signal", "--quick", "--data", str(tmp_path), "--only", "off_the_body"])
    assert done.exit_code == 0, done.output
    hanging = json.loads(done.stdout)["figures"]["off_the_body"]["measured"]["hanging, as_before"]
    assert 0.0 < hanging["heart_rate_told_pct"] < 6.0, "told for the quarter second in which it cannot be known"
    assert hanging["of_a_moment_off_the_body_pct"] == 0.0
    assert hanging["back_within_5_s_pct"] > 50.0


def test_bad_input_of_virtual_people_is_recovered_from(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "signal", "--quick", "--data", str(tmp_path), "--only", "recovery"])
    assert done.exit_code == 0, done.output
    measured = json.loads(done.stdout)["figures"]["recovery"]["measured"]
    assert set(measured) == {"heart_rate_bpm", "breathing_rate_bpm", "scl_us"}
    for name, kinds in measured.items():
        assert set(kinds) == {"all", "nan", "constant", "gap_10_s", "time_backwards", "rate_doubled"}
        assert all(of["values_told"] > 50 and of["wrong_pct"] < 5.0 for of in kinds.values()), name
    assert measured["heart_rate_bpm"]["all"]["back_s"]["max"] <= 6.0
    assert measured["breathing_rate_bpm"]["gap_10_s"]["back_s"]["max"] > 1.0, "no breath can be heard at once"


def test_stretches_that_nobody_annotated() -> None:
    assert unannotated([0, S, 9 * S, 10 * S], longer_than_s=5.0) == [(S, 9 * S)]


@pytest.mark.skipif(not DATA.is_dir(), reason="real recordings are not beside the project")
def test_a_figure_of_each_kind_is_measured() -> None:
    wanted = ("strap_intervals", "breath_impedance", "skin_calm_rest", "on_the_body", "memory")
    options = [word for name in wanted for word in ("--only", name)]
    done = CliRunner().invoke(app, ["bench", "signal", "--quick", "--data", str(DATA), *options])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)["figures"]
    assert list(figures) == list(wanted)
    strap = figures["strap_intervals"]["measured"]
    assert strap["becalm"]["mae_ms"] < strap["neurokit2"]["mae_ms"]
    assert strap["becalm"]["n_unmatched"] == 0
    assert all(folder["called_off_pct"] < 1.0 for folder in figures["on_the_body"]["measured"].values())
    assert figures["memory"]["measured"]["mb_per_session"] < 2.0


def _write_csv(path: Path, header: str, rows: Iterable[Sequence[float]]) -> bytes:
    text = "\n".join([header, *(",".join(f"{cell:.5g}" for cell in row) for row in rows)]) + "\n"
    data = text.encode() if path.suffix == ".csv" else gzip.compress(text.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data


def _virtual_ecg(rate_hz: int, *, seconds: int) -> tuple[list[float], list[tuple[float]]]:
    body = Body.from_seed(5)
    body.until((seconds + 1) * S)
    t_ns = np.arange(seconds * rate_hz, dtype=np.int64) * S // rate_hz
    return (body.ecg_uv(t_ns) / 1000.0).tolist(), [(beat.t_ns / S,) for beat in body.beats() if beat.t_ns < seconds * S]


def test_a_recording_that_cannot_be_scored_is_told_and_the_others_are_scored(tmp_path: Path) -> None:
    ecg_mv, beats_s = _virtual_ecg(360, seconds=180)
    mitdb = tmp_path / "mitdb"
    whole = _write_csv(mitdb / "a.csv.gz", "ecg_mv", [(mv,) for mv in ecg_mv])
    _write_csv(mitdb / "a.beats.csv", "beat_s", beats_s)
    (mitdb / "cut.csv.gz").write_bytes(whole[:9_000])
    (mitdb / "no_truth.csv.gz").write_bytes(whole)
    _write_csv(mitdb / "other.csv.gz", "eeg_uv", [(1.0,)])
    _write_csv(mitdb / "empty.csv.gz", "ecg_mv", [])
    words = ["bench", "signal", "--quick", "--data", str(tmp_path)]
    done = CliRunner().invoke(app, [*words, "--only", "r_peaks", "--only", "beat_delay", "--only", "skin_calm_rest"])
    assert done.exit_code == 1
    figures = json.loads(done.stdout)["figures"]
    peaks = figures["r_peaks"]["measured"]
    assert peaks["360_hz"]["all_records"]["becalm_settled"]["within_150_ms"]["f1_pct"] > 95.0
    assert set(peaks["errors"]) == {"cut.csv.gz", "no_truth.csv.gz", "other.csv.gz", "empty.csv.gz"}
    assert "no_truth.beats.csv: expected this file" in peaks["errors"]["no_truth.csv.gz"]
    assert "expected gzipped text, whole" in peaks["errors"]["cut.csv.gz"]
    assert "expected columns ecg_mv, got eeg_uv" in peaks["errors"]["other.csv.gz"]
    delays = figures["beat_delay"]["measured"]
    assert delays["becalm"]["p50_ms"] < 250.0 < delays["neurokit2_windows_of_10_s"]["p50_ms"]
    assert "resting_8min_100hz.csv.gz: expected this file" in figures["skin_calm_rest"]["error"]
    assert "measured" not in figures["skin_calm_rest"]
    assert "3/3 skin_calm_rest: resting" in done.stderr


def test_breaths_are_held_against_annotators_by_their_tops(tmp_path: Path) -> None:
    tops_s = np.cumsum(np.random.default_rng(2).uniform(3.0, 5.0, 50))  # rests between them are of any length
    t_s = np.arange(125 * 200) / 125.0
    chest = sum(np.exp(-(((t_s - top_s) / 0.8) ** 2)) for top_s in tops_s)
    _write_csv(tmp_path / "bidmc" / "01.csv.gz", "ecg_mv,rsp_au,ppg_au", [(0.0, level, 0.0) for level in chest])
    _write_csv(
        tmp_path / "bidmc" / "01.breaths.csv", "annotator,breath_s", [(who, s) for who in (1, 2) for s in tops_s]
    )
    words = ["bench", "signal", "--quick", "--data", str(tmp_path), "--only", "breath_impedance"]
    measured = json.loads(CliRunner().invoke(app, words).stdout)["figures"]["breath_impedance"]["measured"]
    assert measured["becalm"]["reported_pct"] > 95.0
    assert measured["becalm"]["mae_bpm"] < 0.1
    assert measured["neurokit2"]["mae_bpm"] < 0.1


def test_a_flat_ecg_has_no_breath_in_its_intervals(tmp_path: Path) -> None:
    _write_csv(tmp_path / "bidmc" / "01.csv.gz", "ecg_mv,rsp_au,ppg_au", [(0.0, 0.0, 0.0)] * 125 * 60)
    breaths = [(who, 4.0 * n) for who in (1, 2) for n in range(15)]
    _write_csv(tmp_path / "bidmc" / "01.breaths.csv", "annotator,breath_s", breaths)
    words = ["bench", "signal", "--quick", "--data", str(tmp_path), "--only", "breath_intervals"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    measured = json.loads(done.stdout)["figures"]["breath_intervals"]["measured"]
    assert measured["windows"] > 3
    assert measured["becalm"]["reported_pct"] == 0.0


@pytest.mark.parametrize(("name", "column"), [("01.numerics.csv", "hr_bpm"), ("bidmc_01_Numerics.csv", "Time [s], HR")])
def test_the_monitor_is_the_reference_where_its_numerics_are(tmp_path: Path, name: str, column: str) -> None:
    ecg_mv, beats_s = _virtual_ecg(125, seconds=90)
    true_bpm = 60.0 * (len(beats_s) - 1) / (beats_s[-1][0] - beats_s[0][0])
    _write_csv(tmp_path / "bidmc" / "01.csv.gz", "ecg_mv,rsp_au,ppg_au", [(mv, 0.0, 0.0) for mv in ecg_mv])
    shown = [(float(second), true_bpm) for second in range(90)] if "," in column else [(true_bpm,)] * 90
    _write_csv(tmp_path / "bidmc" / name, column, shown)
    words = ["bench", "signal", "--data", str(tmp_path), "--only", "heart_rate"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    measured = json.loads(done.stdout)["figures"]["heart_rate"]["measured"]
    assert measured["records_with_monitor"] == 1
    assert measured["within_5_bpm"] == 1
    assert measured["by_record"]["01"]["monitor_bpm"] == pytest.approx(true_bpm, abs=0.01)


def test_what_was_measured_survives_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(data: Path, *, quick: bool) -> dict[str, Any]:
        raise KeyboardInterrupt

    made = (
        Figure(name="first", asked="", measure=lambda data, *, quick: {"n": 1}),
        Figure(name="second", asked="", measure=stop),
        Figure(name="third", asked="", measure=stop),
    )
    monkeypatch.setattr("becalm_cli.signal_bench.figures.FIGURES", made)
    done = CliRunner().invoke(app, ["bench", "signal", "--data", str(tmp_path)])
    assert done.exit_code == 130
    told = json.loads(done.stdout)
    assert told["interrupted"] == "second"
    assert told["figures"]["first"]["measured"] == {"n": 1}
    assert list(told["figures"]) == ["first"]


def test_an_unknown_figure_lists_the_known_ones(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "signal", "--data", str(tmp_path), "--only", "fame"])
    assert done.exit_code != 0
    assert "r_peaks" in str(done.exception)

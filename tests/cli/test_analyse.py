"""`becalm analyse`: the contract of its files, chunk invariance on real people, and bad files met in words."""

import csv
import gzip
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from becalm_cli.analyse import analyse_recording, raw_signals
from becalm_protocol.derived import Metrics
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo

Becalm = Callable[..., "CompletedProcess[str]"]


def analysed(file: Path, out: Path, *, chunk_ms: int = 250, rate_hz: float | None = None) -> dict[str, Any]:
    return analyse_recording(file, out=out, rate_hz=rate_hz, chunk_ms=chunk_ms, report=False)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def synthetic(path: Path, *, seconds: int = 90) -> Path:
    """Write breathing at 6 a minute and a level skin conductance at 25 Hz."""
    lines = ["time_s,rsp_au,eda_us"]
    for i in range(25 * seconds):
        t_s = i / 25
        lines.append(f"{t_s:.3f},{math.sin(2 * math.pi * 0.1 * t_s):.5f},{5 + 0.0001 * t_s:.5f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def excerpt(data: Path, tmp_path: Path) -> Path:
    """Two minutes of a resting person: ECG, breathing, skin conductance."""
    with gzip.open(data / "neurokit" / "resting_8min_100hz.csv.gz", "rt", encoding="utf-8") as file:
        head = [next(file) for _ in range(12_001)]
    (tmp_path / "excerpt.csv").write_text("".join(head), encoding="utf-8")
    return tmp_path / "excerpt.csv"


def test_the_files_and_columns_are_the_contract(tmp_path: Path) -> None:
    analysed(synthetic(tmp_path / "a.csv"), tmp_path / "out")
    header = {p.name: p.read_text(encoding="utf-8").splitlines()[0] for p in (tmp_path / "out").glob("*.csv")}
    assert header["beats.csv"].startswith("t_s,rr_ms,rr_corrected_ms,flag,emitted_s")
    assert header["breaths.csv"].startswith("t_s,phase,emitted_s")
    assert header["scr.csv"].startswith("onset_s,peak_s,amplitude_us,emitted_s")
    start = "t_s,heart_rate_bpm,rmssd_ms,breathing_rate_bpm,scl_us,scr_per_min,arousal"
    assert header["metrics.csv"].startswith(start)
    for name in Metrics.index_names():
        assert f"{name}_bound,{name}_reason" in header["metrics.csv"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert len(summary["events_sha256"]) == 64
    assert summary["pipeline_version"]


def test_breathing_at_six_a_minute_is_found_and_the_missing_heart_is_withheld(tmp_path: Path) -> None:
    analysed(synthetic(tmp_path / "a.csv"), tmp_path / "out")
    last = rows(tmp_path / "out" / "metrics.csv")[-1]
    assert float(last["breathing_rate_bpm"]) == pytest.approx(6.0, abs=0.1)
    assert float(last["scl_us"]) == pytest.approx(5.0, abs=0.05)
    assert last["heart_rate_bpm"] == ""
    assert last["heart_rate_bpm_reason"] == "no_sensor"
    breaths = rows(tmp_path / "out" / "breaths.csv")
    ins = [float(r["t_s"]) for r in breaths if r["phase"] == "in"]
    outs = [float(r["t_s"]) for r in breaths if r["phase"] == "out"]
    # sin(2 pi 0.1 t): troughs (inhalation begins) at 7.5, 17.5 ..., peaks at 12.5, 22.5 ...
    assert [round((t - 7.5) % 10, 1) % 10 for t in ins if t > 20] == pytest.approx(
        [0.0] * len([t for t in ins if t > 20]), abs=0.3
    )
    assert all(abs((t - 2.5) % 10 - 10 * round((t - 2.5) % 10 / 10)) < 0.3 for t in outs if t > 20)
    assert [r for r in breaths if r["phase"] == "breath" and r["breathing_rate_bpm"]]


def test_a_metrics_row_a_second_with_a_value_or_a_reason(excerpt: Path, tmp_path: Path) -> None:
    analysed(excerpt, tmp_path / "out", rate_hz=100)
    table = rows(tmp_path / "out" / "metrics.csv")
    assert [float(r["t_s"]) for r in table[:3]] == [float(table[0]["t_s"]) + i for i in range(3)]
    assert len(table) >= 118
    for row in table:
        for name in Metrics.index_names():
            assert (row[name] == "") == (row[f"{name}_reason"] != ""), (row["t_s"], name)
            assert (row[name] == "") == (row[f"{name}_bound"] == "")
    assert table[-1]["arousal"] != ""
    assert "scl_us" in table[-1]["arousal_from"].split()
    assert table[0]["arousal_from"] == ""


def test_the_hash_is_the_same_for_every_chunk_size(excerpt: Path, tmp_path: Path) -> None:
    hashes = {
        analysed(excerpt, tmp_path / str(ms), chunk_ms=ms, rate_hz=100)["events_sha256"]
        for ms in (10, 73, 250, 7_001, 120_000)
    }
    assert len(hashes) == 1


def test_nothing_is_given_out_before_it_happened(excerpt: Path, tmp_path: Path) -> None:
    analysed(excerpt, tmp_path / "out", rate_hz=100)
    for row in rows(tmp_path / "out" / "beats.csv"):
        assert float(row["emitted_s"]) >= float(row["t_s"])
    for row in rows(tmp_path / "out" / "breaths.csv"):
        assert float(row["emitted_s"]) >= float(row["t_s"])


def test_the_neurokit_report_agrees_with_the_live_lane(excerpt: Path, tmp_path: Path) -> None:
    summary = analyse_recording(excerpt, out=tmp_path / "out", rate_hz=100, chunk_ms=250, report=True)
    report = summary["neurokit_report"]
    assert report["neurokit2"]
    live = [float(r["heart_rate_bpm"]) for r in rows(tmp_path / "out" / "metrics.csv") if r["heart_rate_bpm"]]
    assert sum(live) / len(live) == pytest.approx(report["ecg"]["heart_rate_bpm"], rel=0.02)


@pytest.mark.parametrize(
    ("content", "rate", "says"),
    [
        ("time_s,temperature\n0,1\n", None, "ecg_mv"),
        ("ecg_mv\n0.1\n0.2\n", None, "--rate-hz"),
        ("ecg_mv\n0.1\n0.2\n", 0.0, "rate"),
        ("ecg_mv\n0.1\n0.2\n", -5.0, "rate"),
        ("", None, "empty"),
        ("time_s,ecg_mv\n", None, "two rows or more"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: str, rate: float | None, says: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RecordingError, match=says):
        analysed(file, tmp_path / "out", rate_hz=rate)


def test_a_missing_file_is_one_sentence(becalm: Becalm, tmp_path: Path) -> None:
    done = becalm("analyse", tmp_path / "nowhere.csv", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "nowhere.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_file_cut_mid_line_keeps_what_came_before(tmp_path: Path) -> None:
    whole = synthetic(tmp_path / "a.csv").read_text(encoding="utf-8")
    (tmp_path / "cut.csv").write_text(whole[: whole.rindex(",") + 2], encoding="utf-8")
    full, cut = analysed(tmp_path / "a.csv", tmp_path / "1"), analysed(tmp_path / "cut.csv", tmp_path / "2")
    assert cut["n_breaths"] == full["n_breaths"]


def test_a_run_of_nan_is_a_gap_and_the_rest_is_used(tmp_path: Path) -> None:
    lines = synthetic(tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    for i in range(1001, 1051):  # two seconds, both signals
        lines[i] = lines[i].split(",")[0] + ",nan,"
    (tmp_path / "nan.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = analysed(tmp_path / "nan.csv", tmp_path / "out")
    assert summary["n_gaps"] == 2
    assert rows(tmp_path / "out" / "metrics.csv")[-1]["breathing_rate_bpm"] != ""


def test_the_report_never_joins_what_is_not_adjacent() -> None:
    info = StreamInfo(
        stream_id="ecg", kind=SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=100.0,
        clock=Clock.SESSION, device="test",
    )  # fmt: skip
    blocks = [
        SampleBlock(stream_id="ecg", received_ns=0, first_sample_idx=first, counts=(first, first + 1))
        for first in (0, 4, 1_000_000)
    ]
    (raw,) = raw_signals([info], blocks)
    assert list(raw.counts)[:6] == [0, 1, 2, 3, 4, 5], "20 ms are bridged, as in the pipeline"
    assert math.isnan(raw.counts[6])
    assert list(raw.counts)[7:] == [1_000_000, 1_000_001]


def test_a_file_of_intervals_has_its_hrv_in_the_report(tmp_path: Path) -> None:
    rr_ms = [900 + 40 * math.sin(0.7 * k) for k in range(80)]
    times_s = [sum(rr_ms[: k + 1]) / 1000 for k in range(80)]
    lines = ["time_s,rr_ms", *(f"{t_s:.6f},{rr:.3f}" for t_s, rr in zip(times_s, rr_ms, strict=True))]
    (tmp_path / "rr.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = analyse_recording(tmp_path / "rr.csv", out=tmp_path / "out", rate_hz=None, chunk_ms=250, report=True)
    steps = [b - a for a, b in itertools.pairwise(rr_ms[1:])]
    expected_ms = math.sqrt(sum(step**2 for step in steps) / len(steps))
    assert summary["neurokit_report"]["rr"]["HRV_RMSSD"] == pytest.approx(expected_ms, rel=0.02)
    beats = rows(tmp_path / "out" / "beats.csv")
    assert len(beats) == 80
    assert beats[0]["t_s"] == "0.000000"


def test_a_table_that_cannot_be_written_is_one_sentence(becalm: Becalm, tmp_path: Path) -> None:
    (tmp_path / "out" / "beats.csv").mkdir(parents=True)
    done = becalm("analyse", synthetic(tmp_path / "a.csv", seconds=10), "--out", tmp_path / "out", "--no-report")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "beats.csv" in line
    assert "--out" in line


def test_what_was_not_used_is_told(becalm: Becalm, tmp_path: Path) -> None:
    file = synthetic(tmp_path / "a.csv", seconds=10)
    file.write_text(file.read_text(encoding="utf-8") + "10.0,abc,5\n", encoding="utf-8")
    done = becalm("analyse", file, "--out", tmp_path / "out", "--no-report")
    assert done.returncode == 0
    assert "Not used: " in done.stderr

"""Recordings with their truth: the columns, the same bytes again, and clear refusals."""

import csv
from pathlib import Path

import numpy as np
import pytest

from becalm_protocol.errors import RecordingError
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.recording import write_recording


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_recording_has_its_columns_and_its_truth(tmp_path: Path) -> None:
    threat = Episode(kind=EpisodeKind.THREAT, start_ns=10_000_000_000, end_ns=20_000_000_000, amount=0.5)
    body = Body.from_seed(7, episodes=[threat])
    path = write_recording(body, seconds=30.0, directory=tmp_path / "new" / "folder")
    samples = rows(path)
    assert list(samples[0]) == ["time_s", "ecg_mv", "rsp_au", "eda_us"]
    assert len(samples) == 30 * 130
    times_s = np.asarray([float(row["time_s"]) for row in samples])
    assert np.diff(times_s) == pytest.approx(1 / 130, abs=2e-6)
    beats = rows(path.with_name("truth_beats.csv"))
    assert [float(b["t_s"]) for b in beats] == pytest.approx([b.t_ns / 1e9 for b in body.beats()], abs=1e-6)
    ecg_mv = np.asarray([float(row["ecg_mv"]) for row in samples])
    for beat in beats[1:-1]:
        near = np.abs(times_s - float(beat["t_s"])) < 0.2
        assert times_s[near][np.argmax(ecg_mv[near])] == pytest.approx(float(beat["t_s"]), abs=0.009)
    assert {b["phase"] for b in rows(path.with_name("truth_breaths.csv"))} == {"in", "out"}
    assert len(rows(path.with_name("truth_scr.csv"))) == len(body.responses())
    assert len(rows(path.with_name("truth_arousal.csv"))) == 31
    assert len(rows(path.with_name("truth_co2.csv"))) == len(body.end_tidal()) > 3
    expected = {"start_s": "10.000000", "end_s": "20.000000", "kind": "threat", "amount": "0.5"}
    assert rows(path.with_name("truth_episodes.csv")) == [expected]


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_recording(Body.from_seed(3), seconds=12.0, directory=tmp_path / name)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_dropout_is_nan_and_a_stuck_reading_stands_still(tmp_path: Path) -> None:
    episodes = [
        Episode(kind=EpisodeKind.ECG_DROPOUT, start_ns=2_000_000_000, end_ns=4_000_000_000),
        Episode(kind=EpisodeKind.BELT_STUCK, start_ns=5_000_000_000, end_ns=8_000_000_000),
    ]
    samples = rows(write_recording(Body.from_seed(7, episodes=episodes), seconds=10.0, directory=tmp_path))
    assert {row["ecg_mv"] for row in samples if 2.0 <= float(row["time_s"]) < 4.0} == {"nan"}
    assert "nan" not in {row["ecg_mv"] for row in samples if not 2.0 <= float(row["time_s"]) < 4.0}
    assert len({row["rsp_au"] for row in samples if 5.0 <= float(row["time_s"]) < 8.0}) == 1
    assert "nan" not in {cell for row in samples for cell in (row["rsp_au"], row["eda_us"])}


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e9])
def test_an_impossible_length_is_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"^seconds: expected above 0 to 86400"):
        write_recording(Body.from_seed(3), seconds=seconds, directory=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match="cannot write"):
        write_recording(Body.from_seed(3), seconds=1.0, directory=tmp_path / "file")

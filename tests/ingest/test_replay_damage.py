"""Recordings with odd cells, times and rows, cut or damaged: used as far as they go, the rest counted and said."""

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.played_back import counts, gaps, of_kind, problems, read, write

from becalm_protocol.errors import RecordingError
from becalm_protocol.events import SignalKind


def test_going_back_in_time_is_dropped_and_counted(tmp_path: Path) -> None:
    times_s = [n / 10 for n in range(30)] + [1.05, 1.06] + [n / 10 for n in range(30, 60)]
    path = write(tmp_path, "time_s,eda_us\n" + "".join(f"{t},{n}\n" for n, t in enumerate(times_s)))
    _, events = read(path, rate_hz=10.0)
    assert counts(events) == [n * 10_000 for n in range(62) if n not in (30, 31)]
    assert gaps(events) == []
    assert problems(events) == ["2 rows go back in time, the first in line 32"]


def test_cells_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_uv\n1\nabc\n1e99\n--\n5\n")
    _, events = read(path, rate_hz=10.0, chunk_ms=10_000)
    assert counts(events) == [100, 500]
    assert problems(events) == ["3 cells are no numbers in range, the first is 'abc' in line 3"]
    assert [gap.n_missing for gap in gaps(events)] == [3]


def test_rows_of_another_shape_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_uv,eda_us\n1,1\n2\n3,3,3\n\n4,4\n")
    recording, events = read(path, rate_hz=10.0, chunk_ms=10_000)
    assert counts(of_kind(recording, events, SignalKind.ECG)) == [100, 400]
    assert problems(events) == ["2 rows do not have 2 cells and a time, the first in line 3"]


def test_a_file_cut_mid_line_is_used_up_to_the_cut(tmp_path: Path) -> None:
    path = write(tmp_path, "ecg_uv,eda_us\n1,1.5\n2,2.5\n3,3.")
    recording, events = read(path, rate_hz=10.0)
    assert counts(of_kind(recording, events, SignalKind.SKIN_CONDUCTANCE)) == [15_000, 25_000]
    assert problems(events) == ["the file ends in the middle of a line, which is not used"]


def test_a_truncated_gzip_is_used_up_to_the_cut(tmp_path: Path) -> None:
    values = [random.Random(n).randrange(10**6) for n in range(20_000)]
    rows = "".join(f"{value}\n" for value in values)
    packed = gzip.compress(("ecg_uv\n" + rows).encode())
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    _, events = read(path, rate_hz=100.0)
    assert 8_000 < len(counts(events)) < 12_000
    assert counts(events) == [value * 100 for value in values[: len(counts(events))]]
    assert len(problems(events)) == 1
    assert "cut short" in problems(events)[0]


def test_a_damaged_gzip_is_used_up_to_the_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(("ecg_uv\n" + "".join(f"{n * 7919 % 997}\n" for n in range(90_000))).encode()))
    middle = len(packed) // 2
    packed[middle : middle + 50] = b"\xff" * 50
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(bytes(packed))
    _, events = read(path, rate_hz=100.0)
    assert len(counts(events)) > 10_000
    assert problems(events)


def test_gzip_in_several_members(tmp_path: Path) -> None:
    path = tmp_path / "two.csv.gz"
    path.write_bytes(gzip.compress(b"ecg_uv\n1\n2\n") + gzip.compress(b"3\n"))
    _, events = read(path, rate_hz=10.0)
    assert counts(events) == [100, 200, 300]
    assert problems(events) == []


def test_unknown_columns_are_named_and_ignored(tmp_path: Path) -> None:
    recording, events = read(write(tmp_path, "ppg_au,ecg_uv,mood\n9,1,good\n"), rate_hz=10.0)
    assert counts(events) == [100]
    assert recording.warnings == ("These columns are not used, their names are unknown: ppg_au, mood",)


@pytest.mark.parametrize(
    ("text", "rate_hz", "why"),
    [
        ("", 100.0, "empty file"),
        ("ppg_au\n1\n", 100.0, "ecg_mv, ecg_uv, rsp_au, eda_us, rr_ms"),
        ("1,2,3\n4,5,6\n", 100.0, "at least one of"),
        ("\x00\x01\x1b[31m,x\n4,5,6\n", 100.0, r"EDF, BDF, WFDB.*got bytes that are none of them"),
        ("ecg_mv\n1\n", None, "--rate-hz"),
        ("ecg_mv\n1\n", 0.0, "0.1 to 4000 Hz"),
        ("ecg_mv\n1\n", -100.0, "0.1 to 4000 Hz"),
        ("ecg_mv\n1\n", 1e9, "0.1 to 4000 Hz"),
        ("ecg_mv\n1\n", float("nan"), "0.1 to 4000 Hz"),
        ("ecg_mv,ECG_MV\n1,1\n", 100.0, "twice"),
        ("ecg_mv,ecg_uv\n1,1\n", 100.0, "one ECG column"),
        ("time_s,ecg_mv\n1,1\n1,1\n", None, "rising times"),
        ("time_s,ecg_mv\n0,1\n100,1\n200,1\n", None, "0.1 to 4000 Hz"),
        ("time_s,ecg_mv\n0,1\n0.01,1\n0.02,1\n", 250.0, "near 100.00 Hz"),
    ],
)
def test_what_cannot_be_played_is_said(tmp_path: Path, text: str, rate_hz: float | None, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        read(write(tmp_path, text), rate_hz=rate_hz)


def test_absent_folder_and_chunks_of_no_length(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        read(tmp_path / "absent.csv", rate_hz=100.0)
    with pytest.raises(RecordingError, match="directory"):
        read(tmp_path, rate_hz=100.0)
    with pytest.raises(RecordingError, match="1 to"):
        read(write(tmp_path, "ecg_mv\n1\n"), rate_hz=100.0, chunk_ms=0)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(1, 10)) * 200_000)
    with pytest.raises(RecordingError):
        read(path, rate_hz=100.0)


@given(st.binary(max_size=300))
def test_any_file_gives_events_or_recording_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(b"time_s,ecg_mv,rr_ms\n" + data)
    try:
        _, events = read(path, rate_hz=50.0)
    except RecordingError:
        return
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)

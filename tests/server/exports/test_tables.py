"""CSV and Parquet read back by csv and by DuckDB, held against what was stored and against the data dictionary."""

import asyncio
import csv
import io
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest

from becalm_protocol.derived import PIPELINE_VERSION, Beat, Metrics, SlowMetrics
from becalm_protocol.events import RrBlock
from becalm_server.refusals import FormatUnavailableError

Rows = list[dict[str, str]]


def unzipped(data: bytes) -> dict[str, Rows]:
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        return {n.removesuffix(".csv"): list(csv.DictReader(io.StringIO(archive.read(n).decode()))) for n in names}


def header(data: bytes, name: str) -> list[str]:
    with ZipFile(io.BytesIO(data)) as archive:
        return next(csv.reader(io.StringIO(archive.read(f"{name}.csv").decode())))


async def test_samples_are_what_was_stored(session_id: str, recording: Any, export: Any, open_content: Any) -> None:
    tables = unzipped(export(session_id, "csv"))
    streams = {"ecg": recording.ecg, "ecg_2": recording.ecg_2, "resp": recording.belt, "ppg_1": recording.light}
    for name, info in streams.items():
        rows = tables[f"samples_{name}"]
        counts = [int(row["count"]) for row in rows]
        assert counts == recording.counts_of(info)
        assert [float(row["value"]) for row in rows] == [count * info.unit_per_count for count in counts]
    with open_content(session_id) as content:
        track = content.tracks[recording.ecg.stream_id]
        times_ns = [t_ns for block in track.blocks() for t_ns in block.times_ns().tolist()]
    assert [int(row["t_ns"]) for row in tables["samples_ecg"]] == times_ns
    positions = [int(row["sample_idx"]) for row in tables["samples_ecg"]]
    assert max(after - before for before, after in pairwise(positions)) == 20 * 130 + 1
    repeated = [row for row in tables["blocks"] if row["n_repeated"] != "0"]
    assert repeated == []  # one that came twice as a whole is told by nobody


async def test_intervals_events_and_derived_values(session_id: str, recording: Any, export: Any) -> None:
    tables = unzipped(export(session_id, "csv"))
    blocks = [event for event in recording.events if isinstance(event, RrBlock)]
    ticks = sorted(t for block in blocks for t in block.rr_1024)
    assert sorted(int(row["rr_1024"]) for row in tables["intervals"]) == ticks
    assert {row["usable"] for row in tables["intervals"] if row["stream"] == "PPI"} == {"true", "false"}
    assert len(tables["interval_blocks"]) == len(blocks)
    assert {row["in_contact"] for row in tables["interval_blocks"] if row["stream"] == "RR"} == {"true", ""}
    (gap,) = tables["gaps"]
    assert (gap["stream"], gap["start_ns"], gap["end_ns"]) == ("ECG", "40000000000", "60000000000")
    beats = {(one.source.value, one.beat_idx): one for one in recording.conclusions if isinstance(one, Beat)}
    assert len(tables["beats"]) == len(beats)
    for row in tables["beats"]:
        beat = beats[row["source"], int(row["beat_idx"])]
        assert (row["rr_ms"] and float(row["rr_ms"])) == (beat.rr_ms or "")
        assert (int(row["t_ns"]), row["flag"]) == (beat.t_ns, beat.flag.value)
    tenth, eleventh = tables["metrics"][9:11]
    assert (tenth["heart_rate_bpm"], tenth["heart_rate_bpm_reason"]) == ("", "too_few_beats")
    assert (eleventh["heart_rate_bpm"], eleventh["heart_rate_bpm_bound"]) == ("61.375", "0.5")
    assert tables["slow_metrics"][-1]["rsa_ms"] == "71.25"
    assert tables["windows"][0] | {"t_ns": ""} == tables["windows"][0] | {
        "t_ns": "",
        "name": "HRV_RMSSD",
        "value": "31.25",
    }
    assert tables["skin_responses"][0]["recovered_ns"] == "5000000000"
    assert [row["phase"] for row in tables["phases"]] == ["baseline", "practice"]
    assert (tables["session"][0]["pipeline_version"], tables["session"][0]["session_id"]) == (
        PIPELINE_VERSION,
        session_id,
    )


async def test_the_dictionary_tells_every_column(session_id: str, export: Any) -> None:
    data = export(session_id, "csv")
    tables = unzipped(data)
    told = tables.pop("data_dictionary")
    for name in tables:
        columns = [row["column"] for row in told if row["table"] == name]
        assert columns == header(data, name), name
    silent = [(row["table"], row["column"]) for row in told if row["meaning"] in ("", row["column"].replace("_", " "))]
    assert silent == []
    units = {(row["table"], row["column"]): row["unit"] for row in told}
    assert units["skin_responses", "amplitude_us"] == "uS"
    assert units["metrics", "heart_rate_bpm_bound"] == "1/min"
    assert units["metrics", "heart_rate_bpm_reason"] == units["metrics", "arousal"] == ""
    assert units["samples_ecg_2", "value"] == "uV"
    meanings = {(row["table"], row["column"]): row["meaning"] for row in told}
    assert meanings["beats", "rr_ms"] == "Interval from the beat before, as measured; never altered."
    assert meanings["metrics", "rmssd_ms_reason"].startswith("why rmssd_ms is withheld")
    with ZipFile(io.BytesIO(data)) as archive:
        document = json.loads(archive.read("data_dictionary.json"))
    assert (document["pipeline_version"], document["definitions"]) == (PIPELINE_VERSION, "docs/indices.md")
    assert sum(len(table["columns"]) for table in document["tables"]) == len(told)


async def test_every_index_has_its_columns(session_id: str, export: Any) -> None:
    data = export(session_id, "csv")
    for name, cls in (("metrics", Metrics), ("slow_metrics", SlowMetrics)):
        wanted = {index + part for index in cls.index_names() for part in ("", "_bound", "_reason", "_sample_ns")}
        assert wanted <= set(header(data, name))


async def test_no_cell_is_a_formula_and_names_are_wanted(session_id: str, recording: Any, export: Any) -> None:
    named = unzipped(export(session_id, "csv", device_names=True))
    assert named["streams"][1]["device"] == "'" + recording.ecg_2.device
    assert named["streams"][3]["device"] == recording.belt.device
    assert named["dropped"][0]["problem"].startswith("'-1 = odd")
    plain = unzipped(export(session_id, "csv"))
    assert [row["device"] for row in plain["streams"]] == [f"sensor {n}" for n in (1, 2, 1, 3, 4, 4, 4)]


async def test_one_session_gives_one_and_the_same_file(session_id: str, export: Any) -> None:
    assert export(session_id, "csv") == export(session_id, "csv")


async def test_a_session_without_data_still_has_its_columns(empty_session_id: str, export: Any) -> None:
    data = export(empty_session_id, "csv")
    assert {name: len(rows) for name, rows in unzipped(data).items() if rows} == {
        "session": 1, "streams": 7, "data_dictionary": len(unzipped(data)["data_dictionary"]),
    }  # fmt: skip
    assert "heart_rate_bpm" in header(data, "metrics")


async def test_values_of_an_earlier_pipeline_carry_its_version(session_id: str, export: Any, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in ("beat", "breath", "metrics", "skin_response", "slow_metrics"):
            connection.execute(f"update {table} set pipeline_version = '0'".encode())
    tables = unzipped(export(session_id, "csv"))
    assert tables["session"][0]["pipeline_version"] == "0"
    assert (len(tables["beats"]), len(tables["metrics"]), len(tables["slow_metrics"])) == (120, 90, 18)


async def test_duckdb_reads_in_parquet_what_csv_says(session_id: str, export: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow, of the extra `parquet`, is not installed")
    duckdb = pytest.importorskip("duckdb", reason="the independent reader duckdb is not installed")
    expected = unzipped(export(session_id, "csv"))
    with ZipFile(io.BytesIO(export(session_id, "parquet"))) as archive:
        archive.extractall(tmp_path)
        told = {name.removesuffix(".parquet") for name in archive.namelist() if name.endswith(".parquet")}
    assert told == set(expected) - {"data_dictionary"}
    with duckdb.connect() as database:
        for name in told:
            rows = database.execute(f"select * from '{tmp_path / name}.parquet'").fetchall()
            names = [column[0] for column in database.description]
            assert [[_as_csv(cell) for cell in row] for row in rows] == [
                [one[column].removeprefix("'") for column in names] for one in expected[name]
            ], name
        types = database.execute(f"describe select * from '{tmp_path / 'intervals'}.parquet'").fetchall()
    assert {row[0]: row[1] for row in types}["usable"] == "BOOLEAN"
    assert {row[0]: row[1] for row in types}["rr_1024"] == "BIGINT"


async def test_a_parquet_export_does_without_pandas(session_id: str, database_url: str) -> None:
    """Pyarrow asks it what every list is, which takes a second of processor; who makes an export has not loaded it."""
    pytest.importorskip("pyarrow", reason="pyarrow, of the extra `parquet`, is not installed")
    request = {
        "format": "parquet", "people": None, "url": database_url, "session_id": session_id, "device_names": False,
    }  # fmt: skip
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-X", "importtime", "-m", "becalm_server.exports"],
        input=json.dumps(request).encode() + b"\n",
        capture_output=True,
        check=True,
    )
    assert json.loads(told.stdout.partition(b"\n")[0])["n_bytes"] > 10_000
    loaded = set(re.findall(rb"\| +([a-z_]+)\n", told.stderr))
    assert b"pyarrow" in loaded
    assert b"pandas" not in loaded


def _as_csv(cell: object) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


async def test_without_pyarrow_it_says_what_to_install(
    session_id: str, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FormatUnavailableError, match=r"becalm\[parquet\]"):
        export(session_id, "parquet")

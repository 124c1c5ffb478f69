"""Kubios RR text and FIT, read back by plain numbers and by fitdecode and fit_tool, held against what was stored."""

import io
import math
from importlib import import_module
from typing import Any

import pytest

from becalm_protocol.derived import Beat
from becalm_protocol.events import SignalKind
from becalm_server.exports.fit_file import crc16
from becalm_server.refusals import NothingToExportError

fitdecode = pytest.importorskip("fitdecode", reason="the independent reader fitdecode is not installed")


def measured(recording: Any) -> list[Beat]:
    beats = [one for one in recording.conclusions if isinstance(one, Beat) and one.source is SignalKind.ECG]
    return [beat for beat in beats if beat.rr_ms is not None]


def messages(data: bytes) -> list[tuple[str, Any]]:
    with fitdecode.FitReader(io.BytesIO(data), check_crc=fitdecode.CrcCheck.RAISE) as reader:
        return [(frame.name, frame) for frame in reader if isinstance(frame, fitdecode.FitDataMessage)]


async def test_kubios_text_is_one_measured_interval_a_line(session_id: str, recording: Any, export: Any) -> None:
    lines = export(session_id, "kubios").decode("ascii").splitlines()
    assert [float(line) for line in lines] == [round(beat.rr_ms or 0.0, 3) for beat in measured(recording)]


async def test_fit_has_every_interval_to_the_millisecond(session_id: str, recording: Any, export: Any) -> None:
    found = messages(export(session_id, "fit"))
    told = [rr_s for name, frame in found if name == "hrv" for rr_s in frame.get_value("time") if rr_s is not None]
    assert [round(rr_s * 1000) for rr_s in told] == [round(beat.rr_ms or 0.0) for beat in measured(recording)]


async def test_fit_is_a_whole_activity_with_a_record_a_second(session_id: str, recording: Any, export: Any) -> None:
    found = messages(export(session_id, "fit"))
    assert [name for name, _ in found if name not in ("hrv", "record")] == [
        "file_id", "event", "event", "lap", "session", "activity",
    ]  # fmt: skip
    records = [frame for name, frame in found if name == "record"]
    assert [frame.get_value("heart_rate") for frame in records[8:12]] == [None, None, 61, 62]
    stamps_s = [frame.get_value("timestamp").timestamp() for frame in records]
    assert stamps_s == [math.floor(recording.started_unix_ns / 1e9 + n) for n in range(1, 91)]
    assert found[0][1].get_value("type") == "activity"


async def test_fit_tool_reads_it_too(session_id: str, recording: Any, export: Any) -> None:
    pytest.importorskip("fit_tool", reason="the independent reader fit_tool is not installed")
    fit = import_module("fit_tool.fit_file").FitFile.from_bytes(export(session_id, "fit"))
    hrv = [record.message for record in fit.records if type(record.message).__name__ == "HrvMessage"]
    told = [rr_s for message in hrv for rr_s in message.time if rr_s is not None and rr_s < 65.0]
    assert len(told) == len(measured(recording))


async def test_a_heart_without_intervals_is_refused_in_words(empty_session_id: str, export: Any) -> None:
    for export_format in ("kubios", "fit"):
        with pytest.raises(NothingToExportError, match="no interval"):
            export(empty_session_id, export_format)


def test_the_checksum_is_that_of_fit() -> None:
    """CRC-16/ARC of the catalogue of checksums: its check value."""
    assert crc16(b"123456789") == 0xBB3D

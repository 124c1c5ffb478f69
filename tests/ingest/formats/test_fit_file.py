"""FIT activities: HRV messages as another program writes them."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Dropped, Gap, RawEvent, RrBlock, SignalKind
from becalm_protocol.units import NS_PER_S

pytest.importorskip("fitdecode", reason="fitdecode, of the extra `formats`, is not installed")
pytest.importorskip("fit_tool", reason="the independent writer fit_tool is not installed")

BEGAN_MS = 1_750_000_000_000
RR_S = [0.8 + 0.01 * (k % 9) for k in range(200)]


def activity(path: Path, *, rr_s: list[float], pause_after: int | None = None, pause_s: float = 0.0) -> Path:
    messages, kinds = "fit_tool.profile.messages", import_module("fit_tool.profile.profile_type")
    builder = import_module("fit_tool.fit_file_builder").FitFileBuilder(auto_define=True, min_string_size=50)
    head = import_module(f"{messages}.file_id_message").FileIdMessage()
    head.type, head.time_created = kinds.FileType.ACTIVITY, BEGAN_MS
    head.manufacturer = kinds.Manufacturer.DEVELOPMENT.value
    builder.add(head)
    now_s = 0.0
    for start in range(0, len(rr_s), 5):
        if pause_after is not None and start == pause_after:
            now_s += pause_s
        five = rr_s[start : start + 5]
        now_s += sum(five)
        hrv = import_module(f"{messages}.hrv_message").HrvMessage()
        hrv.time = five
        builder.add(hrv)
        record = import_module(f"{messages}.record_message").RecordMessage()
        record.timestamp = BEGAN_MS + 1_000 * int(now_s)
        record.heart_rate = 72
        builder.add(record)
    builder.build().to_file(str(path))
    return path


def read(path: Path) -> tuple[Any, list[RawEvent]]:
    recording = read_recording(path, rate_hz=None, chunk_ms=100)
    return recording, list(recording.events())


def test_every_interval_and_its_time(tmp_path: Path) -> None:
    recording, events = read(activity(tmp_path / "a.fit", rr_s=RR_S))
    assert [info.kind for info in recording.streams] == [SignalKind.RR]
    beats = [event for event in events if isinstance(event, RrBlock)]
    assert [beat.rr_1024 for beat in beats] == [(round(round(rr_s, 3) * 1024),) for rr_s in RR_S]
    assert beats[-1].received_ns == pytest.approx(sum(RR_S) * NS_PER_S, abs=1_000)
    assert not any(isinstance(event, Gap | Dropped) for event in events)


def test_a_strap_that_was_away_is_a_gap(tmp_path: Path) -> None:
    _, events = read(activity(tmp_path / "a.fit", rr_s=RR_S, pause_after=100, pause_s=60.0))
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.end_ns - gap.start_ns) / NS_PER_S == pytest.approx(60.0, abs=6.0)
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)


def test_a_file_cut_short_is_used_up_to_the_cut(tmp_path: Path) -> None:
    path = activity(tmp_path / "a.fit", rr_s=RR_S)
    path.write_bytes(path.read_bytes()[:-300])
    _, events = read(path)
    beats = [event for event in events if isinstance(event, RrBlock)]
    assert 100 < len(beats) < 200
    assert "damaged after HRV message" in next(event.problem for event in events if isinstance(event, Dropped))


def test_an_activity_without_hrv_says_what_to_switch_on(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="switch on `Log HRV`"):
        read(activity(tmp_path / "a.fit", rr_s=[]))


def test_signals_are_not_for_choice(tmp_path: Path) -> None:
    path = activity(tmp_path / "a.fit", rr_s=RR_S)
    with pytest.raises(RecordingError, match="expected no --signal"):
        read_recording(path, rate_hz=None, chunk_ms=100, signals=("x=rr",))

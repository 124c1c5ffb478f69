"""Recorded notifications give the same events again."""

import json
import os
from pathlib import Path

import pytest

from becalm_ingest.devices import Cursor, family_named, heart_rate
from becalm_ingest.recorder import Notifications, Recorder
from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Dropped, Gap, RawEvent, RrBlock, SignalKind


def record(path: Path, *notifications: tuple[int, str]) -> None:
    recorder = Recorder(path)
    recorder.link(device="strap", family=heart_rate.FAMILY, received_ns=0)
    for received_ns, data in notifications:
        recorder.notification(
            device="strap",
            family="heart_rate",
            channel="measurement",
            received_ns=received_ns,
            data=bytes.fromhex(data),
        )
    recorder.close()


def test_the_same_events_as_live(tmp_path: Path) -> None:
    sent = [(1_000, "103d0304"), (2_000, "10 3e 0004 f003"), (3_000, "003f")]
    record(tmp_path / "a.jsonl", *sent)
    recording = read_recording(tmp_path / "a.jsonl", rate_hz=None, chunk_ms=100)
    (info,) = recording.streams
    assert (info.kind, info.device, info.unit) == (SignalKind.RR, "strap", "1/1024 s")
    family = family_named("heart_rate")
    assert family is not None
    conversation = family.converse({SignalKind.RR: Cursor(stream_id=info.stream_id, sample_rate_hz=None)})
    live: list[RawEvent] = []
    for received_ns, data in sent:
        live += conversation.parse(bytes.fromhex(data), channel="measurement", received_ns=received_ns)
    assert list(recording.events()) == live
    assert list(recording.events()) == live  # as often as one likes


def test_a_new_connection_is_a_gap_and_bad_bytes_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record(path, (1_000, "103d0304"), (2_000, "10"))
    with path.open("a") as file:
        file.write(json.dumps({"link": "strap", "family": "heart_rate", "received_ns": 4_000}) + "\n")
        file.write(
            json.dumps(
                {"device": "strap", "family": "heart_rate", "channel": "m", "received_ns": 5_000, "bytes": "003c"}
            )
            + "\n"
        )
    events = list(Notifications(path).events())
    assert [type(event) for event in events] == [RrBlock, Dropped, Gap, RrBlock]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"becalm_notifications":2}\n', "version 1"),
        ('{"becalm_notifications":1}\n', "known family"),
        ('{"becalm_notifications":1}\n{"device":"x","family":"kettle","received_ns":1,"bytes":""}\n', "known family"),
        ('{"becalm_notifications":1}\nnonsense\n', "JSON"),
        ('{"becalm_notifications":1}\n{"device":"x"}\n', "received_ns"),
        ('{"becalm_notifications":1}\n{"device":"x","family":"heart_rate","received_ns":-1}\n', "received_ns"),
        (
            '{"becalm_notifications":1}\n{"device":"x","family":"heart_rate","received_ns":1' + 30 * "0" + "}\n",
            "received",
        ),
        ('{"becalm_notifications":1\n', "version 1"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(RecordingError, match=why):
        read_recording(path, rate_hz=None, chunk_ms=100)


def test_streams_of_another_family_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    stream = {"unit": "uV", "unit_per_count": 1.0, "sample_rate_hz": 8.0, "kind": "ecg", "clock": "arrival"}
    lines = [
        {"becalm_notifications": 1},
        {"link": "x", "family": "uart_skin", "received_ns": 1, "streams": [stream]},
        {"device": "x", "family": "uart_skin", "channel": "lines", "received_ns": 2, "bytes": ""},
    ]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    with pytest.raises(RecordingError, match="expected the streams that uart_skin has, got ecg"):
        Notifications(path)


def test_odd_lines_are_left_out_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record(path, (1_000, "103d0304"), (2_000, "103e0304"), (3_000, "103f0304"))
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(3, "\x00\x01 garbage of a bad disk\n")
    lines.insert(5, '{"device":"x","family":"kettle","received_ns":1,"bytes":""}\n')
    path.write_text("".join(lines))
    events = list(Notifications(path).events())
    assert [type(event) for event in events] == [RrBlock, RrBlock, RrBlock, Dropped]
    (told,) = [event.problem for event in events if isinstance(event, Dropped)]
    assert told.startswith("2 lines are no notifications and not used, the first is line 4: expected JSON, got ")


def test_a_recording_cut_in_the_middle_is_used_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record(path, (1_000, "103d0304"), (2_000, "103d0304"))
    path.write_bytes(path.read_bytes()[:-10])
    events = list(Notifications(path).events())
    assert [type(event) for event in events] == [RrBlock, Dropped]
    assert events[-1].received_ns == 1_000


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="--record"):
        Recorder(tmp_path)


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record(path, (1_000, "103d0304"))
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="--record"):
        Recorder(path)
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Recorder(tmp_path / "a.jsonl").close()
    assert (tmp_path / "a.jsonl").stat().st_mode & 0o077 == 0


def test_every_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.jsonl")
    recorder.link(device="strap", family=heart_rate.FAMILY, received_ns=5)
    assert (tmp_path / "a.jsonl").read_text().count("\n") == 2
    recorder.close()
    recorder.link(device="strap", family=heart_rate.FAMILY, received_ns=6)  # nothing, and no error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_recording_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="--record"):
        Recorder(Path("/dev/full"))
    recorder = Recorder(tmp_path / "a.jsonl")
    assert recorder._file is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, recorder._file.fileno())  # the disk fills up under the open file
    os.close(full)
    for received_ns in range(3):
        recorder.link(device="strap", family=heart_rate.FAMILY, received_ns=received_ns)
    assert recorder.trouble is not None
    assert "a.jsonl" in recorder.trouble
    recorder.close()


def test_a_second_session_follows_the_first(tmp_path: Path) -> None:
    clock_ns = 1_000
    recorder = Recorder(tmp_path / "a.jsonl", clock=lambda: clock_ns)
    for began_ns in (1_000, 50_000):
        clock_ns = began_ns
        recorder.begin(0)
        recorder.link(device="strap", family=heart_rate.FAMILY, received_ns=10)
        recorder.notification(
            device="strap", family="heart_rate", channel="measurement", received_ns=20, data=bytes.fromhex("003c")
        )
    recorder.close()
    events = list(Notifications(tmp_path / "a.jsonl").events())
    assert [(type(event), event.received_ns) for event in events] == [(RrBlock, 20), (Gap, 49_020), (RrBlock, 49_020)]

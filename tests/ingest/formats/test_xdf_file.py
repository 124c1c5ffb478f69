"""XDF files made to the specification, chunk by chunk, and one that a recorder of another maker wrote."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, Gap, GapReason, RawEvent, RrBlock, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

pytest.importorskip("pyxdf", reason="pyxdf, of the extra `formats`, is not installed")

Channel = tuple[str, str, str]
"""Label, unit and type."""


class XdfWriter:
    """Writes the chunks of the XDF 1.0 specification."""

    def __init__(self) -> None:
        self.data = b"XDF:"
        self._chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')

    def stream(
        self, number: int, *, name: str, kind: str, rate_hz: float, channels: list[Channel], form: str = "float32"
    ) -> None:
        inside = "".join(
            f"<channel><label>{escape(a)}</label><unit>{escape(b)}</unit><type>{escape(c)}</type></channel>"
            for a, b, c in channels
        )
        xml = (
            f"<info><name>{name}</name><type>{kind}</type><channel_count>{len(channels)}</channel_count>"
            f"<nominal_srate>{rate_hz}</nominal_srate><channel_format>{form}</channel_format>"
            f"<created_at>0</created_at><desc><channels>{inside}</channels></desc></info>"
        )
        self._chunk(2, struct.pack("<I", number) + xml.encode())

    def samples(self, number: int, rows: Sequence[tuple[float | None, tuple[float, ...]]], *, form: str = "f") -> None:
        content = struct.pack("<IBI", number, 4, len(rows))
        for stamp_s, values in rows:
            content += b"\x00" if stamp_s is None else struct.pack("<Bd", 8, stamp_s)
            content += struct.pack(f"<{len(values)}{form}", *values)
        self._chunk(3, content)

    def offset(self, number: int, *, at_s: float, offset_s: float) -> None:
        self._chunk(4, struct.pack("<Idd", number, at_s, offset_s))

    def write(self, path: Path) -> Path:
        path.write_bytes(self.data)
        return path

    def _chunk(self, tag: int, content: bytes) -> None:
        self.data += struct.pack("<BIH", 4, len(content) + 2, tag) + content


def read(path: Path, *, chunk_ms: int = 250, signals: tuple[str, ...] = ()) -> tuple[Any, list[RawEvent]]:
    recording = read_recording(path, rate_hz=None, chunk_ms=chunk_ms, signals=signals)
    return recording, list(recording.events())


def of_kind(recording: Any, events: list[RawEvent], kind: SignalKind) -> list[RawEvent]:
    (stream_id,) = [info.stream_id for info in recording.streams if info.kind is kind]
    return [event for event in events if event.stream_id == stream_id]


def counts(events: list[RawEvent]) -> list[int]:
    return [count for event in events if isinstance(event, SampleBlock) for count in event.counts]


def times_ns(recording: Any, events: list[RawEvent], kind: SignalKind) -> list[float]:
    """Time of every sample, as a reader of the events finds it: stamps of the last samples, periods between."""
    (info,) = [info for info in recording.streams if info.kind is kind]
    times: list[float] = []
    for block in of_kind(recording, events, kind):
        if isinstance(block, SampleBlock):
            n = len(block.counts)
            times += [block.received_ns - (n - 1 - k) * NS_PER_S / info.sample_rate_hz for k in range(n)]
    return times


def evenly(writer: XdfWriter, number: int, *, rate_hz: float, n: int, began_s: float, skip: range = range(0)) -> None:
    rows = [(began_s + k / rate_hz, (k * 0.001,)) for k in range(n) if k not in skip]
    for start in range(0, len(rows), 50):
        writer.samples(number, rows[start : start + 50])


def test_two_computers_come_onto_one_clock(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Amp", kind="ECG", rate_hz=100, channels=[("ECG", "millivolts", "ECG")])
    writer.stream(2, name="Ring", kind="GSR", rate_hz=10, channels=[("EDA", "microsiemens", "GSR")])
    evenly(writer, 1, rate_hz=100, n=2_000, began_s=1_000.0)
    evenly(writer, 2, rate_hz=10, n=200, began_s=77.5)  # its own clock shows 924.5 s less: it began 2 s later
    for k in range(21):
        writer.offset(1, at_s=1_000.0 + k, offset_s=0.0)
        writer.offset(2, at_s=75.5 + k, offset_s=924.5)
    recording, events = read(writer.write(tmp_path / "a.xdf"))
    assert [(i.kind, i.unit, i.device, i.clock) for i in recording.streams] == [
        (SignalKind.ECG, "uV", "Amp", Clock.SESSION),
        (SignalKind.SKIN_CONDUCTANCE, "uS", "Ring", Clock.SESSION),
    ]
    ecg, eda = (times_ns(recording, events, kind) for kind in (SignalKind.ECG, SignalKind.SKIN_CONDUCTANCE))
    assert ecg == pytest.approx([k * 1e7 for k in range(2_000)], abs=NS_PER_MS / 2)
    assert eda == pytest.approx([2e9 + k * 1e8 for k in range(200)], abs=NS_PER_MS)
    assert counts(of_kind(recording, events, SignalKind.ECG))[:3] == [0, 100, 200]
    assert recording.warnings == ()
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)


def test_the_true_rate_and_not_the_nominal_one(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Strap", kind="ECG", rate_hz=130, channels=[("", "uV", "")])
    evenly(writer, 1, rate_hz=130.16, n=13_016, began_s=5.0)
    recording, events = read(writer.write(tmp_path / "a.xdf"))
    assert recording.streams[0].sample_rate_hz == pytest.approx(130.16, rel=1e-6)
    assert not any(isinstance(event, Gap) for event in events)
    assert times_ns(recording, events, SignalKind.ECG)[-1] == pytest.approx(13_015 / 130.16 * 1e9, abs=NS_PER_MS)
    assert "no clock offsets" in recording.warnings[0]


@pytest.mark.parametrize("n_lost", [1, 37, 5_000])
def test_lost_samples_are_a_gap_of_their_number(tmp_path: Path, n_lost: int) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Amp", kind="ECG", rate_hz=250, channels=[("ECG", "uV", "ECG")])
    evenly(writer, 1, rate_hz=250, n=10_000, began_s=5.0, skip=range(3_000, 3_000 + n_lost))
    _, events = read(writer.write(tmp_path / "a.xdf"))
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.n_missing, gap.reason) == (n_lost, GapReason.FILE_BREAK)
    assert gap.start_ns == pytest.approx(2_999 * 4e6, abs=NS_PER_MS)
    assert gap.end_ns == pytest.approx((3_000 + n_lost) * 4e6, abs=NS_PER_MS)
    assert len(counts(events)) == 10_000 - n_lost


def test_stamps_of_arrival_are_smoothed_and_no_loss_is_invented(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Strap", kind="ECG", rate_hz=130, channels=[("ECG", "uV", "ECG")])
    late_s = [0.02, 0.11, 0.05, 0.31, 0.02, 0.08, 0.04, 0.19]
    for k in range(200):  # 73 samples at a time, all stamped when they came
        arrived_s = 50.0 + (k + 1) * 73 / 130 + late_s[k % 8]
        writer.samples(1, [(arrived_s, (float(n),)) for n in range(73)])
    recording, events = read(writer.write(tmp_path / "a.xdf"))
    assert not any(isinstance(event, Gap) for event in events)
    assert recording.streams[0].sample_rate_hz == pytest.approx(130, rel=1e-3)
    assert "uneven by" in recording.warnings[0]


def test_intervals_at_their_own_times_and_whole_numbers_kept(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Raw", kind="Respiration", rate_hz=50, channels=[("Resp", "", "")], form="int32")
    writer.stream(2, name="Strap", kind="HRV", rate_hz=0, channels=[("RR", "ms", "")])
    writer.stream(3, name="Notes", kind="Markers", rate_hz=0, channels=[("x", "", "")], form="string")
    rows = [(10.0 + k / 50, (8_000_000 + k,)) for k in range(500)]
    writer.samples(1, rows, form="i")
    writer.samples(2, [(11.0, (812.0,)), (11.9, (903.0,)), (12.7, (float("nan"),))])
    recording, events = read(writer.write(tmp_path / "a.xdf"))
    assert counts(of_kind(recording, events, SignalKind.RESPIRATION)) == [8_000_000 + k for k in range(500)]
    rr = [event for event in of_kind(recording, events, SignalKind.RR) if isinstance(event, RrBlock)]
    assert [(beat.received_ns, beat.rr_1024) for beat in rr] == [
        (1_000 * NS_PER_MS, (831,)),
        (1_900 * NS_PER_MS, (925,)),
    ]


def test_a_clock_that_was_set_back_keeps_time_order(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Amp", kind="ECG", rate_hz=100, channels=[("ECG", "uV", "ECG")])
    writer.stream(2, name="Strap", kind="HRV", rate_hz=0, channels=[("RR", "ms", "")])
    evenly(writer, 1, rate_hz=100, n=1_000, began_s=50.0)
    evenly(writer, 1, rate_hz=100, n=1_000, began_s=20.0)
    writer.samples(2, [(55.0, (800.0,)), (21.0, (810.0,))])
    _, events = read(writer.write(tmp_path / "a.xdf"))
    assert [event.received_ns for event in events] == sorted(event.received_ns for event in events)
    assert len(counts(events)) == 2_000
    assert [event.rr_1024 for event in events if isinstance(event, RrBlock)] == [(829,), (819,)]


def test_values_that_are_no_numbers_are_a_gap(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Amp", kind="GSR", rate_hz=10, channels=[("GSR", "uS", "GSR")])
    writer.samples(1, [(5 + k / 10, (float("nan") if 20 <= k < 30 else 4.0,)) for k in range(60)])
    _, events = read(writer.write(tmp_path / "a.xdf"))
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.n_missing, gap.reason) == (10, GapReason.NOT_A_NUMBER)
    assert set(counts(events)) == {40_000}


def test_channels_that_do_not_tell_are_asked_for(tmp_path: Path) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Amp", kind="EXG", rate_hz=10, channels=[("EX1", "uV", ""), ("EX2", "uV", "")])
    writer.samples(1, [(5 + k / 10, (1.0, 2.0)) for k in range(60)])
    path = writer.write(tmp_path / "a.xdf")
    with pytest.raises(RecordingError, match=r"#1 'EX1' \(uV, 10 Hz\); #2 'EX2'"):
        read(path)
    _, events = read(path, signals=("EX2=ecg",))
    assert set(counts(events)) == {200}


@pytest.mark.parametrize("n_bytes", [4, 5, 30, 200, 400])
def test_a_file_cut_short_gives_events_or_one_sentence(tmp_path: Path, n_bytes: int) -> None:
    writer = XdfWriter()
    writer.stream(1, name="Amp", kind="ECG", rate_hz=100, channels=[("ECG", "uV", "ECG")])
    evenly(writer, 1, rate_hz=100, n=200, began_s=5.0)
    path = writer.write(tmp_path / "a.xdf")
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(RecordingError):
        read(path)

"""RR intervals as text, in the forms that programs write them."""

from pathlib import Path

import pytest

from becalm_ingest.formats.intervals import IntervalRecording
from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, Dropped, Gap, GapReason, RawEvent, RrBlock, SignalKind
from becalm_protocol.units import NS_PER_MS

RR_MS = [812, 790, 805, 1_011, 998, 640, 655, 701]


def read(path: Path) -> tuple[IntervalRecording, list[RawEvent]]:
    recording = read_recording(path, rate_hz=None, chunk_ms=100)
    assert isinstance(recording, IntervalRecording)
    return recording, list(recording.events())


def write(folder: Path, lines: list[str], *, name: str = "rr.txt", end: str = "\n") -> Path:
    path = folder / name
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def intervals(events: list[RawEvent]) -> list[int]:
    return [rr for event in events if isinstance(event, RrBlock) for rr in event.rr_1024]


TICKS = [round(rr_ms * 1.024) for rr_ms in RR_MS]
TIMES_MS = [sum(RR_MS[: k + 1]) for k in range(len(RR_MS))]


@pytest.mark.parametrize(
    "lines",
    [
        [str(rr) for rr in RR_MS],
        [f"{rr / 1000:.3f}" for rr in RR_MS],
        [f"{rr / 1000:.3f}".replace(".", ",") for rr in RR_MS],
        [f"  {rr}.0  " for rr in RR_MS],
        ["# a comment", "", *(str(rr) for rr in RR_MS)],
        ["RR", *(str(rr) for rr in RR_MS)],
        ["rr_ms", *(str(rr) for rr in RR_MS)],
        ["RR interval (s)", *(str(rr / 1000) for rr in RR_MS)],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_interval_a_line(tmp_path: Path, lines: list[str], end: str) -> None:
    recording, events = read(write(tmp_path, lines, end=end))
    (info,) = recording.streams
    assert (info.kind, info.clock) == (SignalKind.RR, Clock.ARRIVAL)
    assert intervals(events) == TICKS
    assert [event.received_ns for event in events] == [t_ms * NS_PER_MS for t_ms in TIMES_MS]
    assert not any(isinstance(event, Dropped | Gap) for event in events)


@pytest.mark.parametrize(
    "lines",
    [
        [f"{t / 1000:.3f} {rr}" for t, rr in zip(TIMES_MS, RR_MS, strict=True)],
        [f"{t / 1000:.3f}\t{rr / 1000:.3f}" for t, rr in zip(TIMES_MS, RR_MS, strict=True)],
        [f"{t},{rr}" for t, rr in zip(TIMES_MS, RR_MS, strict=True)],
        [f"{t / 1000:.3f};{rr}".replace(".", ",") for t, rr in zip(TIMES_MS, RR_MS, strict=True)],
        ["Time (s),RR (ms)", *(f"{t / 1000:.3f},{rr}" for t, rr in zip(TIMES_MS, RR_MS, strict=True))],
        [
            "Phone timestamp;RR-interval [ms]",
            *(f"2024-05-01T10:00:{t / 1000:06.3f};{rr}" for t, rr in zip(TIMES_MS, RR_MS, strict=True)),
        ],
        [f"10:00:{t / 1000:06.3f},{rr}" for t, rr in zip(TIMES_MS, RR_MS, strict=True)],
    ],
)
def test_a_time_column_in_either_unit(tmp_path: Path, lines: list[str]) -> None:
    recording, events = read(write(tmp_path, lines))
    assert intervals(events) == TICKS
    assert [event.received_ns for event in events] == [(t - TIMES_MS[0]) * NS_PER_MS for t in TIMES_MS]
    assert recording.warnings == ()


def test_a_time_column_tells_a_missing_beat(tmp_path: Path) -> None:
    rows = [f"{t / 1000:.3f} {rr}" for t, rr in zip(TIMES_MS, RR_MS, strict=True)]
    del rows[3]
    _, events = read(write(tmp_path, rows))
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.reason, gap.end_ns - gap.start_ns) == (GapReason.FILE_BREAK, RR_MS[3] * NS_PER_MS)


def test_what_is_no_interval_is_counted_with_its_line(tmp_path: Path) -> None:
    lines = ["812", "790", "lost", "805", "-5", "99999", "640"]
    _, events = read(write(tmp_path, lines))
    assert intervals(events) == [round(rr * 1.024) for rr in (812, 790, 805, 640)]
    assert [e.problem for e in events if isinstance(e, Dropped)] == [
        "3 are no intervals, the first in line 3: 'lost'",
    ]
    assert {e.reason for e in events if isinstance(e, Gap)} == {GapReason.NOT_A_NUMBER}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["20", "21", "22"], "got 21 typically"),
        (["100000", "200000"], "typically"),
        (["[Params]", "Version=106", "Interval=5", "[HRData]", "70"], "Interval=238"),
    ],
)
def test_what_are_no_intervals_is_refused_in_words(tmp_path: Path, lines: list[str], why: str) -> None:
    path = write(tmp_path, lines)
    if lines[0].startswith(
        "2044"
    ):  # plausible intervals of a slow heart: nothing can tell them from a converter's counts
        assert len(intervals(read(path)[1])) == 4
        return
    with pytest.raises(RecordingError, match=why):
        read(path)


def test_real_files_of_other_programs(data_dir: Path) -> None:
    for name, first_ms in (("rest_rri.txt", 1_114), ("exercise_rri.hrm", 1_589), ("noisy_rri.hrm", 904)):
        path = data_dir / "rr" / name
        _, events = read(path)
        text = path.read_text(encoding="latin-1").splitlines()
        body = text[text.index("[HRData]") + 1 :] if "[HRData]" in text else text
        expected = [int(line) for line in body if line.strip()]
        assert intervals(events) == [round(rr_ms * 1.024) for rr_ms in expected if rr_ms > 0]
        assert expected[0] == first_ms
        assert events[-1].received_ns >= sum(expected[:-1]) * NS_PER_MS

"""Whatever bytes a file holds: events in time order, or one RecordingError."""

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import RrBlock, SampleBlock


def edf(kind: bytes) -> bytes:
    """Four records of one second: four samples of ECG, and annotations that tell the time of each record."""
    head = b"0       " + b" " * 160 + b"01.01.2400.00.00" + b"768     " + kind.ljust(44) + b"4       1       2   "
    fields = (
        (b"ECG", b"EDF Annotations", 16), (b"", b"", 80), (b"mV", b"", 8), (b"-1", b"-1", 8), (b"1", b"1", 8),
        (b"-100", b"-32768", 8), (b"100", b"32767", 8), (b"", b"", 80), (b"4", b"8", 8), (b"", b"", 32),
    )  # fmt: skip
    told = b"".join(first.ljust(width) + second.ljust(width) for first, second, width in fields)
    records = (bytes(range(8)) + (b"+%d\x14\x14\x00" % (k * k)).ljust(16, b"\x00") for k in range(4))
    return head + told + b"".join(records)


def xdf() -> bytes:
    """Two streams of a few samples with clock offsets."""
    data = b"XDF:"
    for tag, content in (
        (1, b"<info><version>1.0</version></info>"),
        (2, struct.pack("<I", 1) + STREAM % (b"ECG", 10, b"int16", b"uV")),
        (2, struct.pack("<I", 2) + STREAM % (b"RR", 0, b"float32", b"ms")),
        (3, struct.pack("<IBB", 1, 1, 3) + b"".join(struct.pack("<Bdh", 8, 5 + k / 10, k) for k in range(3))),
        (4, struct.pack("<Idd", 1, 5.0, 0.1)),
        (3, struct.pack("<IBBBdf", 2, 1, 1, 8, 5.2, 812.0)),
    ):
        data += struct.pack("<BIH", 4, len(content) + 2, tag) + content
    return data


STREAM = (
    b"<info><name>A</name><type>%s</type><channel_count>1</channel_count><nominal_srate>%d</nominal_srate>"
    b"<channel_format>%s</channel_format><desc><channels><channel><unit>%s</unit></channel></channels></desc></info>"
)
HEADER = b"rec 2 100 20\nrec.dat 212 200(3)/mV 12 0 0 0 0 ECG\nrec.dat 212 10/V 12 0 0 0 0 RESP\n"
FIT = (
    bytes((14, 16, 0x5C, 8, 40, 0, 0, 0)) + b".FIT\x00\x00"
    + bytes((0x40, 0, 0, 78, 0, 1, 0, 10, 132, 0)) + bytes((32, 3, 33, 3, 34, 3, 35, 3, 255, 255)) * 3
)  # fmt: skip
TEXT = b"time_s;RR [ms]\n0,8;812\n1,6;790\nx;y\n3,2;801\n"
FILES = {
    "plus.edf": edf(b"EDF+C"), "breaks.edf": edf(b"EDF+D"), "rec.hea": HEADER, "a.xdf": xdf(), "a.fit": FIT,
    "a.txt": TEXT,
}  # fmt: skip


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Some bytes set to others, a cut at some length, perhaps something behind."""
    spots = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=8)

    def damage(told: tuple[list[tuple[int, int]], int, bytes]) -> bytes:
        changed = bytearray(whole)
        for at, byte in told[0]:
            changed[at] = byte
        return bytes(changed[: told[1]]) + told[2]

    return st.tuples(spots, st.integers(0, len(whole)), st.binary(max_size=16)).map(damage)


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_played(name: str, tmp_path: Path) -> None:
    (tmp_path / "rec.dat").write_bytes(bytes(range(60)))
    (tmp_path / name).write_bytes(FILES[name])
    recording = read_recording(tmp_path / name, rate_hz=None, chunk_ms=100)
    assert any(isinstance(event, SampleBlock | RrBlock) for event in recording.events())


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(draw=st.data())
def test_events_in_order_or_one_sentence(
    name: str, draw: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    (folder / "rec.dat").write_bytes(bytes(range(60)))
    (folder / name).write_bytes(draw.draw(damaged(FILES[name])))
    try:
        recording = read_recording(folder / name, rate_hz=None, chunk_ms=100)
        events = list(recording.events())
    except RecordingError:
        return
    times_ns = [event.received_ns for event in events]
    assert times_ns == sorted(times_ns)
    assert {event.stream_id for event in events} <= {info.stream_id for info in recording.streams}

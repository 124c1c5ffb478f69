"""Whatever bytes a file holds: events in time order, or one RecordingError."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from becalm_ingest.replay import read_recording
from becalm_protocol.errors import RecordingError

EDF = (
    b"0       " + b" " * 160 + b"01.01.2400.00.00" + b"512     " + b"EDF+D".ljust(44) + b"4       1       1   "
    + b"ECG".ljust(16) + b" " * 80 + b"mV      -1      1       -100    100     " + b" " * 80 + b"4       " + b" " * 32
    + bytes(range(32))
)  # fmt: skip
HEADER = b"rec 2 100 20\nrec.dat 212 200(3)/mV 12 0 0 0 0 ECG\nrec.dat 212 10/V 12 0 0 0 0 RESP\n"
XDF = (
    b"XDF:\x01\x05\x01\x00<a/>\x01\xc8\x02\x00\x01\x00\x00\x00"
    + b"<info><name>A</name><type>ECG</type><channel_count>1</channel_count><nominal_srate>10</nominal_srate>"
    b"<channel_format>int16</channel_format><desc><channels/></desc></info>".ljust(194)
    + b"\x01\x1b\x03\x00\x01\x00\x00\x00\x01\x02\x08"
    + bytes(8)
    + b"\x01\x00\x00\x02\x00"
)
FIT = (
    bytes((14, 16, 0x5C, 8, 40, 0, 0, 0)) + b".FIT\x00\x00"
    + bytes((0x40, 0, 0, 78, 0, 1, 0, 10, 132, 0)) + bytes((32, 3, 33, 3, 34, 3, 35, 3, 255, 255)) * 3
)  # fmt: skip
TEXT = b"time_s;RR [ms]\n0,8;812\n1,6;790\nx;y\n3,2;801\n"
FILES = {"a.edf": EDF, "rec.hea": HEADER, "a.xdf": XDF, "a.fit": FIT, "a.txt": TEXT}


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

"""BITalino frames, after BITalinoWorld's public interfaces (revolution-python-api: layout, CRC, commands)."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, bitalino
from becalm_ingest.devices.bitalino_frames import crc4, frame_bytes, parse_frame, parse_state
from becalm_ingest.devices.bitalino_wiring import parse_wiring
from becalm_protocol.events import Battery, Dropped, Gap, RawEvent, SampleBlock
from becalm_protocol.units import NS_PER_MS, NS_PER_S

WIDTHS_BITS = (10, 10, 10, 10, 6, 6)
PERIOD_NS = 10 * NS_PER_MS


def bitwise_crc(data: bytes) -> int:
    """The check as the board's firmware does it, a bit at a time."""
    crc = 0
    for byte in (*data[:-1], data[-1] & 0xF0):
        for bit in range(7, -1, -1):
            crc = (crc << 1) & 0x1F
            if crc & 0x10:
                crc ^= 0x13
            crc ^= byte >> bit & 1
    return crc & 0x0F


def frame(sequence: int, *analog: int) -> bytes:
    """The frame of a board, built from the front of its bits."""
    size = frame_bytes(len(analog))
    bits = f"{sequence % 16:04b}" + "0000" + "0000"
    bits += "".join(f"{count:0{width}b}" for count, width in zip(analog, WIDTHS_BITS, strict=False))
    raw = bytearray(int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")[::-1])
    raw[-1] |= bitwise_crc(bytes(raw))
    return bytes(raw)


def state(battery_count: int, *, n_bytes: int = 16) -> bytes:
    words = b"".join(count.to_bytes(2, "little") for count in (1, 2, 3, 1_023, 0, 63, battery_count))
    raw = bytearray(words + b"\x1e" + bytes(n_bytes - 16) + b"\xa0")
    raw[-1] |= bitwise_crc(bytes(raw))
    return bytes(raw)


def talk(text: str = "A2=ecg,A3=skin_conductance") -> bitalino.Conversation:
    wiring = parse_wiring(text)
    cursors = {
        t.kind: Cursor(stream_id=t.kind.value, sample_rate_hz=t.sample_rate_hz) for t in bitalino.family(wiring).streams
    }
    return bitalino.Conversation(cursors, wiring=wiring)


def parse(conversation: bitalino.Conversation, data: bytes, *, received_ns: int = NS_PER_S) -> tuple[RawEvent, ...]:
    return conversation.parse(data, channel="frames", received_ns=received_ns)


def samples(events: list[RawEvent], stream_id: str = "skin_conductance") -> list[int]:
    return [c for e in events if isinstance(e, SampleBlock) and e.stream_id == stream_id for c in e.counts]


def indices(events: list[RawEvent], stream_id: str = "skin_conductance") -> list[int]:
    return [
        e.first_sample_idx + n
        for e in events
        if isinstance(e, SampleBlock) and e.stream_id == stream_id
        for n in range(len(e.counts))
    ]


def live(frames: list[tuple[int, bytes]], text: str = "A2=ecg,A3=skin_conductance") -> list[RawEvent]:
    """What comes of frames that arrive on time, each by the number of its period."""
    conversation = talk(text)
    return [e for at, raw in frames for e in parse(conversation, raw, received_ns=NS_PER_S + at * PERIOD_NS)]


@pytest.mark.parametrize(("n_channels", "n_bytes"), [(1, 3), (2, 4), (3, 6), (4, 7), (5, 8), (6, 8)])
def test_frame_lengths(n_channels: int, n_bytes: int) -> None:
    assert frame_bytes(n_channels) == n_bytes


@given(st.binary(min_size=1, max_size=20))
def test_the_check_is_the_boards(data: bytes) -> None:
    assert crc4(data) == bitwise_crc(data)


@given(st.integers(0, 15), st.lists(st.integers(0, 1_023), min_size=1, max_size=6))
def test_every_frame_is_read_as_it_was_built(sequence: int, counts: list[int]) -> None:
    analog = tuple(c if n < 4 else c % 64 for n, c in enumerate(counts))
    raw = frame(sequence, *analog)
    read = parse_frame(raw, n_channels=len(analog))
    assert read is not None
    assert (read.sequence, read.analog) == (sequence, analog)


def test_a_frame_by_hand() -> None:
    # sequence 5; A1 = 0x2AA, A2 = 0x155 -> 0101 cccc 0000 1010101010 0101010101
    raw = bytes((0x55, 0xA9, 0x0A, 0x50))
    assert parse_frame(raw[:3] + bytes((0x50 | bitwise_crc(raw),)), n_channels=2) is not None
    read = parse_frame(raw[:3] + bytes((0x50 | crc4(raw),)), n_channels=2)
    assert read is not None
    assert read.analog == (0x2AA, 0x155)


@given(st.integers(0, 15), st.integers(0, 27))
def test_every_turned_bit_is_seen(sequence: int, bit: int) -> None:
    raw = bytearray(frame(sequence, 300, 700))
    raw[bit // 8] ^= 1 << bit % 8
    if bit // 8 < 3 or bit % 8 >= 4:
        assert parse_frame(bytes(raw), n_channels=2) is None


def test_the_commands() -> None:
    assert [w.data.hex() for w in talk("A1=respiration,A2=ecg,A3=skin_conductance").start()] == ["ff", "0b", "83", "1d"]
    assert [w.data.hex() for w in talk("A4=skin_conductance,rate_hz=10").start()] == ["ff", "0b", "43", "21"]
    assert [w.data.hex() for w in talk("A2=ecg,rate_hz=1000").start()] == ["ff", "0b", "c3", "09"]
    assert [w.data.hex() for w in talk().stop()] == ["00"]


def test_counts_are_the_converters_with_zero_in_the_middle_where_the_sensor_has_it() -> None:
    raw = b"".join(frame(n, 512 + n, 0, n) for n in range(3))
    events = list(parse(talk("A1=respiration,A2=ecg,A4=skin_conductance"), raw))
    assert samples(events, "respiration") == [0, 1, 2]
    assert samples(events, "ecg") == [-512] * 3
    assert samples(events) == [0, 1, 2]


def test_nothing_is_missing_where_nothing_is_lost() -> None:
    events = live([(n, frame(n, n % 900, n)) for n in range(1_000)])
    assert samples(events) == list(range(1_000))
    assert indices(events) == list(range(1_000))
    assert not [e for e in events if isinstance(e, Gap | Dropped)]


@given(st.lists(st.integers(1, 400), max_size=12))
def test_frames_cut_anywhere_are_the_same_samples(cuts: list[int]) -> None:
    text = b"".join(frame(n, 500, n) for n in range(100))
    bounds = [0, *sorted(cuts), len(text)]
    conversation = talk()
    events = [e for start, end in pairwise(bounds) for e in parse(conversation, text[start:end])]
    assert samples(events) == list(range(100))


@pytest.mark.parametrize("n_lost", [1, 2, 15])
def test_lost_frames_are_counted_by_their_numbers(n_lost: int) -> None:
    kept = [n for n in range(60) if not 20 <= n < 20 + n_lost]
    events = live([(n, frame(n, 500, n)) for n in kept])
    assert indices(events) == kept
    gaps = [e for e in events if isinstance(e, Gap)]
    assert [(g.stream_id, g.n_missing) for g in gaps] == [("ecg", n_lost), ("skin_conductance", n_lost)]


@pytest.mark.parametrize("n_lost", [16, 32, 53, 160])
def test_whole_rounds_are_found_by_the_lag_that_stays(n_lost: int) -> None:
    kept = [n for n in range(1_600) if not 400 <= n < 400 + n_lost]
    events = live([(n, frame(n, 500, n % 1_024)) for n in kept])
    assert sum(e.n_missing or 0 for e in events if isinstance(e, Gap) and e.stream_id == "ecg") == n_lost
    assert indices(events)[-1] == 1_599


def test_a_burst_after_a_stall_is_no_gap() -> None:
    frames = [(n if n < 200 or n >= 330 else 330, frame(n, 500, n)) for n in range(800)]
    events = live(frames)
    assert indices(events) == list(range(800))
    assert not [e for e in events if isinstance(e, Gap)]


def test_slow_and_fast_boards_lose_nothing() -> None:
    for drift in (-200e-6, 200e-6):
        conversation = talk()
        events: list[RawEvent] = []
        for n in range(0, 60_000, 10):
            raw = b"".join(frame(k, 500, k % 1_000) for k in range(n, n + 10))
            events += parse(conversation, raw, received_ns=round(NS_PER_S + n * PERIOD_NS * (1 + drift)))
        assert len(samples(events)) == 60_000
        assert not [e for e in events if isinstance(e, Gap | Dropped)]


@pytest.mark.parametrize("n_frames", [1, 3, 15, 16, 17, 32])
def test_notifications_delivered_twice_are_taken_once(n_frames: int) -> None:
    conversation = talk()
    events: list[RawEvent] = []
    for n in range(0, 10 * n_frames, n_frames):
        raw = b"".join(frame(k, 500, k) for k in range(n, n + n_frames))
        for _ in range(2 if n > 2 * n_frames else 1):
            events += parse(conversation, raw, received_ns=NS_PER_S + (n + n_frames) * PERIOD_NS)
    assert samples(events) == list(range(10 * n_frames))
    assert not [e for e in events if isinstance(e, Gap)]
    assert [e for e in events if isinstance(e, Dropped)]


@pytest.mark.parametrize("n_junk", [1, 3, 50])
def test_after_bytes_that_are_no_frame_it_falls_into_step_again(n_junk: int) -> None:
    junk = random.Random(n_junk).randbytes(n_junk)
    text = b"".join(frame(n, 500, n) for n in range(30))
    broken = text[:40] + junk + text[44:]  # frame 10 is lost in it
    events = list(parse(talk(), broken))
    assert samples(events) == [n for n in range(30) if n != 10]
    assert [e.n_missing for e in events if isinstance(e, Gap)] == [1, 1]
    dropped = [e for e in events if isinstance(e, Dropped)]
    assert dropped
    assert dropped[0].problem.startswith("bitalino: expected frames")


@pytest.mark.parametrize(("count", "level_pct"), [(1_023, 100), (652, 100), (590, 50), (528, 0), (0, 0)])
@pytest.mark.parametrize("n_bytes", [16, 17])
def test_the_battery_from_the_boards_state(count: int, level_pct: int, n_bytes: int) -> None:
    events = parse(talk(), state(count, n_bytes=n_bytes) + b"".join(frame(n, 500, n) for n in range(3)))
    (battery,) = [e for e in events if isinstance(e, Battery)]
    assert battery.level_pct == pytest.approx(level_pct, abs=2)
    assert samples(list(events)) == [0, 1, 2]


@pytest.mark.parametrize("n_bytes", range(16))
def test_a_state_cut_short_is_none(n_bytes: int) -> None:
    assert parse_state(state(600)[:n_bytes]) is None


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_any_bytes_give_events(pieces: list[bytes]) -> None:
    conversation = talk()
    for n, piece in enumerate(pieces):
        events = parse(conversation, piece, received_ns=n * NS_PER_S)
        assert all(isinstance(e, SampleBlock | Gap | Dropped | Battery) for e in events)


@given(st.lists(st.integers(0, 15), max_size=60), st.integers(0, 200))
def test_frames_in_any_order_give_events(sequences: list[int], step_ms: int) -> None:
    conversation = talk()
    for n, sequence in enumerate(sequences):
        parse(conversation, frame(sequence, 1, 2), received_ns=n * step_ms * NS_PER_MS)

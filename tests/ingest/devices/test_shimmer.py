"""Shimmer3R bytes, after the maker's public web SDK (commands, inquiry, packets, the amplifier's equation)."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, shimmer
from becalm_protocol.events import Dropped, Gap, RawEvent, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

PERIOD_TICKS = 2_048
ACK = b"\xff"


def talk(*, sample_rate_hz: float = 16.0) -> shimmer.Conversation:
    return shimmer.Conversation({SignalKind.SKIN_CONDUCTANCE: Cursor(stream_id="skin", sample_rate_hz=sample_rate_hz)})


def sample(n: int, raw: int = 0x8000 | 1_000, *, extra: bytes = b"") -> bytes:
    return b"\0" + (n * PERIOD_TICKS % 2**24).to_bytes(3, "little") + extra + raw.to_bytes(2, "little")


def inquiry(*channels: int, period_ticks: int = PERIOD_TICKS) -> bytes:
    return b"\x02" + period_ticks.to_bytes(2, "little") + bytes(7) + bytes((len(channels), 1, *channels))


def parse(conversation: shimmer.Conversation, data: bytes, *, received_ns: int = NS_PER_S) -> tuple[RawEvent, ...]:
    return conversation.parse(data, channel="data", received_ns=received_ns)


def samples(events: list[RawEvent]) -> list[int]:
    return [count for event in events if isinstance(event, SampleBlock) for count in event.counts]


def live(numbers: list[int]) -> list[RawEvent]:
    """What comes of samples that arrive on time."""
    conversation = talk()
    return [e for n in numbers for e in parse(conversation, sample(n), received_ns=n * NS_PER_S // 16)]


@pytest.mark.parametrize(
    ("raw", "us"),
    [
        (4_095, 5_000 / 40.2),
        (0x4000 | 4_095, 5_000 / 287),
        (0x8000 | 1_365, 1.0),
        (0xC000 | 1_365, 1 / 3.3),
        (0xC000 | 683, 0.000222),
        (0x8000 | 600, 0.0),
        (0, 0.0),
    ],
)
def test_conductance_by_range(raw: int, us: float) -> None:
    assert shimmer.skin_us(raw) == pytest.approx(us, abs=2e-6)


@given(st.integers(0, 3), st.integers(683, 4_095))
def test_the_counts_kept_tell_the_converters_count(gain: int, adc: int) -> None:
    counts = [round(shimmer.skin_us(gain << 14 | near) / shimmer.SKIN_US_PER_COUNT) for near in (adc - 1, adc)]
    assert counts[1] > counts[0] or adc == 683


def test_the_commands_set_sensor_rate_and_range_and_start() -> None:
    conversation = talk()
    assert [(w.data.hex(" "), w.expects_answer) for w in conversation.start()] == [
        ("20", False),
        ("08 04 00 00", True),
        ("05 00 08", True),
        ("21 04", True),
        ("01", True),
        ("07", True),
    ]
    assert [w.data.hex() for w in conversation.stop()] == ["20"]


def test_answers_and_samples_in_any_pieces() -> None:
    numbers = range(8_185, 8_205)  # the clock wraps at 8,192
    text = ACK * 3 + ACK + inquiry(0x1C) + ACK + b"\x8a\x71\x10\x00"
    text += b"".join(sample(n, 0x8000 | n - 7_000) for n in numbers) + b"\x8a\x94\x34\x0b\x00" + sample(8_205)
    for seed in range(30):
        cuts = sorted(random.Random(seed).sample(range(len(text)), 9))
        conversation = talk()
        events = [e for a, b in pairwise([0, *cuts, len(text)]) for e in parse(conversation, text[a:b])]
        assert conversation.n_answers == 5
        assert [type(event) for event in events] == [SampleBlock] * 21
        assert samples(events)[:2] == [round((6 * (n - 7_000) / 4_095 - 1) * 10_000) for n in (8_185, 8_186)]
        stamps = [e.sensor_ns for e in events if isinstance(e, SampleBlock) and e.sensor_ns is not None]
        assert {b - a for a, b in pairwise(stamps)} == {NS_PER_S // 16}


def test_other_channels_are_passed_over_where_the_inquiry_names_them() -> None:
    conversation = talk()
    parse(conversation, ACK + inquiry(0x00, 0x1D, 0x1C, 0x12))
    text = b"".join(
        sample(n, 0x8000 | 1_365, extra=b"\xff\xff\x00")[:-2] + (0x8000 | 1_365).to_bytes(2, "little") + b"\x00\x02"
        for n in range(5)
    )
    assert samples(list(parse(conversation, text))) == [10_000] * 5


def test_a_sensor_without_electrodes_is_refused_with_words() -> None:
    conversation = talk()
    parse(conversation, ACK + inquiry(0x00, 0x01))
    assert conversation.refusal is not None
    assert "no skin conductance" in conversation.refusal.problem


def test_a_refused_setting_is_said_but_not_while_it_streams() -> None:
    conversation = talk()
    parse(conversation, b"\xfe")
    assert conversation.refusal is not None
    streaming = talk()
    parse(streaming, sample(0) + sample(1) + b"\xfe")
    assert streaming.refusal is None


def test_lost_samples_are_counted_by_the_sensors_clock() -> None:
    numbers = [n for n in range(40) if n not in (20, 21, 22)]
    events = live(numbers)
    assert [e.n_missing for e in events if isinstance(e, Gap)] == [3]
    assert [e.first_sample_idx for e in events if isinstance(e, SampleBlock)] == numbers


@pytest.mark.parametrize("cut", range(1, 6))
def test_after_lost_bytes_it_falls_into_step_again(cut: int) -> None:
    text = b"".join(sample(n) for n in range(100, 140))
    broken = text[: 20 * 6 + cut] + text[21 * 6 + 2 :]  # a piece of samples 20 and 21 never came
    events = list(parse(talk(), broken, received_ns=3 * NS_PER_S))
    kept = [e.first_sample_idx for e in events if isinstance(e, SampleBlock)]
    assert {*range(20), *range(23, 40)} <= set(kept)
    assert set(samples(events)) == {4_652}  # what is kept is true


def test_a_sample_that_comes_twice_is_taken_once() -> None:
    conversation = talk()
    events: list[RawEvent] = []
    for n in range(0, 40, 2):
        for _ in range(2):
            events += parse(conversation, sample(n) + sample(n + 1), received_ns=n * NS_PER_S // 16)
    taken = [e.first_sample_idx for e in events if isinstance(e, SampleBlock)]
    assert taken == sorted(set(taken))
    assert set(range(2, 40)) <= {*taken, 0, 1}


def test_a_clock_set_anew_is_a_gap_of_unknown_length() -> None:
    conversation = talk()
    parse(conversation, sample(3_000) + sample(3_001))
    events = parse(conversation, sample(5) + sample(6) + sample(7), received_ns=2 * NS_PER_S)
    gaps = [e.n_missing for e in events if isinstance(e, Gap)]
    assert gaps == [None]
    assert len(samples(list(events))) >= 2


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_any_bytes_give_events(pieces: list[bytes]) -> None:
    conversation = talk()
    for n, piece in enumerate(pieces):
        events = parse(conversation, piece, received_ns=n * NS_PER_MS)
        assert all(isinstance(e, SampleBlock | Gap | Dropped) for e in events)


@given(st.lists(st.one_of(st.integers(0, 9_000).map(sample), st.binary(max_size=9)), max_size=40))
def test_samples_among_noise_give_events(pieces: list[bytes]) -> None:
    conversation = talk()
    for n, piece in enumerate(pieces):
        parse(conversation, piece, received_ns=n * NS_PER_MS)

"""ECG of Polar Measurement Data, after the public description of its frames (online_measurement.pdf, 1.0)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, Selective, polar_pmd
from becalm_ingest.devices.polar_choice import KINDS, USUAL, plan
from becalm_ingest.devices.polar_control import Settings
from becalm_ingest.devices.polar_frames import Measurement
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Gap, GapReason, RawEvent, RrBlock, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

STREAM = "b" * 32
EPOCH_NS = 599_616_000 * NS_PER_S
FRAME_NS = round(73 * NS_PER_S / 130)


def frame(stamp_ns: int, *ecg_uv: int) -> bytes:
    samples = b"".join(uv.to_bytes(3, "little", signed=True) for uv in ecg_uv)
    return struct.pack("<BQB", 0, stamp_ns, 0) + samples


def talk() -> tuple[polar_pmd.Conversation, Cursor]:
    cursor = Cursor(stream_id=STREAM, sample_rate_hz=130.0)
    return polar_pmd.Conversation({SignalKind.ECG: cursor}), cursor


def feed(
    conversation: polar_pmd.Conversation, n: int, *, late_ns: int = 0, drift: float = 1.0
) -> list[SampleBlock | Gap]:
    """Feed the n-th frame of an unbroken recording."""
    stamp_ns = EPOCH_NS + round(n * FRAME_NS * drift)
    received_ns = NS_PER_S + round(n * FRAME_NS * drift) + late_ns
    events = conversation.parse(frame(stamp_ns, *([n] * 73)), channel="data", received_ns=received_ns)
    return [event for event in events if isinstance(event, SampleBlock | Gap)]


def test_commands_are_those_of_the_specification() -> None:
    conversation, _ = talk()
    (start,) = conversation.start()
    (stop,) = conversation.stop()
    assert start.data.hex(" ") == "02 00 00 01 82 00 01 01 0e 00"
    assert stop.data.hex(" ") == "03 00"
    assert start.uuid == stop.uuid == "fb005c81-02e7-f387-1cad-8acd2d8df0c8"


def test_samples_are_signed_24_bit_microvolts() -> None:
    data = frame(EPOCH_NS, 0, -1, 8_388_607, -8_388_608, 1_000)
    (block,) = talk()[0].parse(data, channel="data", received_ns=7)
    assert block == SampleBlock(
        stream_id=STREAM,
        received_ns=7,
        first_sample_idx=0,
        sensor_ns=EPOCH_NS,
        counts=(0, -1, 8_388_607, -8_388_608, 1_000),
    )


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (b"", "header"),
        (frame(0, 1)[:9], "header"),
        (frame(0), "samples"),
        (frame(0, 1)[:-1], "samples"),
        (b"\x02" + frame(0, 1)[1:], "what was started"),
        (frame(0, 1)[:9] + b"\x80" + bytes(3), "known frame"),
        (frame(2**63, 1), "stamp"),
    ],
)
def test_wrong_frames(wrong: bytes, why: str) -> None:
    with pytest.raises(DeviceDataError, match=why):
        talk()[0].parse(wrong, channel="data", received_ns=0)


def test_an_unbroken_stream_has_no_gap_though_the_strap_runs_fast_and_the_link_stalls() -> None:
    conversation, _ = talk()
    late_ns = [0, 5 * NS_PER_MS, 2_600 * NS_PER_MS, 2_100 * NS_PER_MS, 1_500 * NS_PER_MS, 0, 0]
    told = [event for n, late in enumerate(late_ns) for event in feed(conversation, n, late_ns=late, drift=0.98)]
    assert [type(event) for event in told] == [SampleBlock] * 7
    assert [event.first_sample_idx for event in told if isinstance(event, SampleBlock)] == [73 * n for n in range(7)]


@pytest.mark.parametrize("n_lost", [1, 2, 5])
def test_lost_frames_are_counted_by_the_straps_clock(n_lost: int) -> None:
    conversation, _ = talk()
    feed(conversation, 0)
    gap, block = feed(conversation, 1 + n_lost)
    assert isinstance(gap, Gap)
    assert gap.n_missing == 73 * n_lost
    assert isinstance(block, SampleBlock)
    assert block.first_sample_idx == 73 * (1 + n_lost)


def test_the_same_frame_twice_is_refused() -> None:
    conversation, _ = talk()
    feed(conversation, 0)
    with pytest.raises(DeviceDataError, match="again"):
        feed(conversation, 0)


@pytest.mark.parametrize("jump_ns", [-30 * NS_PER_S, 7 * 365 * 86_400 * NS_PER_S])
def test_a_clock_that_was_set_anew_is_a_gap_of_unknown_length(jump_ns: int) -> None:
    conversation, _ = talk()
    feed(conversation, 40)
    stamp_ns = EPOCH_NS + 41 * FRAME_NS + jump_ns
    gap, block = conversation.parse(frame(stamp_ns, *([1] * 73)), channel="data", received_ns=NS_PER_S + 41 * FRAME_NS)
    assert isinstance(gap, Gap)
    assert gap.n_missing is None
    assert isinstance(block, SampleBlock)
    assert block.sensor_ns == stamp_ns


def test_over_a_reconnect_the_strap_counts_what_is_missing() -> None:
    first, cursor = talk()
    feed(first, 0)
    cursor.mark_break(GapReason.LINK_LOST)
    second = polar_pmd.Conversation({SignalKind.ECG: cursor})
    gap, block = feed(second, 10)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.n_missing) == (GapReason.LINK_LOST, 73 * 9)
    assert isinstance(block, SampleBlock)
    assert block.first_sample_idx == 730


@pytest.mark.parametrize("answer", ["f0 02 00 00 00", "f0 02 00 06 00"])
def test_started_or_running_already(answer: str) -> None:
    conversation, _ = talk()
    assert conversation.parse(bytes.fromhex(answer), channel="control", received_ns=0) == ()
    assert conversation.n_answers == 1
    conversation.parse(
        bytes.fromhex("f0 03 00 06"), channel="control", received_ns=0
    )  # of a stop before: not waited for
    assert conversation.n_answers == 1
    assert conversation.refusal is None


@pytest.mark.parametrize(("error", "why"), [(10, "packets too small"), (13, "charger"), (99, "error 99")])
def test_a_refusal_is_said_in_words(error: int, why: str) -> None:
    conversation, _ = talk()
    conversation.parse(bytes([0xF0, 2, 0, error]), channel="control", received_ns=0)
    assert why in str(conversation.refusal)


def test_an_end_by_the_strap_and_other_control_frames() -> None:
    conversation, _ = talk()
    conversation.parse(bytes.fromhex("0f 05 00"), channel="control", received_ns=0)
    conversation.parse(bytes.fromhex("01 02"), channel="control", received_ns=0)  # acceleration ended: not ours
    assert conversation.refusal is None
    conversation.parse(bytes.fromhex("01 00"), channel="control", received_ns=0)
    assert "ended" in str(conversation.refusal)
    with pytest.raises(DeviceDataError):
        conversation.parse(b"\x77", channel="control", received_ns=0)


@pytest.mark.parametrize("n_between", [0, 1, 6])
def test_a_frame_that_comes_again_later_is_refused(n_between: int) -> None:
    conversation, _ = talk()
    for n in range(n_between + 1):
        feed(conversation, n)
    with pytest.raises(DeviceDataError, match="again"):
        feed(conversation, 0, late_ns=n_between * FRAME_NS)


def test_a_signal_refused_beside_others_is_given_up_alone() -> None:
    ecg, axes = Cursor(stream_id=STREAM, sample_rate_hz=130.0), KINDS[Measurement.ACC]
    cursors = {SignalKind.ECG: ecg} | {kind: Cursor(stream_id=kind.value, sample_rate_hz=50.0) for kind in axes}
    acceleration = plan(Measurement.ACC, {Measurement.ACC: Settings(rates_hz=(50,))})
    assert acceleration is not None
    conversation = polar_pmd.Conversation(cursors, plans=(*USUAL, acceleration))
    assert isinstance(conversation, Selective)
    assert conversation.refused == {}
    conversation.parse(bytes.fromhex("f0 02 00 00 00"), channel="control", received_ns=0)
    conversation.parse(bytes.fromhex("f0 02 02 09 00"), channel="control", received_ns=0)
    assert conversation.refusal is None
    assert set(conversation.refused) == set(axes)
    assert "does not have that range" in str(conversation.refused[SignalKind.ACCELERATION_Z])
    assert [write.data.hex(" ") for write in conversation.stop()] == ["03 00"]
    with pytest.raises(DeviceDataError, match="what was started"):
        conversation.parse(b"\x02" + frame(EPOCH_NS, 1)[1:9] + b"\x01" + bytes(6), channel="data", received_ns=0)
    assert len(feed(conversation, 1)) == 1
    conversation.parse(bytes.fromhex("f0 02 00 0c 00"), channel="control", received_ns=0)
    assert conversation.refusal is not None


def test_lost_frames_of_acceleration_are_a_gap_on_each_axis() -> None:
    axes = KINDS[Measurement.ACC]
    conversation = polar_pmd.Conversation({kind: Cursor(stream_id=kind.value, sample_rate_hz=50.0) for kind in axes})
    told: list[RawEvent] = []
    for n in (1, 2, 5):
        stamp_ns = EPOCH_NS + n * 36 * NS_PER_S // 50
        data = b"\x02" + stamp_ns.to_bytes(8, "little") + b"\x01" + bytes(6 * 36)
        told += conversation.parse(data, channel="data", received_ns=stamp_ns - EPOCH_NS)
    gaps = [event for event in told if isinstance(event, Gap)]
    assert [(gap.stream_id, gap.n_missing) for gap in gaps] == [(kind.value, 72) for kind in axes]
    ends = [event.first_sample_idx for event in told if isinstance(event, SampleBlock)][-3:]
    assert ends == [144] * 3


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ecg", "ppg", "acc", "ppi", "control"]), st.binary(max_size=40), st.integers(0, 10**10)
        )
    )
)
def test_any_bytes_give_events_or_device_data_error(sent: list[tuple[str, bytes, int]]) -> None:
    kinds = [kind for each in KINDS.values() for kind in each]
    conversation = polar_pmd.Conversation({kind: Cursor(stream_id=STREAM, sample_rate_hz=50.0) for kind in kinds})
    for channel, data, received_ns in sent:
        prefix = {"ecg": b"\x00", "ppg": b"\x01", "acc": b"\x02", "ppi": b"\x03"}.get(channel, b"")
        try:
            events = conversation.parse(prefix + data, channel=channel, received_ns=received_ns)
        except DeviceDataError:
            continue
        assert all(isinstance(event, SampleBlock | RrBlock | Gap) for event in events)


@given(st.integers(0, 239))
def test_a_frame_cut_at_any_length(n_bytes: int) -> None:
    whole = frame(EPOCH_NS, *range(73))
    conversation, _ = talk()
    if n_bytes >= 13 and (n_bytes - 10) % 3 == 0:
        (block,) = conversation.parse(whole[:n_bytes], channel="data", received_ns=0)
        assert isinstance(block, SampleBlock)
    elif n_bytes < len(whole):
        with pytest.raises(DeviceDataError):
            conversation.parse(whole[:n_bytes], channel="data", received_ns=0)

"""Silence of a stream, told in time."""

from becalm_ingest.devices import Cursor, StreamTemplate, heart_rate, polar_pmd, vernier_belt
from becalm_ingest.watch import Watch
from becalm_protocol.events import Gap, GapReason, RawEvent, SampleBlock, StreamState
from becalm_protocol.units import NS_PER_S


def watched(template: StreamTemplate) -> tuple[Watch, Cursor]:
    cursor = Cursor(stream_id="a" * 32, sample_rate_hz=template.sample_rate_hz)
    return Watch(cursor=cursor, template=template, began_ns=0), cursor


BELT = vernier_belt.FAMILY.streams[0]


def test_streaming_late_and_lost_are_each_told_once() -> None:
    watch, _ = watched(BELT)
    told = [watch.hear(0), watch.hear(NS_PER_S)]
    told += [watch.check(NS_PER_S + tenth * NS_PER_S // 10) for tenth in range(40)]
    states = [(status.state, status.received_ns) for status in told if status is not None]
    assert states == [
        (StreamState.STREAMING, 0),
        (StreamState.LATE, round(2.6 * NS_PER_S)),
        (StreamState.LOST, round(4.0 * NS_PER_S)),
    ]


def test_a_stream_that_goes_on_after_being_late_begins_with_a_gap() -> None:
    watch, cursor = watched(BELT)
    watch.hear(0)
    cursor.block((1,), received_ns=0)
    assert watch.check(2 * NS_PER_S)
    status = watch.hear(2 * NS_PER_S)
    assert status is not None
    assert status.state is StreamState.STREAMING
    gap, block = cursor.block((1,), received_ns=2 * NS_PER_S)
    assert isinstance(gap, Gap)
    assert (gap.start_ns, gap.end_ns, gap.reason) == (0, round(1.9 * NS_PER_S), GapReason.SENSOR_SILENT)
    assert block.received_ns == 2 * NS_PER_S


def arrive(watch: Watch, cursor: Cursor, at_s: float) -> list[RawEvent]:
    """Let one sample arrive, as a talk does."""
    received_ns = round(at_s * NS_PER_S)
    events = cursor.block((1,), received_ns=received_ns)
    watch.hear(received_ns)
    return list(events)


def stand_still(watch: Watch, cursor: Cursor, *, n_lost: int) -> list[RawEvent]:
    """Stream for 5 s, stand still for 2 s, bring what was held but for `n_lost`, and go on for 5 s."""
    events = [event for tenth in range(50) for event in arrive(watch, cursor, tenth / 10)]
    told = watch.check(round(6.6 * NS_PER_S))
    assert told is not None
    assert told.state is StreamState.LATE
    events += [event for held in range(20 - n_lost) for event in arrive(watch, cursor, 6.95 + held / 1000)]
    return [*events, *(event for tenth in range(70, 120) for event in arrive(watch, cursor, tenth / 10))]


def test_a_standstill_that_lost_nothing_is_no_gap() -> None:
    watch, cursor = watched(BELT)
    assert not [event for event in stand_still(watch, cursor, n_lost=0) if isinstance(event, Gap)]
    assert cursor.next_sample_idx == 120


def test_samples_that_a_standstill_lost_are_told_once_the_burst_is_over() -> None:
    watch, cursor = watched(BELT)
    events = stand_still(watch, cursor, n_lost=9)
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.n_missing, gap.reason) == (9, GapReason.SENSOR_SILENT)
    assert gap.end_ns - gap.start_ns == round(0.9 * NS_PER_S)
    assert gap.end_ns < 9.5 * NS_PER_S
    assert cursor.next_sample_idx == 120


def test_a_link_lost_while_the_burst_is_judged_is_one_gap_over_all_of_it() -> None:
    watch, cursor = watched(BELT)
    stand_still(watch, cursor, n_lost=0)
    cursor.mark_missing(5)
    watch.lose(12 * NS_PER_S, reason=GapReason.LINK_LOST)
    gap, block = cursor.block((1,), received_ns=14 * NS_PER_S)
    assert isinstance(gap, Gap)
    assert isinstance(block, SampleBlock)
    assert (gap.start_ns, gap.reason) == (round(11.4 * NS_PER_S), GapReason.LINK_LOST)
    assert block.first_sample_idx == 120 + 25


def test_a_strap_with_a_clock_tells_by_itself_whether_samples_are_missing() -> None:
    watch, cursor = watched(polar_pmd.FAMILY.streams[0])
    watch.hear(0)
    cursor.block((1,), received_ns=0, sensor_ns=5)
    assert watch.check(round(2.5 * NS_PER_S))
    assert len(cursor.block((1,), received_ns=round(2.5 * NS_PER_S), sensor_ns=6, n_missing=0)) == 1


def test_the_next_check_is_never_too_late_nor_at_once() -> None:
    watch, _ = watched(heart_rate.FAMILY.streams[0])
    watch.hear(0)
    assert watch.due_s(NS_PER_S) == 3.0
    watch.check(4 * NS_PER_S)
    assert watch.due_s(4 * NS_PER_S) == 4.0


def test_a_lost_link_is_lost_at_once_and_ended_when_stopped() -> None:
    watch, _ = watched(BELT)
    lost = watch.lose(7, reason=GapReason.LINK_LOST)
    ended = watch.end(8)
    assert [status.state for status in (lost, ended) if status] == [StreamState.LOST, StreamState.ENDED]
    assert watch.lose(9, reason=GapReason.LINK_LOST) is not None

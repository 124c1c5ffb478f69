"""Silence of a stream, told in time."""

from becalm_ingest.devices import Cursor, StreamTemplate, heart_rate, polar_pmd, vernier_belt
from becalm_ingest.watch import Watch
from becalm_protocol.events import Gap, GapReason, StreamState
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

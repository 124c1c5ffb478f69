"""What became of each notification, gap, beat and sample that the tap heard."""

from dataclasses import replace

from tests.cli.radio_log import BEGAN_NS, BELT, SKIN, STRAP, block, fates, force, gap, heard, line, log_of, stream

from becalm_cli.radio_account import (
    AFTER_END,
    ALTERED,
    COVERED,
    DUPLICATED,
    FATES,
    LOST,
    NO_MEASUREMENT,
    STORED,
    TOLD,
    UNREAD,
    count_repeats,
    count_sequence_faults,
    match,
)
from becalm_cli.radio_score import RadioScore
from becalm_cli.radio_time import beat_errors_ms, count_disorder, judge_gaps, placements_ms
from becalm_cli.radio_wear import Struck
from becalm_protocol.events import (
    Dropped,
    RrBlock,
    SignalKind,
    StreamState,
    StreamStatus,
)
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.sensors.belt import RESPONSE
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.polar_stream import PMD_DATA
from becalm_simulator.sensors.skin import UART_TX


# ----------------------------------------------------------------------------------------------------------- account
def test_each_notification_meets_one_fate() -> None:
    kind = SignalKind.SKIN_CONDUCTANCE
    log = log_of(*(line(at_s, 100 + at_s) for at_s in range(1, 8)))
    ended = StreamStatus(stream_id=kind.value, received_ns=ns_from_s(6.5), state=StreamState.ENDED)
    told = Dropped(stream_id=kind.value, received_ns=ns_from_s(4) + 10_000, problem="no line")
    stored = stream(kind, [block(1, 101), block(2, 102, 102), block(3, 999), told, gap(4.5, 5.5), ended])
    assert fates(log, stored) == {STORED: 1, DUPLICATED: 1, ALTERED: 1, TOLD: 1, COVERED: 1, LOST: 1, AFTER_END: 1}


def test_all_that_was_heard_is_counted_once() -> None:
    notifications = [heard(UART_TX, b"eda_us=1.0", 1.0), heard(UART_TX, b",t_ms=1\neda", 1.1), force(2, 1, 9)]
    log = log_of(*notifications, heard(RESPONSE, bytes((0x98, 6, 1, 0, 0x18, 1)), 2.1, address=BELT))
    found = fates(log, stream(SignalKind.SKIN_CONDUCTANCE, [block(1.1, 10_000)]))
    assert found == {STORED: 1, LOST: 2, NO_MEASUREMENT: 1}
    assert set(found) <= set(FATES)


def test_the_same_samples_in_two_events_are_stored_twice() -> None:
    log = log_of(line(1, 500))
    twice = stream(SignalKind.SKIN_CONDUCTANCE, [block(1, 500), block(1, 500)])
    assert fates(log, twice) == {DUPLICATED: 1}
    assert match(log, [stream(SignalKind.SKIN_CONDUCTANCE, [block(9, 500)])]).unheard == [block(9, 500)]


def test_a_beatless_heart_rate_is_stored_by_its_empty_block() -> None:
    log = log_of(heard(HEART_RATE, b"\x00\x3c", 1.0, address=STRAP))
    empty = RrBlock(stream_id="rr", received_ns=ns_from_s(1.0) + 10_000, rr_1024=())
    assert fates(log, stream(SignalKind.RR, [empty])) == {STORED: 1}
    assert fates(log, stream(SignalKind.RR, [empty, empty])) == {DUPLICATED: 1}
    assert fates(log, stream(SignalKind.RR, [])) == {LOST: 1}


def test_other_measurements_of_a_strap_count_as_stored_where_anything_of_them_is() -> None:
    motion = bytes((2, *bytes(8), 1)) + bytes(6)
    log = log_of(*(heard(PMD_DATA, motion, at_s, address=STRAP) for at_s in (1.0, 2.0)))
    assert fates(log, stream(SignalKind.ECG, [block(1, 5, kind=SignalKind.ECG)])) == {UNREAD: 1, LOST: 1}


def test_what_bleak_delivers_twice_is_told_apart_from_what_a_sensor_says_twice() -> None:
    log = log_of(force(1.0, 1, 9), force(1.001, 1, 9), force(1.1, 1, 9), force(1.101, 1, 9))
    blocks = [block(at_s, 1, kind=SignalKind.RESPIRATION) for at_s in (1.0, 1.001, 1.1)]
    matched = match(log, [stream(SignalKind.RESPIRATION, blocks)])
    assert count_repeats(log, matched) == {"delivered_twice": 2, "of_these_stored_twice": 1}


def test_holes_in_the_sequence_numbers_show() -> None:
    stored = stream(SignalKind.SKIN_CONDUCTANCE, [block(1, 1), block(2, 2), block(3, 3)])
    assert count_sequence_faults([stored]) == {"missing": 0, "repeated": 0}
    stored.seqs = [1, 3, 3]
    assert count_sequence_faults([stored]) == {"missing": 1, "repeated": 1}


# -------------------------------------------------------------------------------------------------------------- time
def test_gaps_are_held_against_what_the_sensor_missed() -> None:
    times_s = (1.0, 1.125, 2.0, 2.125, 3.0)
    log = log_of(*(line(at_s, 7) for at_s in times_s))
    blocks = [block(at_s, 7) for at_s in times_s]
    stored = stream(SignalKind.SKIN_CONDUCTANCE, [*blocks[:3], gap(2.0, 2.1), *blocks[3:]])
    found = judge_gaps(log, [stored], match(log, [stored]))
    assert found == {"gaps": 1, "gaps_over_nothing": 1, "holes_told_later": 0, "holes_without_gap": 2}
    later = replace(gap(2.0, 2.1), n_missing=6)
    stored = stream(SignalKind.SKIN_CONDUCTANCE, [*blocks[:3], later, *blocks[3:]])
    found = judge_gaps(log, [stored], match(log, [stored]))
    assert found == {"gaps": 1, "gaps_over_nothing": 1, "holes_told_later": 1, "holes_without_gap": 1}


def test_a_belt_tells_what_is_missing_by_its_counter_within_a_connection() -> None:
    kind = SignalKind.RESPIRATION
    heard_forces = [force(1.0, 1, 0), force(1.1, 2, 255), force(1.2, 3, 250), force(2.0, 4, 9, link=2)]
    blocks = [block(at_s, n, kind=kind) for n, at_s in enumerate((1.0, 1.1, 1.2, 2.0), start=1)]
    stored = stream(kind, [*blocks[:3], gap(1.2, 1.9, kind), blocks[3]])
    log = log_of(*heard_forces)
    found = judge_gaps(log, [stored], match(log, [stored]))
    assert found == {"gaps": 1, "gaps_over_nothing": 0, "holes_told_later": 0, "holes_without_gap": 1}


def test_steps_back_in_time_are_counted() -> None:
    orderly = stream(SignalKind.SKIN_CONDUCTANCE, [block(1, 1, 1, idx=0), block(2, 1, idx=2)])
    assert sum(count_disorder([orderly], [("ecg", 1), ("rr", 1), ("ecg", 2)]).values()) == 0
    back = stream(SignalKind.SKIN_CONDUCTANCE, [block(2, 1, 1, idx=0), block(1, 1, idx=1)])
    assert count_disorder([back], [("ecg", 2), ("ecg", 2)]) == {"received_ns": 1, "first_sample_idx": 1, "beats": 1}


def test_beats_are_held_against_the_body_also_soon_after_a_reconnect() -> None:
    struck = Struck(
        kind="drop",
        began_ns=BEGAN_NS,
        returned_ns=BEGAN_NS + NS_PER_S,
        link_before={STRAP: 1},
        resumed_ns={STRAP: BEGAN_NS + 3 * NS_PER_S},
        link_after={STRAP: 2},
    )
    log = log_of(struck=[struck], beats_ns=[BEGAN_NS + n * NS_PER_S for n in range(20)])
    found_ns = [2 * NS_PER_S - 4 * NS_PER_MS, 4 * NS_PER_S + 2 * NS_PER_MS, ns_from_s(7.5), 19 * NS_PER_S]
    assert beat_errors_ms(log, found_ns) == ([-4.0, 2.0, 0.0], [2.0])
    score = RadioScore()
    score.add(log, streams=[], beats=[("ecg", t_ns) for t_ns in found_ns])
    report = score.report()
    assert report["reconnect_s"]["over_a_new_link"] == report["reconnect_s"]["by_kind"]["drop"]
    assert report["reconnect_s"]["all"] == {"n": 1, "stayed_away": 0, "p50": 2.0, "p95": 2.0, "p99": 2.0, "p100": 2.0}
    assert report["beat_time_error_ms"]["all"]["p100"] == 4.0


def test_samples_are_placed_before_their_arrival_and_a_hole_without_a_gap_shows() -> None:
    struck = Struck(
        kind="lose",
        began_ns=BEGAN_NS + 10 * NS_PER_S,
        returned_ns=BEGAN_NS + 11 * NS_PER_S,
        link_before={SKIN: 1},
        resumed_ns={SKIN: BEGAN_NS + 12 * NS_PER_S},
        link_after={SKIN: 1},
    )
    whole = [block(n / 8, n, idx=n) for n in range(240)]
    early_ms = placements_ms(log_of(struck=[struck]), stream(SignalKind.SKIN_CONDUCTANCE, whole))
    assert len(early_ms) == 240 - 48  # from a second before the fault to three seconds after its end
    assert max(map(abs, early_ms)) < 5.0
    holed = [*whole[:84], *(block((n + 10) / 8, n, idx=n) for n in range(84, 230))]
    early_ms = placements_ms(log_of(struck=[struck]), stream(SignalKind.SKIN_CONDUCTANCE, holed))
    assert max(early_ms) > 500.0

"""`becalm bench radio`: its account of notifications made by hand, and a few real faults from radio to archive."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from subprocess import CompletedProcess

import pytest

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
    StoredStream,
    count_fates,
    count_repeats,
    count_sequence_faults,
    match,
)
from becalm_cli.radio_messages import read_messages
from becalm_cli.radio_plan import KINDS, plan_sha256, plan_wearers
from becalm_cli.radio_score import RadioScore
from becalm_cli.radio_tap import Heard, Tap
from becalm_cli.radio_time import beat_errors_ms, count_disorder, judge_gaps, placements_ms
from becalm_cli.radio_wear import Struck, WearerLog
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import (
    Clock,
    Dropped,
    Gap,
    GapReason,
    RawEvent,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.population import MAX_SEED
from becalm_simulator.sensors.belt import RESPONSE
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.polar_stream import PMD_DATA
from becalm_simulator.sensors.skin import UART_TX

Becalm = Callable[..., "CompletedProcess[str]"]
BEGAN_NS = 5_000 * NS_PER_S
"""Session time 0 on the machine's clock."""
SKIN, BELT, STRAP = "F0:03", "F0:02", "F0:01"


def heard(uuid: str, data: bytes, at_s: float, *, link: int = 1, address: str = SKIN) -> Heard:
    before_ns = BEGAN_NS + ns_from_s(at_s)
    return Heard(address=address, uuid=uuid, link=link, before_ns=before_ns, after_ns=before_ns + 50_000, data=data)


def line(at_s: float, count: int) -> Heard:
    """A whole line of the skin sensor."""
    return heard(UART_TX, b"eda_us=%.4f,t_ms=%d\n" % (count / 10_000, round(1000 * at_s)), at_s)


def force(at_s: float, count: int, countdown: int, *, link: int = 1) -> Heard:
    packet = struct.pack("<BBBBBHBBf", 0x20, 13, countdown, 0, 0x06, 2, 1, 0, count / 1000)
    return heard(RESPONSE, packet, at_s, link=link, address=BELT)


def stream(kind: SignalKind, events: Sequence[RawEvent]) -> StoredStream:
    info = StreamInfo(
        stream_id=kind.value,
        kind=kind,
        unit="1",
        unit_per_count=1.0,
        sample_rate_hz=None if kind is SignalKind.RR else 8.0,
        clock=Clock.ARRIVAL,
        device={SignalKind.SKIN_CONDUCTANCE: "skin", SignalKind.RESPIRATION: "belt"}.get(kind, "strap"),
    )
    return StoredStream(info=info, events=list(events), seqs=list(range(1, len(events) + 1)))


def block(at_s: float, *counts: int, kind: SignalKind = SignalKind.SKIN_CONDUCTANCE, idx: int = 0) -> SampleBlock:
    received_ns = ns_from_s(at_s) + 10_000
    return SampleBlock(stream_id=kind.value, received_ns=received_ns, first_sample_idx=idx, counts=counts)


def gap(start_s: float, end_s: float, kind: SignalKind = SignalKind.SKIN_CONDUCTANCE) -> Gap:
    start_ns, end_ns = ns_from_s(start_s), ns_from_s(end_s)
    return Gap(stream_id=kind.value, received_ns=end_ns, start_ns=start_ns, end_ns=end_ns, reason=GapReason.LINK_LOST)


def log_of(*notifications: Heard, struck: Sequence[Struck] = (), beats_ns: Sequence[int] = ()) -> WearerLog:
    (plan,) = plan_wearers(n_faults=1, n_wearers=1, seed=1)
    return WearerLog(
        plan=plan,
        session_id="one",
        session_began_ns=BEGAN_NS,
        names={SKIN: "skin", BELT: "belt", STRAP: "strap"},
        heard=list(notifications),
        struck=list(struck),
        beats_ns=list(beats_ns),
        report={"spooled": 0, "refused": 0},
        n_left=0,
        cpu_s=1.0,
    )


def fates(log: WearerLog, *streams: StoredStream) -> dict[str, int]:
    """The fates that anything met."""
    return {fate: n for fate, n in count_fates(log, streams, match(log, streams)).items() if n}


# -------------------------------------------------------------------------------------------------------------- plan
def test_the_seed_decides_the_whole_plan() -> None:
    plans = plan_wearers(n_faults=1000, n_wearers=16, seed=5)
    assert plan_sha256(plans) == plan_sha256(plan_wearers(n_faults=1000, n_wearers=16, seed=5))
    assert plan_sha256(plans) != plan_sha256(plan_wearers(n_faults=1000, n_wearers=16, seed=6))
    assert sorted(len(plan.steps) for plan in plans) == [62] * 8 + [63] * 8
    assert {step.fault.kind for plan in plans for step in plan.steps} == set(KINDS)


def test_nobody_wears_sensors_without_a_fault_and_seeds_have_an_end() -> None:
    assert len(plan_wearers(n_faults=3, n_wearers=8, seed=0)) == 3
    with pytest.raises(ConfigError, match="seed: expected 0 to"):
        plan_wearers(n_faults=8, n_wearers=2, seed=MAX_SEED)


# --------------------------------------------------------------------------------------------------------------- tap
async def test_the_tap_keeps_what_it_passes_on_and_numbers_connections() -> None:
    class Client:
        address = SKIN

        async def connect(self) -> None:
            pass

        async def start_notify(self, characteristic: Heard, callback: Callable[[bytearray], None]) -> None:
            callback(bytearray(b"abc"))

    tap = Tap()
    passed: list[bytearray] = []
    for _ in range(2):
        client = tap.on(Client)()
        await client.connect()
        await client.start_notify(heard(UART_TX, b"", 0.0), passed.append)
    assert passed == [bytearray(b"abc")] * 2
    assert [(h.address, h.uuid, h.link, h.data) for h in tap.heard] == [(SKIN, UART_TX, n, b"abc") for n in (1, 2)]
    assert all(h.before_ns <= h.after_ns for h in tap.heard)


# ---------------------------------------------------------------------------------------------------------- messages
def test_measurements_are_read_apart_from_answers() -> None:
    frame = struct.pack("<BQB", 0, 10 * NS_PER_S, 0) + b"\x01\x00\x00\xff\xff\xff"
    messages, others = read_messages(
        [
            heard(HEART_RATE, bytes((0x10, 60)) + struct.pack("<2H", 1000, 1024), 1.0, address=STRAP),
            heard(PMD_DATA, frame, 1.1, address=STRAP),
            force(1.2, 2_500, 9),
            heard(RESPONSE, bytes((0x98, 6, 1, 0, 0x18, 1)), 1.3, address=BELT),
        ]
    )
    assert [message.samples for message in messages] == [(1000, 1024), (1, -1), (2500,)]
    assert others == [3]
    assert messages[1].first_ns == 10 * NS_PER_S - 7_692_308


def test_a_line_in_pieces_is_one_message_and_a_torn_one_is_told_apart() -> None:
    pieces = [b"eda_us=1.0", b"000,t_ms=125\neda", b"_us=", b"us=2.0,t_ms=250\nrest"]
    messages, _ = read_messages([heard(UART_TX, piece, at_s) for at_s, piece in enumerate(pieces)])
    assert [(m.pieces, m.samples, m.is_whole) for m in messages] == [
        ([0, 1], (10_000,), True),
        ([1, 2, 3], (), False),
        ([3], (), False),
    ]


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


# --------------------------------------------------------------------------------------------------------- the bench
def test_a_few_faults_lose_and_double_nothing_on_the_way_to_the_archive(becalm: Becalm) -> None:
    done = becalm("bench", "radio", "--faults", 6, "--wearers", 3, "--seed", SMALL_SEED)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["plan"]["faults"], report["plan"]["wearers"]) == (6, 3)
    assert report["reconnect_s"]["all"]["n"] == 6
    assert report["reconnect_s"]["all"]["stayed_away"] == 0
    told = report["notifications"]
    assert told[STORED] > 300
    assert told[LOST] == told[DUPLICATED] == told[ALTERED] == told["stored_but_never_delivered"] == 0
    assert report["sequence_numbers"] == {"missing": 0, "repeated": 0}
    assert report["steps_back"] == {"received_ns": 0, "first_sample_idx": 0, "beats": 0}
    assert report["gaps"]["gaps"] > 0
    assert report["agents"]["left"] == report["agents"]["refused"] == 0
    assert report["beat_time_error_ms"]["all"]["n"] > 0


SMALL_SEED = 2442
"""Its six faults are short ones, of six kinds."""

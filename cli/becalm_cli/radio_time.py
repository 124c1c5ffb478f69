"""Time and gaps of one wearer, held against the sensors' own stamps and the body's beats."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from becalm_cli.radio_account import Matched, StoredStream
from becalm_cli.radio_messages import PERIOD_NS, Message
from becalm_cli.radio_wear import WearerLog
from becalm_protocol.events import Gap, RawEvent, SampleBlock
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.lane import Lane

# Beats are half a second apart and more; the population bench pairs within the same distance.
PAIR_WITHIN_NS = 150 * NS_PER_MS
AFTER_RECONNECT_NS = 10 * NS_PER_S
# Packets that a fault held back are late as they should be; after this the radio's own latency is all there is.
SETTLED_NS = 3 * NS_PER_S
# A step in a sensor's stamps beyond this is a missing sample; rounding and drift are far below.
MISSING_STEPS = 1.5
# A longer step is a clock that was set, not a stretch without samples.
LONGEST_STEP_NS = 300 * NS_PER_S
# Where a sensor neither stamps nor counts, the agent finds by the time that passed what a standstill has lost.
FOUND_WITHIN_NS = 10 * NS_PER_S
# The belt counts its packets down in one byte.
COUNTER_SIZE = 256


def judge_gaps(log: WearerLog, streams: Sequence[StoredStream], matched: Matched) -> Counter[str]:
    """Count gaps, those in which the sensor missed nothing, and missing samples that no gap tells."""
    counts: Counter[str] = Counter(gaps=0, gaps_over_nothing=0, holes_told_later=0, holes_without_gap=0)
    for stream in streams:
        told_ns = [gap.received_ns for gap in stream.gaps()]
        counts["gaps"] += len(told_ns)
        for before, after in pairwise(_stored(stream, matched)):
            since_ns, until_ns = (_arrived_ns(message, log=log) for message in (before, after))
            is_told = bisect_right(told_ns, since_ns) < bisect_right(told_ns, until_ns)
            missing = _misses(before, after, log=log)
            counts["gaps_over_nothing"] += is_told and missing is False
            if missing is True and not is_told:
                is_found = any(
                    gap.n_missing and 0 <= gap.received_ns - until_ns <= FOUND_WITHIN_NS for gap in stream.gaps()
                )
                counts["holes_told_later" if is_found else "holes_without_gap"] += 1
    return counts


def _stored(stream: StoredStream, matched: Matched) -> list[Message]:
    """Return the messages whose samples are in a stream, in the order of their arrival."""
    return [
        message
        for message in matched.messages
        if message.kind in PERIOD_NS
        and any(
            isinstance(event, SampleBlock) and event.stream_id == stream.info.stream_id
            for event in matched.by_position.get(message.pieces[-1], ())
        )
    ]


def _arrived_ns(message: Message, *, log: WearerLog) -> int:
    return log.heard[message.pieces[-1]].after_ns - log.session_began_ns


def _misses(before: Message, after: Message, *, log: WearerLog) -> bool | None:
    """Tell whether the sensor had samples between two messages; None where that cannot be known."""
    period_ns = PERIOD_NS.get(before.kind, 0)
    if before.first_ns is not None and after.first_ns is not None:
        step_ns = after.first_ns - before.first_ns - (len(before.samples) - 1) * period_ns
        return step_ns > MISSING_STEPS * period_ns if 0 < step_ns < LONGEST_STEP_NS else None
    if log.heard[before.pieces[-1]].link == log.heard[after.pieces[-1]].link:
        steps = (before.countdown - after.countdown) % COUNTER_SIZE
        return steps > 1 if steps else None  # the same one again
    away_ns = _arrived_ns(after, log=log) - _arrived_ns(before, log=log)
    return True if away_ns > 2 * period_ns else None


def count_disorder(streams: Sequence[StoredStream], beats: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Count steps back in time: of arrivals and positions in each stream, and of beats in each source."""
    counts = {"received_ns": 0, "first_sample_idx": 0, "beats": 0}
    for stream in streams:
        events: list[RawEvent] = [event for event in stream.events if isinstance(event, SampleBlock)]
        counts["received_ns"] += sum(b.received_ns < a.received_ns for a, b in pairwise(stream.events))
        for a, b in pairwise(events):
            if isinstance(a, SampleBlock) and isinstance(b, SampleBlock):
                counts["first_sample_idx"] += b.first_sample_idx < a.first_sample_idx + len(a.counts)
    for source in {source for source, _ in beats}:
        times_ns = [t_ns for which, t_ns in beats if which == source]
        counts["beats"] += sum(b <= a for a, b in pairwise(times_ns))
    return counts


def beat_errors_ms(log: WearerLog, beats_ns: Sequence[int]) -> tuple[list[float], list[float]]:
    """Return the errors of the server's beats against the body's: all, and those soon after a reconnect.

    A beat that is nobody's is left out: finding beats is scored elsewhere.
    """
    true_ns = [t_ns - log.session_began_ns for t_ns in log.beats_ns]
    back_ns = sorted(t_ns - log.session_began_ns for struck in log.struck for t_ns in struck.resumed_ns.values())
    errors_ms: list[float] = []
    soon_ms: list[float] = []
    for t_ns in beats_ns:
        at = bisect_left(true_ns, t_ns)
        nearest_ns = min(true_ns[max(0, at - 1) : at + 1], key=lambda true: abs(true - t_ns), default=None)
        if nearest_ns is None or abs(t_ns - nearest_ns) > PAIR_WITHIN_NS:
            continue
        error_ms = (t_ns - nearest_ns) / NS_PER_MS
        errors_ms.append(error_ms)
        last = bisect_right(back_ns, t_ns) - 1
        if last >= 0 and t_ns - back_ns[last] <= AFTER_RECONNECT_NS:
            soon_ms.append(error_ms)
    return errors_ms, soon_ms


def placements_ms(log: WearerLog, stream: StoredStream) -> list[float]:
    """Return how long before its arrival the server's clock places the newest sample of each block, faults left out.

    That is the radio's latency of some tens of milliseconds where the time base holds, and never negative.
    """
    busy_ns = [
        (s.began_ns - log.session_began_ns, max([s.returned_ns, *s.resumed_ns.values()]) - log.session_began_ns)
        for s in log.struck
        if stream.info.device in {log.names[address] for address in s.link_before}
    ]
    lane = Lane(stream.info, None)
    early_ms: list[float] = []
    for event in stream.events:
        if isinstance(event, Gap):
            lane.gap(event)
        if not isinstance(event, SampleBlock):
            continue
        is_quiet = not any(began - NS_PER_S <= event.received_ns <= end + SETTLED_NS for began, end in busy_ns)
        _, drawn = lane.feed(event)
        for waveform in drawn:
            if is_quiet:
                last_ns = waveform.t_ns + (len(waveform.values) - 1) * waveform.sample_period_ns
                early_ms.append((event.received_ns - last_ns) / NS_PER_MS)
    return early_ms

"""The account of one wearer: every notification bleak delivered, against what the archive holds.

An event carries the session time at which the agent's callback took its notification, and callbacks do not overlap:
so each stored event belongs to exactly one notification, whatever it says. What it says is compared apart from that.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from becalm_cli.radio_messages import Message, read_messages
from becalm_cli.radio_wear import WearerLog
from becalm_protocol.events import (
    Dropped,
    Gap,
    RawEvent,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_protocol.units import NS_PER_MS

STORED, UNREAD = "stored_once", "stored_content_not_compared"
TOLD, COVERED, AFTER_END = "dropped_and_told", "covered_by_gap", "after_end"
LOST, DUPLICATED, ALTERED = "lost", "duplicated", "altered"
NO_MEASUREMENT = "no_measurement"
# A notification that ends one line and begins the next has the worse fate of the two: the later one here.
FATES = (NO_MEASUREMENT, AFTER_END, STORED, UNREAD, TOLD, COVERED, ALTERED, DUPLICATED, LOST)
# Bluetooth stacks that deliver twice do so at once; sensors measure less often.
REPEAT_WITHIN_NS = 20 * NS_PER_MS


@dataclass(slots=True, kw_only=True)
class StoredStream:
    """One stream as it was read back, in the order of its sequence numbers."""

    info: StreamInfo
    events: list[RawEvent] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)

    def gaps(self) -> list[Gap]:
        """Return its gaps."""
        return [event for event in self.events if isinstance(event, Gap)]


@dataclass(slots=True, kw_only=True)
class Matched:
    """Stored events by the notification they came from."""

    messages: list[Message]
    others: list[int]
    by_position: dict[int, list[RawEvent]]
    unheard: list[RawEvent]
    """Samples in the archive that no notification brought."""


def match(log: WearerLog, streams: Sequence[StoredStream]) -> Matched:
    """Give every stored event to the notification whose callback made it."""
    messages, others = read_messages(log.heard)
    before_ns = [heard.before_ns for heard in log.heard]
    by_position: dict[int, list[RawEvent]] = {}
    unheard: list[RawEvent] = []
    for stream in streams:
        for event in stream.events:
            if not isinstance(event, SampleBlock | RrBlock | Dropped):
                continue
            taken_ns = log.session_began_ns + event.received_ns
            position = bisect_right(before_ns, taken_ns) - 1
            if position >= 0 and taken_ns <= log.heard[position].after_ns:
                by_position.setdefault(position, []).append(event)
            elif not isinstance(event, Dropped):
                unheard.append(event)
    return Matched(messages=messages, others=others, by_position=by_position, unheard=unheard)


def count_fates(log: WearerLog, streams: Sequence[StoredStream], matched: Matched) -> Counter[str]:
    """Return how many notifications met which fate; each is counted once."""
    fates: dict[int, str] = {}
    for message in matched.messages:
        fate = _fate(message, log=log, streams=streams, matched=matched)
        for position in message.pieces:
            fates[position] = max(fate, fates.get(position, fate), key=FATES.index)
    counts = Counter(dict.fromkeys(FATES, 0))
    counts.update(fates.values())
    counts[NO_MEASUREMENT] += len(matched.others)
    return counts


def _fate(message: Message, *, log: WearerLog, streams: Sequence[StoredStream], matched: Matched) -> str:
    newest = log.heard[message.pieces[-1]]
    mine = [s for s in streams if s.info.kind is message.kind or message.kind is None]
    mine = [s for s in mine if s.info.device == log.names[newest.address]]
    events = matched.by_position.get(message.pieces[-1], [])
    mine_ids = {stream.info.stream_id for stream in mine}
    brought = [e for e in events if isinstance(e, SampleBlock | RrBlock) and e.stream_id in mine_ids]
    if brought and (message.is_whole or newest.data.endswith(b"\n")):  # else it is the line before that was stored
        is_read = message.is_whole and message.kind is not None
        return _compare(brought, message=message) if is_read else UNREAD
    if any(isinstance(event, Dropped) for event in events):
        return TOLD
    return _excused(newest.before_ns - log.session_began_ns, mine)


def _compare(brought: list[SampleBlock | RrBlock], *, message: Message) -> str:
    stored = tuple(n for e in brought for n in (e.counts if isinstance(e, SampleBlock) else e.rr_1024))
    if stored == message.samples and (message.kind is not SignalKind.RR or len(brought) == 1):
        return STORED
    n_message = max(1, len(message.samples))
    return DUPLICATED if len(stored) >= 2 * n_message or len(brought) > n_message else ALTERED


def _excused(taken_ns: int, streams: Sequence[StoredStream]) -> str:
    """Return why a notification is not in the archive, if that is told there."""
    if any(gap.start_ns <= taken_ns <= gap.received_ns for stream in streams for gap in stream.gaps()):
        return COVERED
    ended_ns = [
        event.received_ns
        for stream in streams
        for event in stream.events
        if isinstance(event, StreamStatus) and event.state is StreamState.ENDED
    ]
    return AFTER_END if ended_ns and taken_ns >= max(ended_ns) else LOST


def count_repeats(log: WearerLog, matched: Matched) -> dict[str, int]:
    """Return how many notifications bleak delivered twice, and how many of these pairs are both in the archive."""
    newest: dict[tuple[str, str, int], int] = {}
    counts = {"delivered_twice": 0, "of_these_stored_twice": 0}
    for position, heard in enumerate(log.heard):
        before = newest.get((heard.address, heard.uuid, heard.link))
        newest[heard.address, heard.uuid, heard.link] = position
        if before is None or log.heard[before].data != heard.data:
            continue
        if heard.before_ns - log.heard[before].after_ns < REPEAT_WITHIN_NS:
            counts["delivered_twice"] += 1
            counts["of_these_stored_twice"] += all(
                any(isinstance(event, SampleBlock | RrBlock) for event in matched.by_position.get(at, ()))
                for at in (before, position)
            )
    return counts


def count_sequence_faults(streams: Sequence[StoredStream]) -> dict[str, int]:
    """Return holes and repetitions in the sequence numbers of the archive."""
    holes = sum(stream.seqs[-1] - len(set(stream.seqs)) for stream in streams if stream.seqs)
    repeated = sum(len(stream.seqs) - len(set(stream.seqs)) for stream in streams)
    return {"missing": holes, "repeated": repeated}

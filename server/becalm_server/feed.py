"""The live frames of one session: numbered once for everybody, the newest of them kept for clients that come back."""

import secrets
from array import array
from collections import deque
from collections.abc import Callable

from becalm_protocol.derived import SignalQuality
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import SessionView
from becalm_protocol.live import Ages, Ledger, LiveEvent, Missed, Resume, Waveform
from becalm_protocol.plain import tag_of
from becalm_protocol.units import NS_PER_S
from becalm_server.frames import LiveFrame

# A phone that changes its access point is back after 5 to 10 s, and the longest back-off of our clients is 8 s.
KEPT_NS = 30 * NS_PER_S
# Nine waveforms, beats and indices for those 30 s. Three signals make 600 frames: 0.6 MB a session, 1 MB while watched.
MAX_KEPT = 1_500
# When frames that are kept no more were published is known to this many frames: three seconds, for 1 byte a second.
_MARK_EVERY = 64


class Feed:
    """One session as its clients follow it. `clock` tells its session time now, None where that is unknown."""

    def __init__(self, session_id: str, *, person_id: str | None, clock: Callable[[], int | None]) -> None:
        self.session_id = session_id
        self.person_id = person_id
        self.feed_id = secrets.token_hex(8)
        self.clock = clock
        self.seq = 0
        """Number of the newest frame."""
        self.view: SessionView | None = None
        self.ended_ns: int | None = None
        """On this process's monotonic clock; None while the session lives."""
        self._kept: deque[LiveFrame] = deque()
        self._published_ns = 0
        self._marks_ns = array("q")
        self._streams: dict[str, int] = {}
        self._events: dict[str, int] = {}
        self._quality: dict[SignalKind, SignalQuality] = {}

    def append(self, event: LiveEvent, *, ledger: Ledger | None, now_ns: int) -> LiveFrame:
        """Number an event and keep its frame for a while."""
        self.seq += 1
        frame = LiveFrame(event, ledger=ledger, queued_ns=now_ns, session_id=self.session_id, seq=self.seq)
        self._kept.append(frame)
        while len(self._kept) > MAX_KEPT or now_ns - self._kept[0].queued_ns > KEPT_NS:
            self._kept.popleft()
        if isinstance(event, SignalQuality):
            self._quality[event.kind] = event
        self._note(event, ledger)
        if self.seq % _MARK_EVERY == 1:
            self._marks_ns.append(self._published_ns)
        return frame

    def since(self, resume: Resume) -> tuple[list[LiveFrame], Missed | None]:
        """Return the kept frames after a client's newest, and what of them is kept no more."""
        first_kept_seq = self.seq - len(self._kept) + 1
        first_seq = 1 + (min(resume.seq, self.seq) if resume.feed_id == self.feed_id else 0)
        kept = [frame for frame in self._kept if (frame.seq or 0) >= first_seq]
        if first_seq >= first_kept_seq:
            return kept, None
        last_seq = first_kept_seq - 1
        return kept, Missed(
            first_seq=first_seq,
            last_seq=last_seq,
            start_ns=self._marks_ns[(first_seq - 1) // _MARK_EVERY],
            end_ns=self._end_ns(last_seq),
        )

    def standing(self, *, now_ns: int) -> list[LiveFrame]:
        """Return how each signal is, for a client that was not there when it was told: it holds until it changes."""
        return [
            LiveFrame(event, ledger=None, queued_ns=now_ns, session_id=self.session_id, seq=self.seq)
            for event in self._quality.values()
        ]

    def ages(self) -> Ages:
        """Return how far each signal has come."""
        return Ages(
            session_id=self.session_id, clock_ns=self.clock(), streams=dict(self._streams), events=dict(self._events)
        )

    def _end_ns(self, seq: int) -> int:
        mark = (seq - 1) // _MARK_EVERY + 1
        return self._marks_ns[mark] if mark < len(self._marks_ns) else self._published_ns

    def _note(self, event: LiveEvent, ledger: Ledger | None) -> None:
        if ledger is None:
            return  # late, from the slow lane
        self._published_ns = max(self._published_ns, ledger.published_ns)
        if isinstance(event, Waveform):
            newest_ns = max(ledger.sample_ns, self._streams.get(event.stream_id, ledger.sample_ns))
            self._streams[event.stream_id] = newest_ns
        else:
            name = tag_of(type(event))
            self._events[name] = max(ledger.sample_ns, self._events.get(name, ledger.sample_ns))

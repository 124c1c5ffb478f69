"""The session under way at the agent: hands out streams, counts what passes, gives everything to the spool."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from becalm_ingest.devices import Cursor, StreamTemplate
from becalm_ingest.spool import Spool
from becalm_protocol.events import Dropped, Gap, RawEvent, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_S

# A burst that a crowded link held back may carry this many samples more than their time tells.
_RESUME_MARGIN = 512


@dataclass(slots=True, kw_only=True)
class Tally:
    """What passed of one stream."""

    device: str
    kind: SignalKind
    n_samples: int = 0
    n_beats: int = 0
    n_gaps: int = 0
    n_dropped: int = 0
    n_events: int = 0
    newest_ns: int | None = None
    """Arrival of its newest samples."""
    in_contact: bool | None = None
    """Skin contact as the sensor sees it; None where it does not say."""

    def count(self, event: RawEvent) -> None:
        """Add one event."""
        self.n_events += 1
        match event:
            case SampleBlock(counts=counts):
                self.n_samples += len(counts)
                self.newest_ns = event.received_ns
            case RrBlock(rr_1024=rr_1024, in_contact=in_contact):
                self.n_beats += len(rr_1024)
                self.newest_ns, self.in_contact = event.received_ns, in_contact
            case Gap():
                self.n_gaps += 1
            case Dropped():
                self.n_dropped += 1


class Session:
    """What a source writes to. `now_ns` is session time: of the body when live, of the file in a replay."""

    def __init__(self, *, session_id: str, spool: Spool, now_ns: Callable[[], int]) -> None:
        self.session_id = session_id
        self.now_ns = now_ns
        self.tallies: dict[str, Tally] = {}
        self.acked = asyncio.Event()
        """Set at each acknowledgement."""
        self._is_over = False
        self._spool = spool
        self._cursors: dict[tuple[str, SignalKind], Cursor] = {}
        for stream in spool.sessions[session_id].streams.values():  # of a session resumed after a restart
            cursor = self._adopt(stream.info)
            if cursor.sample_rate_hz:
                # How far the process before had counted is not known; real clocks are within 2 % of the nominal rate.
                cursor.skip(round(1.02 * now_ns() / NS_PER_S * cursor.sample_rate_hz) + _RESUME_MARGIN)

    def cursor(self, template: StreamTemplate, *, device: str) -> Cursor:
        """Return the stream of a device's signal: the same one after every reconnect."""
        cursor = self._cursors.get((device, template.kind))
        if cursor is not None:
            return cursor
        info = StreamInfo(
            stream_id=secrets.token_hex(16),
            kind=template.kind,
            unit=template.unit,
            unit_per_count=template.unit_per_count,
            sample_rate_hz=template.sample_rate_hz,
            clock=template.clock,
            device=device,
        )
        return self.add_stream(info)

    def add_stream(self, info: StreamInfo) -> Cursor:
        """Announce a stream that is already described, as recordings are."""
        self._spool.add_stream(self.session_id, info)
        return self._adopt(info)

    @property
    def n_waiting(self) -> int:
        """Its events that the server has not acknowledged; what earlier sessions left is sent after them."""
        return self._spool.n_unacked_of(self.session_id)

    def put(self, event: RawEvent) -> None:
        """Take an event: counted, on its way to disk and server. Synchronous, never waits; nothing after the end."""
        if self._is_over:
            return
        self.tallies[event.stream_id].count(event)
        self._spool.put_nowait(event)

    def close(self) -> None:
        """Take nothing more."""
        self._is_over = True

    def _adopt(self, info: StreamInfo) -> Cursor:
        cursor = Cursor(
            stream_id=info.stream_id, sample_rate_hz=info.sample_rate_hz, unit_per_count=info.unit_per_count
        )
        self._cursors[info.device, info.kind] = cursor
        self.tallies[info.stream_id] = Tally(device=info.device, kind=info.kind)
        return cursor

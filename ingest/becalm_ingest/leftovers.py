"""Sessions that an earlier process of this agent left open: taken up again, or brought to a proper end."""

import time

from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_protocol.events import StreamState, StreamStatus
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S

# After ten minutes the person has long taken the sensors off.
_MAX_INTERRUPTION_NS = 600 * NS_PER_S
# The monotonic clock starts anew with the machine; the wall clock moves by less than this while it runs.
_MAX_CLOCK_STEP_NS = 5 * NS_PER_S


def settle(spool: Spool, *, can_resume: bool) -> SpooledSession | None:
    """Mark the restart in every open session; return the one to go on with, finish all others."""
    open_sessions = [session for session in spool.sessions.values() if not session.finished]
    resumable = None
    for session in reversed(open_sessions):
        newest_ns = max((stream.newest_ns for stream in session.streams.values()), default=0)
        now_ns = _restore_clock(session, newest_ns=newest_ns)
        is_fresh = session.source is Source.LIVE and now_ns - newest_ns < _MAX_INTERRUPTION_NS
        if can_resume and resumable is None and is_fresh and session.streams:
            resumable = session
            for stream_id in session.streams:
                spool.mark_restart(stream_id, now_ns=now_ns)
        else:
            _finish(spool, session)
    return resumable


def _restore_clock(session: SpooledSession, *, newest_ns: int) -> int:
    """Have session time go on, and return what it is now: never before the newest event."""
    by_wall_ns = time.time_ns() - session.started_unix_ns
    monotonic_ns = time.monotonic_ns()
    now_ns = monotonic_ns - session.started_monotonic_ns
    if abs(by_wall_ns - now_ns) > _MAX_CLOCK_STEP_NS:  # the machine was restarted in between
        now_ns = by_wall_ns
    now_ns = max(now_ns, newest_ns)  # the wall clock may have been set back
    session.started_monotonic_ns = monotonic_ns - now_ns
    return now_ns


def _finish(spool: Spool, session: SpooledSession) -> None:
    if not session.streams:
        spool.forget(session.session_id)
        return
    for stream_id, stream in session.streams.items():
        spool.mark_restart(stream_id, now_ns=stream.newest_ns)
        spool.put_nowait(StreamStatus(stream_id=stream_id, received_ns=stream.newest_ns, state=StreamState.ENDED))
    spool.finish(session.session_id)

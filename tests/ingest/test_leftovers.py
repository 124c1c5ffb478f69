"""Sessions that an earlier process left open: taken up again on a clock that never runs back, or ended."""

import time
from pathlib import Path

import pytest

from becalm_ingest.leftovers import settle
from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_protocol.codec import decode_msgpack
from becalm_protocol.events import Clock, Gap, GapReason, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S

STREAM = "e" * 32


def spool_with_a_session(path: Path, *, unix_age_s: float, monotonic_age_s: float, newest_s: float) -> Spool:
    spool = Spool(path)
    session = SpooledSession(
        session_id="s",
        started_unix_ns=time.time_ns() - round(unix_age_s * NS_PER_S),
        started_monotonic_ns=time.monotonic_ns() - round(monotonic_age_s * NS_PER_S),
        source=Source.LIVE,
    )
    spool.begin(session)
    info = StreamInfo(
        stream_id=STREAM,
        kind=SignalKind.ECG,
        unit="uV",
        unit_per_count=1.0,
        sample_rate_hz=130.0,
        clock=Clock.DEVICE,
        device="strap",
    )
    spool.add_stream("s", info)
    newest_ns = round(newest_s * NS_PER_S)
    spool.put_nowait(SampleBlock(stream_id=STREAM, received_ns=newest_ns, first_sample_idx=0, counts=(1,)))
    spool.close()
    return Spool(path)


@pytest.mark.parametrize(
    ("unix_age_s", "monotonic_age_s", "now_s"),
    [
        (100.0, 100.0, 100.0),
        (100.0, -3_000.0, 100.0),  # the machine was restarted
        (-3_500.0, 100.0, 90.0),  # the wall clock was set back by an hour: time goes on from the newest event
    ],
)
def test_session_time_goes_on(tmp_path: Path, unix_age_s: float, monotonic_age_s: float, now_s: float) -> None:
    spool = spool_with_a_session(
        tmp_path / "spool.db", unix_age_s=unix_age_s, monotonic_age_s=monotonic_age_s, newest_s=90.0
    )
    session = settle(spool, can_resume=True)
    assert session is not None
    assert (time.monotonic_ns() - session.started_monotonic_ns) / NS_PER_S == pytest.approx(now_s, abs=5.0)
    spool.flush()
    gap = decode_msgpack(spool.pending(STREAM, after_seq=1, upto_seq=2)[0][1], Gap)
    assert (gap.reason, gap.start_ns) == (GapReason.AGENT_RESTART, 90 * NS_PER_S)
    assert gap.end_ns >= gap.start_ns
    spool.close()


def test_what_was_left_long_ago_is_ended(tmp_path: Path) -> None:
    spool = spool_with_a_session(tmp_path / "spool.db", unix_age_s=7_200.0, monotonic_age_s=7_200.0, newest_s=90.0)
    assert settle(spool, can_resume=True) is None
    assert spool.sessions["s"].finished
    spool.close()

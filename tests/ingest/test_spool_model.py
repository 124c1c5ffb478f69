"""The spool against a model: appends, acknowledgements, crashes and power cuts in any order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_protocol.codec import decode_msgpack
from becalm_protocol.events import Clock, Gap, RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Source

STREAM = "a" * 32


class SpoolModel(RuleBasedStateMachine):
    """A server that stores what it is sent, and an agent that crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stored: list[RawEvent] = []
        self.appended: list[int] = []
        """First sample indices given to the spool and flushed."""
        self.lost: set[int] = set()
        """Those that a power cut may have taken."""
        self.pending: list[int] = []
        """Those given to the spool since the last flush."""
        self.n = 0
        self.n_restarts = 0

    @initialize()
    def start(self) -> None:
        self.n_copies = 0
        self.spool_folder = self.folder
        self.spool = Spool(self.folder / "spool.db")
        self.spool.begin(SpooledSession(session_id="s", started_unix_ns=1, started_monotonic_ns=1, source=Source.LIVE))
        info = StreamInfo(
            stream_id=STREAM,
            kind=SignalKind.SKIN_CONDUCTANCE,
            unit="uS",
            unit_per_count=1.0,
            sample_rate_hz=8.0,
            clock=Clock.ARRIVAL,
            device="skin",
        )
        self.spool.add_stream("s", info)
        self.snapshot: Path | None = None
        self.is_connected = self.is_new = False

    @rule(n=st.integers(1, 5), flush=st.booleans())
    def append(self, n: int, flush: bool) -> None:
        for _ in range(n):
            event = SampleBlock(stream_id=STREAM, received_ns=self.n, first_sample_idx=self.n, counts=(1,))
            self.spool.put_nowait(event)
            self.pending.append(self.n)
            self.n += 1
        if flush:
            self.flush()

    def flush(self) -> None:
        self.spool.flush()
        self.appended += self.pending
        self.pending = []

    @rule()
    def connect(self) -> None:
        """Open the session at the server: it says where it stands."""
        self.spool.resume(STREAM, acked_seq=len(self.stored))
        if self.is_new:  # at the first time the disk is waited for
            self.is_new = False
            self.keep_disk()
        self.flush()
        self.is_connected = True

    @precondition(lambda self: self.is_connected)
    @rule(n_most=st.integers(1, 10), is_acked=st.booleans())
    def send(self, n_most: int, is_acked: bool) -> None:
        """The server stores some; its acknowledgement may get lost."""
        after_seq = len(self.stored)
        for seq, body in self.spool.pending(STREAM, after_seq=after_seq, upto_seq=after_seq + n_most):
            assert seq == len(self.stored) + 1
            self.stored.append(decode_msgpack(body))
        if is_acked:
            self.spool.ack(STREAM, len(self.stored))

    @rule()
    def crash(self) -> None:
        """kill -9: what was not flushed is gone, what was flushed is not."""
        self.lost |= set(self.pending)
        self.restart_from(self.copy_of(self.spool_folder))

    @rule()
    def keep_disk(self) -> None:
        """Remember what the disk holds by now."""
        self.flush()
        self.snapshot = self.copy_of(self.spool_folder)
        self.n_kept = len(self.appended)

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def power_cut(self) -> None:
        """Power goes: the disk is as it was a while ago, whatever has been sent since."""
        assert self.snapshot is not None
        self.lost |= set(self.appended[self.n_kept :]) | set(self.pending)
        self.restart_from(self.copy_of(self.snapshot))

    def copy_of(self, folder: Path) -> Path:
        """What a process that died leaves: the files as they are, in a place where nobody holds them open."""
        self.n_copies += 1
        copy = self.folder / str(self.n_copies)
        copy.mkdir()
        for name in ("spool.db", "spool.db-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copy / name)
        return copy

    def restart_from(self, folder: Path) -> None:
        self.spool.close()  # only lets go of the old files
        self.pending = []
        self.spool_folder = folder
        self.spool = Spool(folder / "spool.db")
        self.spool.mark_restart(STREAM, now_ns=self.n)
        self.flush()
        self.n_restarts += 1
        self.is_new = True
        self.is_connected = False

    @invariant()
    def nothing_twice_and_in_order(self) -> None:
        indices = [event.first_sample_idx for event in self.stored if isinstance(event, SampleBlock)]
        assert indices == sorted(set(indices))

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.connect()
            while self.spool.n_unacked:
                self.send(n_most=10, is_acked=True)
            self.connect()
            indices = {event.first_sample_idx for event in self.stored if isinstance(event, SampleBlock)}
            assert set(range(self.n)) - indices <= self.lost
            n_gaps = sum(isinstance(event, Gap) for event in self.stored)
            assert n_gaps <= self.n_restarts
            assert not (set(range(self.n)) - indices) or n_gaps
            self.spool.close()
        shutil.rmtree(self.folder)


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_a_power_cut_and_a_crash_before_the_server_was_heard() -> None:
    state = SpoolModel()
    state.start()
    state.keep_disk()
    state.append(n=2, flush=True)
    state.connect()
    state.send(n_most=2, is_acked=False)
    state.power_cut()
    state.append(n=1, flush=True)
    state.crash()
    state.teardown()

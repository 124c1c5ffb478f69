"""One streaming spell on a line that the test holds: no radio needed to see what reaches the session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from becalm_ingest.devices import Channel, Family, Write, heart_rate, polar_pmd
from becalm_ingest.link_trouble import BondMissingError
from becalm_ingest.recorder import Recorder
from becalm_ingest.replay import read_recording
from becalm_ingest.session import Session
from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_ingest.talk import Talk
from becalm_protocol.codec import decode_msgpack
from becalm_protocol.errors import LinkError
from becalm_protocol.events import (
    Battery,
    Dropped,
    Gap,
    GapReason,
    RawEvent,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S

STRAP = (heart_rate.FAMILY, polar_pmd.FAMILY)
START_ECG, STOP_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0e 00"), bytes.fromhex("03 00")
ECG_FRAME = bytes([0]) + (599_616_000 * NS_PER_S).to_bytes(8, "little") + bytes([0]) + bytes(219)


class FakeStrap:
    """Answers the control point; the test calls `notify`."""

    label = "strap"

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.on_bytes: dict[str, Callable[[bytearray], None]] = {}
        self.wants_bond = False
        self.is_bonded = False
        self.start_error = 0
        self.errors: dict[int, int] = {}
        """Answers to starts of single measurements."""

    async def read(self, uuid: str) -> bytes:
        raise LinkError("nothing to read", advice="none")

    async def subscribe(self, channel: Channel, *, on_bytes: Callable[[bytearray], None]) -> None:
        self.on_bytes[channel.name] = on_bytes

    async def unsubscribe(self, channel: Channel) -> None:
        del self.on_bytes[channel.name]

    async def write(self, write: Write) -> None:
        if self.wants_bond and not self.is_bonded:
            raise BondMissingError("bond", advice="bond")
        self.written.append(write.data)
        error = self.errors.get(write.data[1], self.start_error)
        self.notify("control", bytes([0xF0, write.data[0], write.data[1], error, 0]))

    async def pair(self) -> None:
        self.is_bonded = True

    def notify(self, channel: str, data: bytes) -> None:
        self.on_bytes[channel](bytearray(data))


class Stage:
    """A session with a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = 0
        self.n_changes = 0
        self.spool = Spool(folder / "spool.db")
        self.spool.begin(SpooledSession(session_id="s", started_unix_ns=1, started_monotonic_ns=1, source=Source.LIVE))
        self.session = Session(session_id="s", spool=self.spool, now_ns=lambda: self.now_ns)

    def talk(self, line: FakeStrap, *, families: tuple[Family, ...] = STRAP, recorder: Recorder | None = None) -> Talk:
        return Talk(
            line, device="strap", session=self.session, families=families, recorder=recorder, on_change=self.change
        )

    def change(self) -> None:
        self.n_changes += 1

    def events(self) -> list[RawEvent]:
        self.spool.flush()
        return [
            decode_msgpack(body)
            for stream_id in self.session.tallies
            for _, body in self.spool.pending(stream_id, after_seq=0, upto_seq=10**6)
        ]

    def states(self) -> list[StreamState]:
        return [event.state for event in self.events() if isinstance(event, StreamStatus)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.spool.close()


async def test_start_stream_stop(stage: Stage) -> None:
    strap = FakeStrap()
    talk = stage.talk(strap)
    await talk.start()
    talk.note_battery(87)
    stage.now_ns = NS_PER_S
    strap.notify("measurement", bytes.fromhex("103d0304"))
    strap.notify("data", ECG_FRAME)
    await talk.stop()
    assert strap.written == [START_ECG, STOP_ECG]
    assert strap.on_bytes == {}
    assert [type(event) for event in stage.events()] == [
        *(Battery, StreamStatus, RrBlock, StreamStatus),
        *(StreamStatus, SampleBlock, StreamStatus),
    ]
    assert stage.states() == [StreamState.STREAMING, StreamState.ENDED] * 2
    assert {event.received_ns for event in stage.events()[1:]} == {NS_PER_S}


async def test_bad_bytes_are_dropped_with_their_hex_and_the_stream_goes_on(stage: Stage) -> None:
    strap = FakeStrap()
    talk = stage.talk(strap)
    await talk.start()
    strap.notify("data", b"\xde\xad")
    strap.notify("data", ECG_FRAME)
    (dropped,) = [event for event in stage.events() if isinstance(event, Dropped)]
    assert "de ad" in dropped.problem
    assert any(isinstance(event, SampleBlock) for event in stage.events())


async def test_silence_of_one_stream_asks_for_a_new_connection(stage: Stage) -> None:
    strap = FakeStrap()
    talk = stage.talk(strap)
    await talk.start()
    strap.notify("measurement", b"\x00\x3c")
    strap.notify("data", ECG_FRAME)
    for tenth in range(1, 30):
        stage.now_ns = tenth * NS_PER_S // 10
        strap.notify("measurement", b"\x00\x3c")
        assert not talk.check()
    stage.now_ns = 3 * NS_PER_S
    assert talk.check()
    talk.lose(GapReason.SENSOR_SILENT)
    assert stage.states() == [
        *(StreamState.STREAMING, StreamState.LOST),
        *(StreamState.STREAMING, StreamState.LATE, StreamState.LOST),
    ]


async def test_the_next_connection_goes_on_in_the_same_streams_after_a_gap(stage: Stage) -> None:
    for n in range(2):
        strap = FakeStrap()
        talk = stage.talk(strap)
        await talk.start()
        stage.now_ns += NS_PER_S
        strap.notify("measurement", bytes.fromhex("103d0304"))
        talk.lose(GapReason.LINK_LOST)
        strap.notify("measurement", bytes.fromhex("103d0304"))  # of a spell that is over
        assert len(stage.session.tallies) == 2, n
    rr = [event for event in stage.events() if isinstance(event, RrBlock | Gap)]
    assert [type(event) for event in rr] == [RrBlock, Gap, RrBlock]


async def test_heart_rate_streams_where_ecg_is_refused(stage: Stage) -> None:
    strap = FakeStrap()
    strap.start_error = 13
    talk = stage.talk(strap)
    await talk.start()
    assert "charger" in str(talk.trouble)
    strap.notify("measurement", b"\x00\x3c")
    stage.now_ns = 7 * NS_PER_S
    assert not talk.check()  # the ECG that never began is not waited for


async def test_refused_alone_it_is_an_error(stage: Stage) -> None:
    strap = FakeStrap()
    strap.start_error = 10
    with pytest.raises(LinkError, match="packets too small"):
        await stage.talk(strap, families=(polar_pmd.FAMILY,)).start()


async def test_a_strap_that_wants_a_bond_gets_one(stage: Stage) -> None:
    strap = FakeStrap()
    strap.wants_bond = True
    talk = stage.talk(strap)
    await talk.start()
    assert strap.is_bonded
    assert talk.trouble is None
    assert strap.written == [START_ECG]


async def test_an_end_by_the_strap_asks_for_a_new_connection(stage: Stage) -> None:
    strap = FakeStrap()
    talk = stage.talk(strap)
    await talk.start()
    strap.notify("control", b"\x01\x00")
    assert stage.n_changes == 1
    assert talk.check()


async def test_a_signal_that_the_strap_refuses_is_not_waited_for(stage: Stage) -> None:
    survey = polar_pmd.Survey()
    survey.take("", bytes.fromhex("0f 05 00"))
    survey.parse(bytes.fromhex("f0 01 00 00 00 00 01 82 00"), channel="control")
    survey.parse(bytes.fromhex("f0 01 02 00 00 00 01 32 00"), channel="control")
    strap = FakeStrap()
    strap.errors = {2: 9}
    talk = stage.talk(strap, families=(survey.found(),))
    await talk.start()
    assert "acceleration: it does not have that range" in str(talk.trouble)
    assert [watch.kind for watch in talk.watches] == [SignalKind.ECG]
    for n in range(1, 12):
        stage.now_ns = n * NS_PER_S
        strap.notify("data", bytes([0]) + (n * NS_PER_S).to_bytes(8, "little") + bytes([0]) + bytes(390))
        strap.notify("data", bytes([2]) + (n * NS_PER_S).to_bytes(8, "little") + bytes([1]) + bytes(6))
        assert not talk.check()
    await talk.stop()
    assert strap.written[-1] == STOP_ECG
    assert stage.states() == [StreamState.STREAMING, StreamState.ENDED]
    assert len([event for event in stage.events() if isinstance(event, Dropped)]) == 11


async def test_what_is_recorded_plays_as_it_was_heard(stage: Stage, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "rec.jsonl")
    strap = FakeStrap()
    talk = stage.talk(strap, recorder=recorder)
    await talk.start()
    for n in range(1, 4):
        stage.now_ns = n * NS_PER_S
        strap.notify("measurement", bytes.fromhex("103d0304"))
    strap.notify("data", ECG_FRAME)
    await talk.stop()
    recorder.close()
    recording = read_recording(tmp_path / "rec.jsonl", rate_hz=None, chunk_ms=100)
    heard = [(type(e), e.received_ns) for e in stage.events() if isinstance(e, RrBlock | SampleBlock)]
    assert [(type(event), event.received_ns) for event in recording.events()] == heard

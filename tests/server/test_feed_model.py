"""Whatever a client does - read, stall, break off, come back - each frame reaches it once, or it is told of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from becalm_protocol.codec import decode
from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.events import Gap, GapReason, SignalKind
from becalm_protocol.forms import SUBPROTOCOL_2_JSON
from becalm_protocol.handshake import Ledger, Live, LiveEvent, Waveform
from becalm_protocol.live import Missed, Resume, Subscribe, Subscribed
from becalm_server import feed as feed_module
from becalm_server import outbox as outbox_module
from becalm_server.frames import LiveFrame
from becalm_server.hub import Hub
from becalm_server.listener import Listener

WITHHELD: dict[str, Any] = dict.fromkeys(Metrics.index_names(), Index(reason=Reason.NO_SENSOR))
STEPS = st.lists(
    st.one_of(
        st.sampled_from(["beat", "metrics", "break off", "ask again"]),
        st.tuples(st.just("waves"), st.integers(1, 9)),
        st.tuples(st.just("read"), st.integers(1, 12)),
    ),
    max_size=80,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_KEPT", 24)
    monkeypatch.setattr(outbox_module, "MAX_WAVEFORMS", 6)
    monkeypatch.setattr(outbox_module, "MAX_METRICS", 2)


class Front:
    """A front end that keeps what it was sent, over one connection after the other."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.frames: list[Live] = []
        self.missed: list[Missed] = []
        self.n_gap_waves = 0
        self._feed_id = ""
        self._seq = 0
        self._listener = self._connect()

    def _connect(self) -> Listener:
        listener = self._hub.join(version=2, sees=lambda _: True)
        assert listener is not None
        self._hub.subscribe(listener, Subscribe(session_id="s", resume=self._position()))
        return listener

    def _position(self) -> Resume:
        return Resume(feed_id=self._feed_id or "none yet", seq=self._seq)

    def break_off(self) -> None:
        self._hub.leave(self._listener)
        self._listener = self._connect()

    def ask_again(self) -> None:
        if self._feed_id:
            self._hub.subscribe(self._listener, Subscribe(session_id="s", resume=self._position()))

    async def read(self, n: int) -> None:
        for _ in range(n):
            try:
                async with asyncio.timeout(0):
                    item = await self._listener.outbox.get()
            except TimeoutError:
                return
            self._take(item)

    def _take(self, item: object) -> None:
        if isinstance(item, Subscribed):
            self._feed_id, self._seq = item.feed_id, item.seq
            if item.missed is not None:
                self.missed.append(item.missed)
        if not isinstance(item, LiveFrame):
            return
        live: Live = decode(self._listener.encode(item, subprotocol=SUBPROTOCOL_2_JSON))
        if isinstance(live.event, Gap) and live.event.reason is GapReason.SLOW_CLIENT:
            self.n_gap_waves += live.event.n_missing or 0
            assert live.seq <= self._seq
        else:
            assert live.seq > self._seq
            self.frames.append(live)
            self._seq = live.seq


def events(step: Any, numbers: Iterator[int]) -> list[LiveEvent]:
    t_ns = next(numbers) * 1_000
    if step == "beat":
        return [
            Beat(beat_idx=0, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, flag=BeatFlag.FIRST, confirmed=False)
        ]
    if step == "metrics":
        return [Metrics(t_ns=t_ns, emitted_ns=t_ns, **WITHHELD)]
    return [
        Waveform(stream_id="ecg", kind=SignalKind.ECG, t_ns=t_ns, sample_period_ns=1.0, values=(0.5,))
        for _ in range(step[1])
    ]


async def play(steps: list[Any]) -> tuple[list[LiveEvent], Front]:
    hub = Hub(clock_ns=lambda: 0)
    hub.open("s", clock=lambda: None, person_id=None)
    front, published, numbers = Front(hub), list[LiveEvent](), iter(range(10**6))
    for step in steps:
        if step == "break off":
            front.break_off()
        elif step == "ask again":
            front.ask_again()
        elif step[0] == "read":
            await front.read(step[1])
        else:
            for event in events(step, numbers):
                ledger = Ledger(sample_ns=0, received_ns=0, accepted_ns=0, published_ns=0)
                hub.publish("s", event, ledger=ledger)
                published.append(event)
    await front.read(10_000)
    return published, front


@settings(max_examples=150)
@given(steps=STEPS)
def test_each_frame_comes_once_or_is_told_of(steps: list[Any]) -> None:
    published, front = asyncio.run(play(steps))
    got = {frame.seq for frame in front.frames}
    assert len(got) == len(front.frames)
    for frame in front.frames:
        assert frame.event == published[frame.seq - 1]
    told = {seq for missed in front.missed for seq in range(missed.first_seq, missed.last_seq + 1)}
    lacking = [published[seq - 1] for seq in range(1, len(published) + 1) if seq not in got | told]
    assert not any(isinstance(event, Beat) for event in lacking)  # metrics conflate, waveforms drop, beats never
    assert sum(isinstance(event, Waveform) for event in lacking) <= front.n_gap_waves

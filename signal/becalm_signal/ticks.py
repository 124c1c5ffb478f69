"""When a tick may be computed, and from what: stage outputs merged by emission time behind the slowest stream."""

import heapq
from collections.abc import Iterable

from becalm_protocol.derived import (
    Beat,
    Derived,
    Metrics,
    Reason,
    SignalQuality,
)
from becalm_protocol.events import UNTIMED_KINDS, Clock, Phase, PhaseChange, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_protocol.wishes import BreathWish
from becalm_signal.anchor import Anchor
from becalm_signal.board import Board
from becalm_signal.breath_turns import BreathEvent
from becalm_signal.lane import MAX_FILLED_NS, Lane
from becalm_signal.slow_board import SLOW_TICK_NS, Moment, SlowBoard
from becalm_signal.stage import OF_BREATHS, Inward, Output, moment_ns
from becalm_signal.strap import StrapChoice

TICK_NS = 250_000_000
# How far the fastest stream may run ahead before a tick stops waiting: a live stream that stalls, or a file in chunks.
MAX_LEAD_LIVE_NS = 3 * NS_PER_S
MAX_LEAD_RECORDING_NS = 3_600 * NS_PER_S
MAX_WAITING = 50_000
MAX_PHASES = 256

NOTHING_LOST: frozenset[SignalKind] = frozenset()

Waiting = tuple[int, int, int, int, Output]


class Ticker:
    """Holds outputs until every awaited stream has passed a tick, then computes it: never dependent on packet order."""

    def __init__(self, lanes: list[Lane], board: Board, slow: SlowBoard) -> None:
        self._lanes = lanes
        self._leads_ns = [
            (lane, MAX_LEAD_RECORDING_NS if lane.info.clock is Clock.SESSION else MAX_LEAD_LIVE_NS) for lane in lanes
        ]
        self._board = board
        self._slow = slow
        self._heap: list[Waiting] = []
        self._n_put = 0
        self._newest_ns: int | None = None
        """Up to here something was heard."""
        self._next_ns: int | None = None
        self._phases: list[PhaseChange] = []
        self._wishes: list[BreathWish] = []
        self._straps_lost: set[SignalKind] = set()
        self._straps = StrapChoice()
        self._anchor = Anchor()
        self._ecg = [lane for lane in lanes if lane.info.kind is SignalKind.ECG]

    def put(self, outputs: Iterable[Output], *, order: int, early_ns: int | None = None) -> None:
        """Keep the outputs of stage number `order`; `early_ns`: they count from this time on already."""
        for event in outputs:
            t_ns = moment_ns(event)
            emitted_ns = event.emitted_ns if early_ns is None else min(early_ns, event.emitted_ns)
            if isinstance(event, Beat) and event.source in UNTIMED_KINDS:
                emitted_ns += 1  # untimed: whether it came just before or just after a sample must not matter
            if len(self._heap) >= MAX_WAITING:
                self._apply(heapq.heappop(self._heap)[-1])
            heapq.heappush(self._heap, (emitted_ns, order, t_ns, self._n_put, event))
            self._n_put += 1

    def schedule(self, change: PhaseChange) -> None:
        """Keep a phase change, past or to come."""
        self._phases.append(change)
        self._phases.sort(key=lambda known: known.t_ns)
        del self._phases[:-MAX_PHASES]

    def wish(self, wish: BreathWish) -> None:
        """Keep a person's wish until its time; the newest of those whose time has come counts."""
        self._wishes.append(wish)
        self._wishes.sort(key=lambda known: known.t_ns)
        del self._wishes[:-MAX_PHASES]

    def strap(self, kind: SignalKind, *, lost: bool) -> None:
        """Note whether a sensor's own intervals are to be had."""
        (self._straps_lost.add if lost else self._straps_lost.discard)(kind)

    def advance(self, heard_ns: int | None) -> list[Derived]:
        """Compute all ticks that wait for nobody; `heard_ns`: up to here the stream was heard that has just spoken."""
        newest_ns, next_ns = self._newest_ns, self._next_ns
        if heard_ns is not None and (newest_ns is None or heard_ns > newest_ns):
            self._newest_ns = newest_ns = heard_ns
        if newest_ns is None or (next_ns is not None and newest_ns < next_ns):
            return []
        limit_ns = newest_ns
        for lane, lead_ns in self._leads_ns:
            if not lane.waited_for:
                continue
            mark_ns = lane.watermark_ns
            if mark_ns is None:
                if newest_ns - self._began_ns(newest_ns) <= lead_ns:
                    return []
            elif mark_ns < limit_ns and newest_ns - mark_ns <= lead_ns:
                if next_ns is not None and mark_ns < next_ns:
                    return []
                limit_ns = mark_ns
        return self._run_to(limit_ns)

    def finish(self) -> list[Derived]:
        """Compute the ticks up to the newest sample of any stream."""
        marks = [lane.watermark_ns for lane in self._lanes if lane.watermark_ns is not None]
        end_ns = max(marks, default=0)
        out = self._run_to(end_ns) if marks else []
        while self._heap:
            out += self._apply(heapq.heappop(self._heap)[-1])
        return [*out, *self._heed(self._board.breath.catch_up()), *self._board.qualities(end_ns)]

    # ---------------------------------------------------------------------------------------------------- waiting
    def _began_ns(self, newest_ns: int) -> int:
        return min([lane.began_ns for lane in self._lanes if lane.began_ns is not None], default=newest_ns)

    def _run_to(self, limit_ns: int) -> list[Derived]:
        if self._next_ns is None:
            began = [lane.began_ns for lane in self._lanes if lane.began_ns is not None]
            self._next_ns = (min([*began, limit_ns]) // TICK_NS + 1) * TICK_NS
        if limit_ns - self._next_ns > MAX_FILLED_NS:
            self._next_ns = self._after_silence_ns(self._next_ns, limit_ns)
        ticks: list[Derived] = []
        while self._next_ns <= limit_ns:
            ticks += self._tick(self._next_ns)
            self._next_ns += TICK_NS
        return ticks

    def _after_silence_ns(self, next_ns: int, limit_ns: int) -> int:
        """Return the first tick after a silence too long to fill, however the block that ends it was cut."""
        ends = [lane.resumed_ns for lane in self._lanes if lane.resumed_ns is not None and lane.resumed_ns > next_ns]
        is_recording = any(lane.info.clock is Clock.SESSION for lane in self._lanes)
        if not ends and is_recording and limit_ns - next_ns <= MAX_LEAD_RECORDING_NS:
            return next_ns  # one block of a slow recording is no silence
        return max(next_ns, min([*ends, limit_ns]) // TICK_NS * TICK_NS)

    # ---------------------------------------------------------------------------------------------------- a tick
    def _tick(self, now_ns: int) -> list[Derived]:
        """Apply what counts by now; strap beats held back behind an ECG come out where the ECG cannot be used."""
        out: list[Derived] = []
        self._listen(now_ns)
        while self._heap and self._heap[0][0] <= now_ns:
            popped = heapq.heappop(self._heap)[-1]
            if isinstance(popped, Inward):
                self._board.apply(popped)
                continue
            for event in self._anchor.take(popped):
                out += self._apply(event)
                out += self._beside_ecg(event, now_ns=now_ns)
        while self._wishes and self._wishes[0].t_ns <= now_ns:
            self._board.breath.wish(self._wishes.pop(0).source)
        lost, phase = self._lost(now_ns), self._phase(now_ns)
        out += self._heed(self._board.settle(now_ns, lost=lost))
        out += self._board.qualities(now_ns)
        pacing = phase is not None and phase.phase is Phase.PRACTICE and phase.pacer is not None
        metrics = self._board.metrics(now_ns, lost=lost, pacing=pacing)
        out.append(metrics)
        if now_ns % SLOW_TICK_NS == 0:
            out.append(self._slow.metrics(self._moment(metrics, phase=phase, lost=lost)))
        return out

    def _apply(self, event: Output) -> list[Derived]:
        """Let an output count; return it where it had to wait for that: a breath, whose source is chosen here."""
        if not self._board.apply(event):
            return []
        self._slow.apply(event)
        return [event] if isinstance(event, OF_BREATHS) else []

    def _heed(self, breaths: list[BreathEvent]) -> list[BreathEvent]:
        """Let breaths count for the slow indices, too."""
        for event in breaths:
            self._slow.apply(event)
        return breaths

    def _moment(self, metrics: Metrics, *, phase: PhaseChange | None, lost: frozenset[SignalKind]) -> Moment:
        board = self._board
        return Moment(
            now_ns=metrics.t_ns,
            heart=board.heart_source,
            intervals=board.intervals,
            breath=board.breath_source,
            is_way_known=board.breath.is_way_known,
            metrics=metrics,
            far_arousal=board.far_arousal,
            phase=phase,
            bad={**dict.fromkeys(lost, Reason.SENSOR_LOST), **board.bad},
        )

    def _beside_ecg(self, event: Output, *, now_ns: int) -> list[Derived]:
        """Return what a strap has to say beside an ECG: its quality, and its beats where the ECG cannot be used."""
        if isinstance(event, SignalQuality):
            self._listen(now_ns)
            return [event] if self._ecg and event.kind in UNTIMED_KINDS else []
        if isinstance(event, Beat) and event.source in UNTIMED_KINDS:
            self._straps.counts(event)
            self._listen(now_ns)
            return [event] if self._ecg and event.source is self._board.heart else []
        return []

    def _listen(self, now_ns: int) -> None:
        self._board.hear(SignalKind.ECG if self._ecg_usable(now_ns) else self._straps.kind)

    def _ecg_usable(self, now_ns: int) -> bool:
        for lane in self._ecg:
            if lane.watermark_ns is not None and (lane.waited_for or lane.watermark_ns >= now_ns):
                return self._board.usable(SignalKind.ECG)
        return False

    def _lost(self, now_ns: int) -> frozenset[SignalKind]:
        silent = [lane for lane in self._lanes if not lane.waited_for and lane.is_stale(now_ns)]
        if not silent and not self._straps_lost:
            return NOTHING_LOST
        heard = {lane.info.kind for lane in self._lanes if lane not in silent}
        return frozenset(({lane.info.kind for lane in silent} | self._straps_lost) - heard)

    def _phase(self, now_ns: int) -> PhaseChange | None:
        begun = None
        for change in self._phases:
            if change.t_ns > now_ns:
                break
            begun = change
        return begun

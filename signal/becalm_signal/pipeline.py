"""The live pipeline: raw events in, derived events out, the same whatever the cut of the blocks."""

from collections.abc import Callable, Sequence
from typing import TypeGuard

from becalm_protocol.derived import Beat, Breath, BreathPause, BreathTurn, Derived, SignalQuality
from becalm_protocol.errors import UsageError
from becalm_protocol.events import (
    UNTIMED_KINDS,
    Gap,
    PhaseChange,
    RawEvent,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import Waveform
from becalm_protocol.wishes import BreathWish
from becalm_signal.board import Board
from becalm_signal.breath_axis import chest_streams
from becalm_signal.breath_section import BreathSection
from becalm_signal.breathing import BreathingStage
from becalm_signal.ecg import EcgStage
from becalm_signal.electrodermal import SkinStage
from becalm_signal.heart_breath import HeartBreathSection
from becalm_signal.heart_section import HeartSection
from becalm_signal.lane import Lane
from becalm_signal.movement import told_at_ticks
from becalm_signal.ppg import LIGHTS, PpgStage
from becalm_signal.slow_board import Section, SlowBoard
from becalm_signal.stage import Inward, Output, Stage
from becalm_signal.strap import StrapChoice, StrapStage
from becalm_signal.subsidence import Subsidence
from becalm_signal.ticks import Ticker

MakeStage = Callable[[StreamInfo, float], Stage]

STAGES: tuple[tuple[SignalKind, MakeStage], ...] = (
    (
        SignalKind.ECG,  # qrs -> rr
        lambda info, rate_hz: EcgStage(rate_hz, unit_per_count=info.unit_per_count, unit=info.unit),
    ),
    (
        SignalKind.RESPIRATION,  # turns -> breaths
        lambda info, rate_hz: BreathingStage(rate_hz, unit_per_count=info.unit_per_count),
    ),
    (
        SignalKind.SKIN_CONDUCTANCE,  # level, responses
        lambda info, rate_hz: SkinStage(rate_hz, unit_per_count=info.unit_per_count, unit=info.unit),
    ),
    *(
        (
            light,  # pulses -> rr
            lambda info, rate_hz: PpgStage(rate_hz, kind=info.kind, unit_per_count=info.unit_per_count),
        )
        for light in LIGHTS
    ),
)
"""Order of the waveform stages; after them the strap's own RR, then the tick: all indices, and arousal from them."""

HELD_BACK = (*Inward, BreathTurn, Breath, BreathPause)
"""Outputs that do not leave a stage at once: for the metrics only, or until their source is chosen at a tick."""

STRAP_ORDER = len(STAGES)
CHEST_ORDER = STRAP_ORDER + 1
"""Three axes of one strap make one breath (`breath_motion`)."""


def make_sections() -> tuple[Section, ...]:
    """Return what tells the indices of longer windows."""
    return HeartSection(), BreathSection(), HeartBreathSection(), Subsidence()


def _unheard(kinds: frozenset[SignalKind]) -> frozenset[SignalKind]:
    """Return the lights nobody listens to: all beside an ECG or told intervals, all but one of several."""
    if not kinds.isdisjoint({SignalKind.ECG, *UNTIMED_KINDS}):
        return frozenset(LIGHTS)
    return frozenset([light for light in LIGHTS if light in kinds][1:])


class Pipeline:
    """All stages of one session. Pure: no clock, no I/O; one object per session, fed from one place.

    The first stream of each kind speaks for its kind; further ones of the same kind are only passed on for drawing.

    Notes
    -----
    Delay and Warm-up: those of each stage and index.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, streams: Sequence[StreamInfo]) -> None:
        self._lanes: dict[str, tuple[Lane, int]] = {}
        self._straps: dict[str, StrapStage | None] = {}
        chest = chest_streams(streams)
        kinds = frozenset(info.kind for info in streams)
        unheard = _unheard(kinds)
        makers = {kind: (order, make) for order, (kind, make) in enumerate(STAGES) if kind not in unheard}
        for info in streams:
            if info.sample_rate_hz is None:
                is_first = all(strap is None or strap.kind is not info.kind for strap in self._straps.values())
                self._straps[info.stream_id] = StrapStage(info.kind) if is_first else None
                continue
            order, make = makers.pop(info.kind, (CHEST_ORDER, None))
            stage = make(info, info.sample_rate_hz) if make is not None else chest.get(info.stream_id)
            self._lanes[info.stream_id] = (Lane(info, stage), order)
        self._choice = StrapChoice()
        self._has_ecg = SignalKind.ECG in kinds
        self._shaken = told_at_ticks(kinds)
        lanes = [lane for lane, _ in self._lanes.values()]
        self._ticker = Ticker(lanes, Board(kinds), SlowBoard(make_sections()))

    def feed(self, event: RawEvent | PhaseChange | BreathWish) -> tuple[Derived | Waveform, ...]:
        """Take one event.

        Parameters
        ----------
        event : samples, intervals, a gap ... of an announced stream, or a phase of the session

        Returns
        -------
        everything that it settled, in order

        Raises
        ------
        UsageError : the stream was not announced; nothing else, whatever a validated event holds
        """
        if isinstance(event, SampleBlock) and (known := self._lanes.get(event.stream_id)) is not None:
            lane, order = known
            outputs, drawn = lane.feed(event)
            return (*self._keep(outputs, order=order), *drawn, *self._ticker.advance(lane.watermark_ns))
        if isinstance(event, PhaseChange):
            self._ticker.schedule(event)
            return ()
        if isinstance(event, BreathWish):
            self._ticker.wish(event)
            return ()
        known = self._lanes.get(event.stream_id)
        if known is None:
            return tuple(self._feed_strap(event))
        lane, order = known
        out: list[Derived | Waveform] = []
        if isinstance(event, Gap):
            out += self._keep(lane.gap(event), order=order, early_ns=event.start_ns)
        elif isinstance(event, StreamStatus):
            lane.status(event.state)
        else:
            return ()
        return (*out, *self._ticker.advance(lane.watermark_ns))

    def finish(self) -> tuple[Derived | Waveform, ...]:
        """Settle the tail at the end of a recording: open beats, last ticks."""
        out: list[Derived | Waveform] = []
        for lane, order in self._lanes.values():
            out += self._keep(lane.finish(), order=order)
        for strap in self._straps.values():
            if strap is not None:
                out += self._keep_strap(strap.finish())
        return (*out, *self._ticker.finish())

    def _keep(self, outputs: Sequence[Output], *, order: int, early_ns: int | None = None) -> list[Derived | Waveform]:
        if not outputs:
            return []
        self._ticker.put(outputs, order=order, early_ns=early_ns)
        return [output for output in outputs if self._leaves(output)]

    def _leaves(self, output: Output) -> TypeGuard[Derived]:
        if isinstance(output, SignalQuality):
            return output.kind not in self._shaken
        return not isinstance(output, HELD_BACK)

    # ------------------------------------------------------------------------------------------------------ strap
    def _feed_strap(self, event: RawEvent) -> list[Derived | Waveform]:
        if event.stream_id not in self._straps:
            raise UsageError(
                f"stream: expected one announced to this pipeline, got {event.stream_id!r:.40}; open it first"
            )
        strap = self._straps[event.stream_id]
        if strap is None:
            return []
        out: list[Derived | Waveform] = []
        if isinstance(event, RrBlock):
            self._ticker.strap(strap.kind, lost=False)
            out += self._keep_strap(strap.feed(event))
        elif isinstance(event, Gap):
            out += self._keep_strap(strap.restart(emitted_ns=event.received_ns))
        elif isinstance(event, StreamStatus) and event.state is not StreamState.STREAMING:
            self._ticker.strap(strap.kind, lost=event.state is StreamState.LOST)
            if event.state is StreamState.LOST:
                out += self._keep_strap(strap.restart(emitted_ns=event.received_ns))
        return [*out, *self._ticker.advance(event.received_ns)]

    def _keep_strap(self, outputs: Sequence[Output]) -> list[Derived | Waveform]:
        """Beats of a strap come out at once, but with an ECG about only where a tick finds the ECG unusable."""
        self._ticker.put(outputs, order=STRAP_ORDER)
        return [] if self._has_ecg else [output for output in outputs if self._speaks(output)]

    def _speaks(self, output: Output) -> TypeGuard[Derived]:
        if isinstance(output, Beat):
            return self._choice.counts(output)
        return not isinstance(output, HELD_BACK)

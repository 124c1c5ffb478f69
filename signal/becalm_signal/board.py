"""What is known at one moment: outputs of stages applied in order, and the metrics made from them."""

import math
from collections.abc import Mapping

from becalm_protocol.derived import (
    Beat,
    Breath,
    BreathPause,
    BreathTurn,
    Index,
    Metrics,
    Reason,
    SignalQuality,
)
from becalm_protocol.events import UNTIMED_KINDS, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import EVERY_S, Arousal, ArousalNow, Reading
from becalm_signal.breath_board import BreathBoard
from becalm_signal.breath_turns import BreathEvent
from becalm_signal.hrv import BeatWindow
from becalm_signal.interval_log import IntervalLog
from becalm_signal.intervals import is_sound
from becalm_signal.movement import Movement
from becalm_signal.ppg import LIGHTS
from becalm_signal.skin_board import SkinBoard
from becalm_signal.stage import BeltJump, BreathHint, BreathsHidden, BreathsTorn, Output

# Where the heart is heard best comes first.
HEART = (SignalKind.ECG, SignalKind.RR, SignalKind.PPI, *LIGHTS)
OF_BREATHS = (BreathTurn, Breath, BreathPause)
# What speaks of half a minute and more is worked out once a second, arousal every other, and anew where another heart
# counts, a pacer sets the breath, or what speaks of the moment fails or comes back: nothing is shown longer than known.
NOTHING_YET = Index(reason=Reason.WARMING_UP)
NO_SENSOR = Index(reason=Reason.NO_SENSOR)


class Board:
    """Everything the metrics are made of."""

    def __init__(self, kinds: frozenset[SignalKind]) -> None:
        self._kinds = kinds
        self._heart_kinds = kinds.intersection(HEART)
        self._skin_kinds = kinds & {SignalKind.SKIN_CONDUCTANCE}
        self._beats = {source: BeatWindow(source) for source in HEART}
        self.breath = BreathBoard(kinds)
        self._skin = SkinBoard()
        self._arousal = Arousal()
        self._bad: dict[SignalKind, Reason] = {}
        self._movement = Movement(kinds)
        self._disagrees = False
        # All sources are followed all the time, so that one is ready when another fails.
        self.heart = next((kind for kind in HEART if kind in kinds), SignalKind.RR)
        self._second = -1
        """The second of the newest metrics."""
        self._moment: tuple[SignalKind, bool, tuple[Reason | None, ...]] | None = None
        """Of what heart and kind of breath what follows is, and why what else is told was withheld then."""
        self._rmssd = self._responses = NOTHING_YET
        self._now = ArousalNow(index=NOTHING_YET)

    @property
    def heart_source(self) -> SignalKind | None:
        """Whose beats count now."""
        return self.heart if self.heart in self._kinds else None

    @property
    def intervals(self) -> IntervalLog:
        """Of the heart that counts now."""
        return self._beats[self.heart].intervals

    @property
    def breath_source(self) -> SignalKind | None:
        """Whose breaths count now."""
        return self.breath.source

    @property
    def far_arousal(self) -> float | None:
        """Arousal as if no feature stopped counting at three deviations."""
        return self._now.far

    @property
    def bad(self) -> Mapping[SignalKind, Reason]:
        """Why a signal cannot be used, where its stage has said so."""
        return {kind: self._movement.why(kind, reason) for kind, reason in self._bad.items()}

    def usable(self, kind: SignalKind) -> bool:
        """Whether a signal carries indices as far as its stage has said."""
        return kind not in self._bad

    def hear(self, source: SignalKind) -> None:
        """Take the heart from this signal from now on, if there is such a sensor."""
        if source in self._kinds:
            self.heart = source

    def apply(self, event: Output) -> bool:
        """Take one output of a stage; return whether it counts: a breath of another source than the chosen does not."""
        if isinstance(event, Beat):
            self._beats[event.source].apply(event)
            if event.confirmed and event.source is self.heart and is_sound(event):
                self.breath.beat(event)
        elif isinstance(event, SignalQuality):
            self._judge(event.kind, event.reason)
            self._movement.hear(event)
        elif isinstance(event, OF_BREATHS):
            return self.breath.apply(event)
        elif isinstance(event, BreathsHidden):
            self.breath.lose(event)
        elif isinstance(event, BreathsTorn):
            self.breath.tear(event)
        elif isinstance(event, BreathHint):
            self.breath.hear(event)
        elif isinstance(event, BeltJump):
            self.breath.jump()
        else:
            self._skin.apply(event)
        return True

    def _judge(self, kind: SignalKind, reason: Reason | None) -> None:
        if reason is None:
            self._bad.pop(kind, None)
        else:
            self._bad[kind] = reason
        self._disagrees = any(self._bad.get(kind) is Reason.DISAGREES for kind in UNTIMED_KINDS)

    def settle(self, now_ns: int, *, lost: frozenset[SignalKind]) -> list[BreathEvent]:
        """Choose the source of the breath; return what counts only now.

        `lost`: the kinds whose sensor has been silent for more than 3 s.
        """
        self._movement.settle(self._bad, lost=lost)
        return self.breath.choose(now_ns, bad=self._bad, lost=lost)

    def qualities(self, now_ns: int) -> list[SignalQuality]:
        """Return changes of the quality of signals that a movement spoils, at a moment that is settled."""
        return self._movement.tell(now_ns)

    def metrics(self, now_ns: int, *, lost: frozenset[SignalKind], pacing: bool) -> Metrics:
        """Return all indices at `now_ns`, a moment that is settled."""
        heart, skin, beats = self._heart_kinds, self._skin_kinds, self._beats[self.heart]
        heart_bpm = self._guard(beats.heart_rate(now_ns), heart, lost=lost, strict=True)
        breathing = self._guard(self.breath.rate(now_ns, pacing=pacing), self.breath.kinds, lost=lost, strict=True)
        level = self._guard(self._skin.level(now_ns), skin, lost=lost, strict=True)
        reasons = (heart_bpm.reason, breathing.reason, level.reason)
        moment, second, before = (self.heart, pacing, reasons), now_ns // NS_PER_S, self._second
        is_anew = moment != self._moment
        self._moment, self._second = moment, second
        if is_anew or second != before:
            self._rmssd, self._responses = beats.rmssd(now_ns), self._skin.response_rate(now_ns)
        rmssd = self._guard(self._rmssd, heart, lost=lost)
        responses = self._guard(self._responses, skin, lost=lost, strict=True)
        if is_anew or second // EVERY_S != before // EVERY_S:
            plain = {"heart_rate_bpm": heart_bpm, "scr_per_min": responses, "breathing_rate_bpm": breathing}
            readings = self._readings(plain, level=level, rmssd=rmssd)
            self._now = self._arousal.tick(now_ns, readings, pacing=pacing)
        return Metrics(
            t_ns=now_ns,
            emitted_ns=now_ns,
            heart_rate_bpm=heart_bpm,
            rmssd_ms=rmssd,
            breathing_rate_bpm=breathing,
            scl_us=level,
            scr_per_min=responses,
            arousal=self._now.index,
            arousal_from=self._now.features,
        )

    def _readings(self, plain: Mapping[str, Index], *, level: Index, rmssd: Index) -> dict[str, Reading]:
        """Return the features of arousal that can be told now; `plain`: those that are indices as they are."""
        readings = {
            name: Reading(index.value, index.bound)
            for name, index in plain.items()
            if index.value is not None and index.bound is not None
        }
        electrodes = self._skin.reading()
        if level.value is not None and electrodes is not None:
            readings["scl_us"] = electrodes
        if rmssd.value and rmssd.bound is not None:
            readings["ln_rmssd"] = Reading(math.log(rmssd.value), rmssd.bound / rmssd.value)
        irregularity = self.breath.irregularity()
        if irregularity is not None and "breathing_rate_bpm" in readings:
            readings["breath_irregularity"] = irregularity
        return readings

    def _guard(
        self, index: Index, present: frozenset[SignalKind], *, lost: frozenset[SignalKind], strict: bool = False
    ) -> Index:
        """Withhold what has no sensor, and where `strict` at once while its signal is bad."""
        if not present:
            return NO_SENSOR
        if not self._bad and not lost:
            return index
        heard = frozenset({self.heart}) if self.heart in present else present
        if heard <= lost:
            return Index(reason=Reason.SENSOR_LOST)
        if self._disagrees and SignalKind.ECG in heard:
            return Index(reason=Reason.DISAGREES)  # which of the two hearts is the true one cannot be told
        if heard.isdisjoint(self._bad) or not (strict or index.value is None):
            return index
        bad_kinds = [kind for kind in sorted(heard) if kind in self._bad]  # a set has no order of its own
        told = [self._movement.why(kind, self._bad[kind]) for kind in bad_kinds]
        bad = next((reason for reason in told if reason is not Reason.DISAGREES), None)
        return index if bad is None else Index(reason=bad)

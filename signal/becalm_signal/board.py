"""What is known at one moment: outputs of stages applied in order, and the metrics made from them."""

import math
from collections import deque
from collections.abc import Mapping

from becalm_protocol.derived import Beat, Breath, BreathTurn, Index, Metrics, Reason, SkinRecovery, SkinResponse
from becalm_protocol.events import UNTIMED_KINDS, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import Arousal, Reading
from becalm_signal.hrv import BeatWindow
from becalm_signal.skin_board import SkinBoard
from becalm_signal.stage import Output, SkinLevel

# A value of a lost or silent sensor is shown no longer than this.
STALE_NS = 3 * NS_PER_S
N_BREATHS = 3
N_IRREGULARITY = 6
# A breath hold longer than two and a half usual breaths, and than 10 s, has no rate.
HOLD_BREATHS = 2.5
HOLD_S = 10.0
Z_95 = 1.96
# Where the heart is heard best comes first.
HEART = (SignalKind.ECG, SignalKind.RR, SignalKind.PPI)


class BreathBoard:
    """Rate and regularity from the last breaths."""

    def __init__(self) -> None:
        self._periods_s: deque[float] = deque(maxlen=N_IRREGULARITY)
        self._end_ns: int | None = None
        self._newest_ns: int | None = None

    def apply(self, event: Breath | BreathTurn) -> None:
        """Take a turn or a breath."""
        if isinstance(event, BreathTurn):
            self._newest_ns = event.t_ns
            return
        period_s = 60.0 / event.breathing_rate_bpm
        if self._end_ns is not None and abs(event.t_ns - self._end_ns) > NS_PER_S // 10:
            self._periods_s.clear()  # breaths that do not follow on each other
        self._periods_s.append(period_s)
        self._end_ns = event.t_ns + round(period_s * NS_PER_S)

    def rate(self, now_ns: int) -> Index:
        """Return the rate of the last three breaths in 1/min; bound: standard error of their mean period."""
        if self._newest_ns is None or self._end_ns is None:
            return Index(reason=Reason.WARMING_UP)
        last = list(self._periods_s)[-N_BREATHS:]
        mean_s = sum(last) / len(last)
        if now_ns - self._newest_ns > max(HOLD_S, HOLD_BREATHS * mean_s) * NS_PER_S:
            return Index(reason=Reason.NO_BREATH)
        if len(last) < N_BREATHS:
            return Index(reason=Reason.WARMING_UP)
        rate_bpm = 60.0 / mean_s
        deviation_s = math.sqrt(sum((p - mean_s) ** 2 for p in last) / (len(last) - 1))
        # 40 ms: one sample of a 25 Hz belt at either end of the three breaths.
        error_s = math.hypot(deviation_s / math.sqrt(len(last)), 0.04 / len(last))
        return Index(value=rate_bpm, bound=rate_bpm * Z_95 * error_s / mean_s, sample_ns=self._newest_ns)

    def irregularity(self) -> Reading | None:
        """Return the coefficient of variation of the last six breaths."""
        periods = self._periods_s
        if len(periods) < N_IRREGULARITY:
            return None
        mean_s = sum(periods) / len(periods)
        deviation_s = math.sqrt(sum((p - mean_s) ** 2 for p in periods) / (len(periods) - 1))
        value = deviation_s / mean_s
        return Reading(value, Z_95 * value / math.sqrt(2.0 * (len(periods) - 1)))


class Board:
    """Everything the metrics are made of."""

    def __init__(self, kinds: frozenset[SignalKind]) -> None:
        self._kinds = kinds
        self._beats = {source: BeatWindow(source) for source in HEART}
        self._breath = BreathBoard()
        self._skin = SkinBoard()
        self._arousal = Arousal()
        self._bad: dict[SignalKind, Reason] = {}
        # All sources are followed all the time, so that one is ready when another fails.
        self.heart = next((kind for kind in HEART if kind in kinds), SignalKind.RR)

    @property
    def heart_source(self) -> SignalKind | None:
        """Whose beats count now."""
        return self.heart if self.heart in self._kinds else None

    @property
    def breath_source(self) -> SignalKind | None:
        """Whose breaths count now."""
        return SignalKind.RESPIRATION if SignalKind.RESPIRATION in self._kinds else None

    @property
    def bad(self) -> Mapping[SignalKind, Reason]:
        """Why a signal cannot be used, where its stage has said so."""
        return self._bad

    def usable(self, kind: SignalKind) -> bool:
        """Whether a signal carries indices as far as its stage has said."""
        return kind not in self._bad

    def hear(self, source: SignalKind) -> None:
        """Take the heart from this signal from now on, if there is such a sensor."""
        if source in self._kinds:
            self.heart = source

    def apply(self, event: Output) -> None:
        """Take one output of a stage."""
        if isinstance(event, Beat):
            self._beats[event.source].apply(event)
        elif isinstance(event, Breath | BreathTurn):
            self._breath.apply(event)
        elif isinstance(event, SkinLevel | SkinResponse | SkinRecovery):
            self._skin.apply(event)
        elif event.reason is None:
            self._bad.pop(event.kind, None)
        else:
            self._bad[event.kind] = event.reason

    def metrics(self, now_ns: int, *, lost: frozenset[SignalKind], pacing: bool) -> Metrics:
        """Return all indices at `now_ns`; `lost`: the kinds whose sensor has been silent for more than 3 s."""
        heart = frozenset(HEART)
        breath = frozenset({SignalKind.RESPIRATION})
        skin = frozenset({SignalKind.SKIN_CONDUCTANCE})
        heart_bpm = self._guard(self._beats[self.heart].heart_rate(now_ns), heart, lost=lost, strict=True)
        rmssd = self._guard(self._beats[self.heart].rmssd(now_ns), heart, lost=lost)
        breathing = self._guard(self._breath.rate(now_ns), breath, lost=lost, strict=True)
        level = self._guard(self._skin.level(now_ns), skin, lost=lost, strict=True)
        responses = self._guard(self._skin.response_rate(now_ns), skin, lost=lost, strict=True)
        readings = {
            name: Reading(index.value, index.bound)
            for name, index in (
                ("heart_rate_bpm", heart_bpm),
                ("scl_us", level),
                ("scr_per_min", responses),
                ("breathing_rate_bpm", breathing),
            )
            if index.value is not None and index.bound is not None
        }
        if rmssd.value and rmssd.bound is not None:
            readings["ln_rmssd"] = Reading(math.log(rmssd.value), rmssd.bound / rmssd.value)
        irregularity = self._breath.irregularity()
        if irregularity is not None and breathing.value is not None:
            readings["breath_irregularity"] = irregularity
        return Metrics(
            t_ns=now_ns,
            emitted_ns=now_ns,
            heart_rate_bpm=heart_bpm,
            rmssd_ms=rmssd,
            breathing_rate_bpm=breathing,
            scl_us=level,
            scr_per_min=responses,
            arousal=self._arousal.tick(now_ns, readings, pacing=pacing),
        )

    def _guard(
        self, index: Index, kinds: frozenset[SignalKind], *, lost: frozenset[SignalKind], strict: bool = False
    ) -> Index:
        """Withhold what has no sensor, and where `strict` at once while its signal is bad."""
        present = kinds & self._kinds
        if not present:
            return Index(reason=Reason.NO_SENSOR)
        heard = frozenset({self.heart}) if self.heart in present else present
        if heard <= lost:
            return Index(reason=Reason.SENSOR_LOST)
        if SignalKind.ECG in heard and any(self._bad.get(kind) is Reason.DISAGREES for kind in UNTIMED_KINDS):
            return Index(reason=Reason.DISAGREES)  # which of the two hearts is the true one cannot be told
        bad = next((self._bad[kind] for kind in heard if self._bad.get(kind) not in {None, Reason.DISAGREES}), None)
        return Index(reason=bad) if bad is not None and (strict or index.value is None) else index

"""Breathing from an ECG alone: each breath turns the heart's axis and moves the electrodes, beat by beat.

Three modulations of every QRS are read (its range, its height over the baseline, the baseline itself) and fused
(`breath_trace`). The rhythm of the heart is left out of the rate: in ageing or ill hearts RR hardly breathes (on BIDMC
it spoils the fusion); where there is nothing but a rhythm it is read alone (`breath_rr`).
"""

from collections import deque
from collections.abc import Sequence
from statistics import median

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.breath_spectrum import BreathSpectrum
from becalm_signal.breath_trace import TraceBreath
from becalm_signal.breath_turns import BreathEvent, BreathMaker, TurnAt
from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.stage import BreathHint

READ_HZ = 250.0
QRS_REACH_S = 0.06
BASE_S = (-0.09, -0.05)
# Beats further apart than this are no even trace.
MAX_BEAT_GAP_S = 2.5
N_USUAL = 21
N_MODULATIONS = 3
# Further from the usual than this many median deviations is an artefact, not a breath.
CLIP_MADS = 5.0
# Further than this is a beat that began elsewhere in the heart: every second or third such would be told as a breath.
OTHER_MADS = 10.0
# Told from this sharpness on, and on until it falls below the lower one. Beats that vary at random are told as breath
# for 11 % of the time (0.5 and 0.3: 7 %; 0.46 and 0.3: 15 %).
SHARP, BLURRED = 0.48, 0.3
# Two breaths at 5 a minute, and soon free of what is over.
WINDOW_S = 24.0
# A window, two spectra that agree, and as many breaths as a rate is told of (`breath_board`), slow ones too.
KEPT_NS = 90 * NS_PER_S
MAX_KEPT = 300


class QrsLevels:
    """What a breath moves in the QRS of one ECG, read at R peaks among its recent samples.

    Notes
    -----
    Delay: 60 ms, the reach of a QRS. Warm-up: 90 ms before the beat.

    References
    ----------
    Karlen et al. 2013, DOI 10.1109/TBME.2013.2246160; Charlton et al. 2016, DOI 10.1088/0967-3334/37/4/610.
    """

    def __init__(self, recent: RecentSamples) -> None:
        self._recent = recent
        self._stride = max(1, int(recent.rate_hz / READ_HZ))
        read_hz = recent.rate_hz / self._stride
        self._reach = max(2, round(QRS_REACH_S * read_hz))
        self._base_from, self._base_to = (round(s * read_hz) for s in BASE_S)

    def read(self, at: float) -> tuple[float, ...] | None:
        """Return what the breath moves in one QRS.

        Parameters
        ----------
        at : its sample since the restart

        Returns
        -------
        range, height and baseline, in the unit of the ECG; None where samples are missing
        """
        middle, reach = round(at / self._stride), self._reach
        qrs = self._between(middle - reach, middle + reach)
        before = self._between(middle + self._base_from, middle + self._base_to)
        if len(qrs) < 2 * reach + 1 or not before:
            return None
        base = sum(before) / len(before)
        top, bottom = _vertex(qrs), -_vertex([-x for x in qrs])
        height = top - base if top - base >= base - bottom else base - bottom
        return top - bottom, height, base

    def _between(self, first: int, last: int) -> list[float]:
        """Return the samples from one reading position to another, both of them included."""
        return self._recent.between(max(0, first) * self._stride, last * self._stride + 1)[:: self._stride]


class EcgBreath:
    """Turns and breaths in the hints of one ECG, worked out when they are asked for: a belt that breathes is enough.

    `hear` takes every hint, `catch_up` returns what those since the last time come to, oldest first, as if it had
    been asked at each of them, but for what only older ones than a minute and a half would tell. A rise of the QRS is
    taken for inhalation. State: 90 s of hints, 24 s of modulations.

    Notes
    -----
    Delay: 3 to 12 s (one breath and up to 4 s). Warm-up: 24 s of beats.

    References
    ----------
    Karlen et al. 2013, DOI 10.1109/TBME.2013.2246160; Charlton et al. 2016, DOI 10.1088/0967-3334/37/4/610.
    """

    def __init__(self) -> None:
        self._waiting: deque[BreathHint] = deque()
        self._is_cut = False
        """Whether some have waited for too long."""
        self._traces = TraceBreath(
            BreathSpectrum(WINDOW_S), sharp=SHARP, blurred=BLURRED, longest_step_s=MAX_BEAT_GAP_S
        )
        self._breaths = BreathMaker(is_hint=True)
        self._forget()

    def hear(self, hint: BreathHint) -> None:
        """Take the hint of the next beat.

        Parameters
        ----------
        hint : range, height and baseline of the QRS, in the unit of the ECG
        """
        waiting = self._waiting
        waiting.append(hint)
        while hint.t_ns - waiting[0].t_ns > KEPT_NS or len(waiting) > MAX_KEPT:
            waiting.popleft()
            self._is_cut = True

    def catch_up(self) -> list[BreathEvent]:
        """Return what has become known since the last time."""
        if self._is_cut:
            self._is_cut = False
            self._begin_anew()
        out: list[BreathEvent] = []
        for hint in self._waiting:
            out += self._beat(hint)
        self._waiting.clear()
        return out

    def _beat(self, hint: BreathHint) -> list[BreathEvent]:
        if hint.is_first:
            self._begin_anew()
        elif self._traces.is_torn(hint.at_s):
            self._forget()
        if self._traces.is_near(hint.at_s):
            return []
        levels = self._clipped(hint.levels)
        if levels is None:
            return []
        out: list[BreathEvent] = []
        for turn in self._traces.beat(hint.at_s, levels):
            if turn.is_torn:
                self._breaths.restart()
            placed = TurnAt(hint.t_ns - round((hint.at_s - turn.at) * NS_PER_S), 0.0, turn.is_peak)
            out += self._breaths.turn(placed, source=SignalKind.ECG, emitted_ns=hint.emitted_ns)
        return out

    def _begin_anew(self) -> None:
        self._forget()
        self._breaths.restart()

    def _forget(self) -> None:
        self._usual = [deque[float](maxlen=N_USUAL) for _ in range(N_MODULATIONS)]
        self._traces.forget()

    def _clipped(self, read: Sequence[float]) -> list[float] | None:
        """Return the levels of a beat without artefacts; None for one of another kind than most."""
        levels = []
        is_other = False
        for x, usual in zip(read, self._usual, strict=True):
            usual.append(x)
            middle = median(usual)
            deviation = median([abs(known - middle) for known in usual])
            is_other |= abs(x - middle) > OTHER_MADS * deviation > 0.0
            reach = CLIP_MADS * deviation
            levels.append(min(max(x, middle - reach), middle + reach))
        return None if is_other else levels


def _vertex(samples: Sequence[float]) -> float:
    """Return the highest value of a parabola through the highest sample and its neighbours."""
    top = samples.index(max(samples))
    if not 0 < top < len(samples) - 1:
        return samples[top]
    before, at, after = samples[top - 1 : top + 2]
    curvature = before - 2.0 * at + after
    return at - (before - after) ** 2 / (8.0 * curvature) if curvature < 0.0 else at

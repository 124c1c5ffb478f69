"""A strap's beats laid on those of the ECG, and whether the two tell of the same heart."""

from collections import deque
from dataclasses import dataclass, replace

from becalm_protocol.derived import Beat, BeatFlag, Reason, SignalQuality
from becalm_protocol.events import UNTIMED_KINDS, SignalKind
from becalm_protocol.units import NS_PER_MS
from becalm_signal.matcher import Matcher, Place
from becalm_signal.stage import Output, QualityReporter

N_COMPARED = 15
# The same beats within 30 ms: fewer than half of them, or a third more or fewer beats, are not the same heart.
MIN_SHARED = 0.5
MAX_UNEQUAL = 0.3
# Once they have disagreed they must agree better than that.
SHARED_AGAIN = 0.7
UNEQUAL_AGAIN = 0.15
# So many beats in a row where the ECG says nothing: there is no second opinion any more.
N_ALONE = 5
# A strap with fewer accepted intervals than this is itself in doubt.
MIN_OK_SHARE = 0.6


class Anchor:
    """Takes beats of all sources in the order in which they could be known; returns untimed ones with a better time.

    Notes
    -----
    Delay: none. Warm-up: 15 beats of both before they are compared.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._runs = {kind: _Run(kind) for kind in UNTIMED_KINDS}

    def take(self, event: Output) -> list[Output]:
        """Return the event, an untimed beat with its best time; and a change of the strap's quality.

        Parameters
        ----------
        event : output of a stage, in the order in which it could be known

        Returns
        -------
        the event, an untimed beat with its best time; and a change of the strap's quality
        """
        if isinstance(event, Beat):
            if event.source in self._runs:
                return self._runs[event.source].take(event)
            if not event.confirmed:
                for run in self._runs.values():
                    run.matcher.hear(event.t_ns)
        elif isinstance(event, SignalQuality) and event.kind in self._runs:
            return self._runs[event.kind].judged(event)
        return [event]


@dataclass(frozen=True, slots=True)
class _Told:
    beat_idx: int
    n_run: int
    sum_ns: float
    t_ns: int
    error_ms: float | None


class _Run:
    """The beats of one strap since nothing was lost."""

    def __init__(self, kind: SignalKind) -> None:
        self.matcher = Matcher()
        self._sum_ns = 0.0
        self._n_run = 0
        self._before_ns = 0
        self._told: deque[_Told] = deque(maxlen=16)
        self._shared: deque[tuple[int, bool]] = deque(maxlen=N_COMPARED)
        self._accepted: deque[bool] = deque(maxlen=N_COMPARED)
        self._n_alone = 0
        self._by_stage: Reason | None = None
        self._by_ecg: Reason | None = None
        self._quality = QualityReporter(kind)

    def take(self, beat: Beat) -> list[Output]:
        """Place a beat: at once, and again when it is confirmed and more is known."""
        if beat.confirmed:
            return [self._settled(beat)]
        if beat.rr_ms is None:
            self.matcher.loosen()
            self._sum_ns += beat.t_ns - self._before_ns
            self._n_run += 1
            self._shared.clear()
        else:
            self._sum_ns += beat.rr_ms * NS_PER_MS
        self._before_ns = beat.t_ns
        place = self.matcher.place(self._sum_ns, arrived_ns=beat.emitted_ns)
        placed = beat if self._by_ecg is not None else _placed(beat, place)
        self._told.append(_Told(beat.beat_idx, self._n_run, self._sum_ns, placed.t_ns, placed.t_error_ms))
        self._compare(place)
        return [placed, *self._changes(beat)]

    def judged(self, event: SignalQuality) -> list[Output]:
        """Take what the strap's own stage says of it."""
        self._by_stage = event.reason
        return self._quality.change(event.reason or self._by_ecg, t_ns=event.t_ns, emitted_ns=event.emitted_ns)

    def _settled(self, beat: Beat) -> Beat:
        self._accepted.append(beat.flag in {BeatFlag.OK, BeatFlag.FIRST})
        told = next((told for told in self._told if told.beat_idx == beat.beat_idx), None)
        if told is None:
            return beat
        t_ns, error_ms = told.t_ns, told.error_ms
        place = None
        if told.n_run == self._n_run and self._by_ecg is None:
            place = self.matcher.review(told.sum_ns, told_ns=told.t_ns)
        if place is not None and place.is_sound:
            t_ns, error_ms = place.t_ns, _ms(place)
        return replace(beat, t_ns=t_ns, t_error_ms=error_ms)

    # -------------------------------------------------------------------------------------------------- agreement
    def _compare(self, place: Place | None) -> None:
        """Count shared beats and all beats over the last fifteen."""
        if place is None or place.matched is None:
            self._n_alone += 1
            if self._n_alone >= N_ALONE:
                self._shared.clear()
                if self._by_ecg is not None:
                    self.matcher.restart()  # what was of another heart cannot be followed any further
                self._by_ecg = None
            return
        self._n_alone = 0
        self._shared.append((place.t_ns, place.matched and not place.moved))
        if len(self._shared) < N_COMPARED:
            return
        shared = sum(matched for _, matched in self._shared) / N_COMPARED
        n_ecg = self.matcher.n_heard(self._shared[0][0], place.t_ns)
        unequal = abs(n_ecg / (N_COMPARED - 1) - 1.0)
        doubted = self._by_ecg is not None
        agrees = shared >= (SHARED_AGAIN if doubted else MIN_SHARED) and unequal <= (
            UNEQUAL_AGAIN if doubted else MAX_UNEQUAL
        )
        sound = sum(self._accepted) >= MIN_OK_SHARE * len(self._accepted)
        self._by_ecg = None if agrees else Reason.DISAGREES if sound else Reason.NOISY

    def _changes(self, beat: Beat) -> list[Output]:
        return self._quality.change(self._by_stage or self._by_ecg, t_ns=beat.emitted_ns, emitted_ns=beat.emitted_ns)


def _placed(beat: Beat, place: Place | None) -> Beat:
    """Return the beat where the ECG puts it, if it does."""
    if place is None or not place.is_sound:
        return beat
    return replace(beat, t_ns=place.t_ns, t_error_ms=_ms(place))


def _ms(place: Place) -> float:
    return round(place.error_ns / NS_PER_MS, 1)

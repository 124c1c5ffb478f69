"""The last seconds of a live stream: heard once more where they turn out to have come at another rate."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from becalm_protocol.derived import Beat, BreathTurn, SignalQuality
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_protocol.units import NS_PER_MS
from becalm_signal.breath_turns import SAME_TURN_NS
from becalm_signal.clock import StreamClock
from becalm_signal.stage import BreathsHidden, BreathsTorn, Output, known_at, moment_ns

# What tells of another rate takes some 8 s, and three times as many of a label that is a third of the true rate.
PAST_S = 24.0
# A beat is confirmed one or two beats later.
N_OPEN = 8
# Two sounds of one beat are no farther apart, two beats are.
SAME_NS = 200 * NS_PER_MS

# What is said of all that comes from now on, whenever that was.
OF_NO_MOMENT = (SignalQuality, BreathsHidden, BreathsTorn)

Run = tuple[float, ...]


class Past:
    """Keeps runs of samples at their positions, and which was the newest beat or turn that was told for good.

    Notes
    -----
    Delay and Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._runs: deque[tuple[int, Run]] = deque()
        self._heard: deque[tuple[int, float]] = deque(maxlen=N_OPEN)
        """Number and position of the newest beats, by the clock that they were heard by."""
        self._told: tuple[int, float, int] | None = None
        """Time and position of the newest beat or turn that was told for good; how far from it the same one may be."""
        self._after_ns = self._now_ns = -MAX_SESSION_NS
        """Up to the first all was told before; nothing was known before the second."""

    def clear(self) -> None:
        """Forget everything: what comes does not follow on it, and its positions may begin from zero."""
        self._runs.clear()
        self._heard.clear()
        self._told = None

    def keep(self, at: int, run: Run, *, n_kept: int) -> None:
        """Take a run, and forget those that ended long before it.

        Parameters
        ----------
        at : position of its first sample
        run : samples in the unit of the signal, shape (n_samples,)
        n_kept : before so many samples
        """
        self._runs.append((at, run))
        while self._runs[0][0] < at - n_kept:
            self._runs.popleft()

    def since(self, position: float) -> Iterator[tuple[int, Run]]:
        """Yield position and samples of each run, without those before a position.

        Parameters
        ----------
        position : in samples since the start
        """
        for at, run in self._runs:
            n_before = math.ceil(position - at) if position > at else 0
            if n_before < len(run):
                yield at + n_before, run[n_before:]

    def rewind(self, *, is_back: bool, now_ns: int, clock: StreamClock) -> None:
        """Begin anew: back where some was told already, to tell none of it twice, or where nothing was told.

        Parameters
        ----------
        is_back : whether what is kept is heard once more
        now_ns : the moment, session time in ns: nothing that is told from now on was known before
        clock : by which a position may have another time than when its beat or turn was told
        """
        self._after_ns = -MAX_SESSION_NS
        self._now_ns = now_ns if is_back else -MAX_SESSION_NS
        if is_back and self._told is not None:
            t_ns, at, same_ns = self._told
            self._after_ns = max(t_ns, clock.session_ns(at)) + same_ns

    def pass_on(self, outputs: list[Output], *, clock: StreamClock) -> list[Output]:
        """Return what was not told before, and note its beats and turns.

        Parameters
        ----------
        outputs : in the order in which they are told
        clock : that their times are by

        Returns
        -------
        those that are new
        """
        if not outputs:
            return outputs
        outputs = [known_at(event, self._now_ns) for event in outputs]
        if self._after_ns > -MAX_SESSION_NS:
            outputs = [e for e in outputs if isinstance(e, OF_NO_MOMENT) or moment_ns(e) > self._after_ns]
        for event in outputs:
            if isinstance(event, Beat) and not event.confirmed:
                self._heard.append((event.beat_idx, clock.position(event.t_ns)))
            elif isinstance(event, Beat):  # by now the clock may be another than when it was heard
                at = next((at for beat_idx, at in self._heard if beat_idx == event.beat_idx), None)
                self._told = event.t_ns, clock.position(event.t_ns) if at is None else at, SAME_NS
            elif isinstance(event, BreathTurn):
                self._told = event.t_ns, clock.position(event.t_ns), SAME_TURN_NS
        return outputs


def since_lost(outputs: Iterable[Output], *, lost_ns: int) -> list[Output]:
    """Return what a stage says of samples that it heard once more: its quality counts from where it was lost.

    Parameters
    ----------
    outputs : as the stage says them
    lost_ns : from when on the stage was said to be lost

    Returns
    -------
    the outputs
    """
    return [replace(e, t_ns=max(lost_ns, e.t_ns)) if isinstance(e, SignalQuality) else e for e in outputs]

"""Beat times from a sensor's own intervals: untimed, 0-4 s late, laid on the session clock by their sum."""

from collections import deque
from collections.abc import Sequence

from becalm_protocol.derived import Beat, Reason
from becalm_protocol.events import RrBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ms_from_rr_ticks
from becalm_signal.breath_rr import RrBreath
from becalm_signal.breath_turns import BreathMaker, TurnAt
from becalm_signal.packet_clock import session_time
from becalm_signal.rr import MAX_RR_MS, RrFlagger
from becalm_signal.stage import Output, QualityReporter

# Intervals are told 0 to 4 s after their beat.
MAX_LAG_NS = 4 * NS_PER_S
# A sum that lags arrival by more than this after the last one has lost beats.
BREAK_NS = 9 * NS_PER_S // 2
# The quickest notification of so long tells where the sum belongs; a lost one has been got over when it is past.
ENVELOPE_NS = 60 * NS_PER_S
# The unknown rest of the lag is never less than what notifications are bundled by.
MIN_ERROR_NS = NS_PER_S // 2
# A run that was laid too late is moved back without its beats changing places.
SLOWEST = 0.5
# A strap without an interval for so long leaves the word to an optical sensor.
SPOKEN_NS = 10 * NS_PER_S


class StrapChoice:
    """Whose intervals count: those of a strap where it has any, else those of an optical sensor."""

    def __init__(self) -> None:
        self.kind = SignalKind.RR
        self._spoke_ns: int | None = None

    def counts(self, beat: Beat) -> bool:
        """Take a beat of either; return whether its source counts now."""
        if beat.source is SignalKind.RR:
            self._spoke_ns = beat.emitted_ns
        silent = self._spoke_ns is None or beat.emitted_ns - self._spoke_ns > SPOKEN_NS
        self.kind = SignalKind.PPI if silent else SignalKind.RR
        return beat.source is self.kind


class StrapStage:
    """Blocks of RR or pulse intervals to beats.

    Interval error: the sensor's (about 1 ms for a chest strap). Beats lie after the true ones, by no more than
    `t_error_ms`: notifications are at most 4 s late, and what is seen of their lateness is taken out.

    Notes
    -----
    Delay: that of the notifications; confirmed one or two beats later. Warm-up: none.

    References
    ----------
    Lipponen & Tarvainen 2019, DOI 10.1080/03091902.2019.1640306.
    """

    def __init__(self, kind: SignalKind = SignalKind.RR) -> None:
        self.kind = kind
        self._flagger = RrFlagger(kind)
        self._breath = RrBreath()
        self._breaths = BreathMaker(is_hint=True)
        self._quality = QualityReporter(kind)
        self._sum_ns = 0
        self._late_ns: deque[tuple[int, int]] = deque(maxlen=256)
        """When a notification came, and how far behind the sum it was."""
        self._newest_ns: int | None = None
        self._latest_ns = 0

    def restart(self, *, emitted_ns: int) -> list[Output]:
        """Begin again after a gap."""
        self._newest_ns = None
        out = self._breathe(self._flagger.flush(emitted_ns=emitted_ns), emitted_ns=emitted_ns)
        self._breath.restart()
        self._breaths.restart()
        return out

    def feed(self, block: RrBlock) -> list[Output]:
        """Take one notification. Intervals that the sensor itself does not trust break the run.

        Parameters
        ----------
        block : intervals in 1/1024 s, shape (n_beats,)

        Returns
        -------
        its beats
        """
        now_ns = block.received_ns
        self._latest_ns = now_ns
        n_usable = sum(block.usable) if block.usable is not None else len(block.rr_1024)
        reason = Reason.NOISY if block.rr_1024 and n_usable == 0 else None
        reason = Reason.POOR_CONTACT if block.in_contact is False else reason
        out = self._quality.change(reason, t_ns=now_ns, emitted_ns=now_ns)
        if reason is not None:
            return [*out, *self.restart(emitted_ns=now_ns)]
        rr_ns = [round(ms_from_rr_ticks(ticks) * NS_PER_MS) for ticks in block.rr_1024]
        return out + self._breathe(self._beats(block, rr_ns), emitted_ns=now_ns)

    def finish(self) -> list[Output]:
        """Confirm the last beats."""
        return self._breathe(self._flagger.flush(emitted_ns=self._latest_ns), emitted_ns=self._latest_ns)

    def _breathe(self, beats: Sequence[Beat], *, emitted_ns: int) -> list[Output]:
        """Return beats and what they settle of the breath."""
        out: list[Output] = [*beats]
        for beat in beats:
            if beat.confirmed:
                for turn in self._breath.beat(beat):
                    if turn.is_torn:
                        self._breaths.restart()
                    placed = TurnAt(round(turn.at * NS_PER_S), 0.0, turn.is_peak)
                    out += self._breaths.turn(placed, source=self.kind, emitted_ns=emitted_ns)
        return out

    def _beats(self, block: RrBlock, rr_ns: list[int]) -> list[Beat]:
        now_ns = block.received_ns
        before_ns = self._newest_ns
        begins = before_ns is None or now_ns - (before_ns + sum(rr_ns)) > BREAK_NS
        offset_ns = self._offset_ns(now_ns, total_ns=sum(rr_ns), begins=begins)
        error_ms = self._error_ns() / NS_PER_MS
        newest_ns = self._newest_ns if not begins and self._newest_ns is not None else None
        ahead_ns = sum(rr_ns)
        out: list[Beat] = []
        for position, interval_ns in enumerate(rr_ns):
            self._sum_ns += interval_ns
            ahead_ns -= interval_ns
            t_ns = self._sum_ns + offset_ns
            if newest_ns is not None:
                t_ns = max(newest_ns + 1, min(max(t_ns, newest_ns + int(SLOWEST * interval_ns)), now_ns - ahead_ns))
            newest_ns = t_ns
            usable = block.usable is None or block.usable[position]
            if not usable:
                begins = True
                continue
            out += self._beat(block, position=position, t_ns=t_ns, begins=begins, error_ms=error_ms)
            begins = False
        self._newest_ns = newest_ns
        return out

    def _offset_ns(self, now_ns: int, *, total_ns: int, begins: bool) -> int:
        """Return what to add to the sum of intervals for session time: the least that notifications allow."""
        late = self._late_ns
        if begins:
            late.clear()
        late.append((now_ns, now_ns - self._sum_ns - total_ns))
        while late[0][0] < now_ns - ENVELOPE_NS:
            late.popleft()
        return min(late_ns for _, late_ns in late)

    def _error_ns(self) -> int:
        """Return what is left of the largest lag, the range seen of it taken off."""
        seen = [late_ns for _, late_ns in self._late_ns]
        return max(MIN_ERROR_NS, MAX_LAG_NS - (max(seen) - min(seen)))

    def _beat(self, block: RrBlock, *, position: int, t_ns: int, begins: bool, error_ms: float) -> list[Beat]:
        rr_ms = ms_from_rr_ticks(block.rr_1024[position])
        # The first interval of a run is whole in itself: its beat has no beat before it in this run.
        broken = begins or rr_ms > 4 * MAX_RR_MS
        return self._flagger.push(
            session_time(t_ns),
            rr_ms=None if broken else rr_ms,
            emitted_ns=block.received_ns,
            t_error_ms=round(error_ms, 1),
            rr_error_ms=float(block.error_ms[position]) if block.error_ms is not None and not broken else None,
        )

"""What the metrics say of skin conductance: its level, and how many responses there were in the last minute."""

import math
from bisect import bisect_left
from collections import deque
from operator import itemgetter

from becalm_protocol.derived import Index, Reason, SkinRecovery, SkinResponse
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import Reading
from becalm_signal.bounds import of_count
from becalm_signal.stage import STALE_NS, SkinLevel

WINDOW_NS = 60 * NS_PER_S
# Shorter windows are scaled to a minute only from here on: one response in 10 s says nothing.
LEAST_SEEN_NS = 30 * NS_PER_S
MAX_LEVELS = 640
# Of ten responses one or two are missed or merged with their neighbour, and one is made up (virtual people).
WRONG_SHARE = 0.3
# What hides responses - movement, a hand at the electrode - rouses as well: there may have been as many as in somebody
# aroused (5 a minute and more: Dawson 2007, DOI 10.1017/CBO9780511546396.007), whatever the rest of the minute shows.
HIDDEN_PER_NS = 5.0 / WINDOW_NS
# Electrodes that moved creep for some seconds (`skin_level`). Until later than this more of the skin's own course would
# be theirs: among virtual people 12 s keep no better, and of true falls 3 % fewer are told.
CREPT_NS = 6 * NS_PER_S
# A response is known a second after its peak, half a second more until a piece is whole: next to a break it is lost.
LOST_AT_BREAK_NS = 3 * NS_PER_S // 2


class SkinBoard:
    """Level and rate of responses.

    Notes
    -----
    Delay: 2.7 s (level), a second (responses), half a second more at most for a piece. Warm-up: a second;
    30 s for the rate of responses.

    References
    ----------
    Boucsein 2012, DOI 10.1007/978-1-4614-1126-0.
    """

    def __init__(self) -> None:
        self._level: SkinLevel | None = None
        self._told = Index(reason=Reason.WARMING_UP)
        self._moved_us = 0.0
        """What bad contact or a long silence has moved the level by: that may be the electrodes, not the skin."""
        self._before_us = 0.0
        """What it was before the last bad contact, without that."""
        self._creeps_until_ns = -MAX_SESSION_NS
        self._began_ns = 0
        self._peaks_ns: deque[int] = deque(maxlen=256)
        """Of the responses that count."""
        self._seen: deque[tuple[int, int]] = deque()
        """Moments at which a response would have been seen, and for how long until then."""
        self._seen_ns = 0
        """The sum of these."""

    def apply(self, event: SkinLevel | SkinResponse | SkinRecovery) -> None:
        """Take a level or a response; recoveries say nothing of either."""
        if isinstance(event, SkinResponse):
            if self._was_seen(event.peak_ns):
                self._peaks_ns.append(event.peak_ns)
        elif isinstance(event, SkinLevel):
            if self._level is None:
                self._began_ns = event.emitted_ns
            elif event.is_first:
                self._see(event.emitted_ns, -LOST_AT_BREAK_NS)
                if event.may_have_moved or event.emitted_ns - self._level.emitted_ns > STALE_NS:
                    self._before_us = self._level.level_us - self._moved_us
                    self._creeps_until_ns = event.emitted_ns + CREPT_NS
            elif event.sees_responses:
                self._see(event.emitted_ns, event.emitted_ns - self._level.emitted_ns)
            if event.emitted_ns < self._creeps_until_ns:
                self._moved_us = event.level_us - self._before_us
            self._level = event
            bound_us = event.bound_us + event.dried_us
            self._told = Index(value=event.level_us, bound=bound_us, sample_ns=event.t_ns)

    def _see(self, t_ns: int, step_ns: int) -> None:
        if len(self._seen) >= MAX_LEVELS:
            self._seen_ns -= self._seen.popleft()[1]
        self._seen.append((t_ns, step_ns))
        self._seen_ns += step_ns

    def _was_seen(self, peak_ns: int) -> bool:
        """Whether a response came where any would have been seen: one told in noise says nothing of others there."""
        at = bisect_left(self._seen, peak_ns, key=itemgetter(0))
        return at < len(self._seen) and peak_ns > self._seen[at][0] - self._seen[at][1]

    def level(self, now_ns: int) -> Index:
        """Return the level.

        Parameters
        ----------
        now_ns : the moment, session time in ns

        Returns
        -------
        level in uS
        """
        if self._level is not None and now_ns - self._level.emitted_ns > STALE_NS:
            return Index(reason=Reason.SENSOR_LOST)
        return self._told

    def reading(self) -> Reading | None:
        """Return the level for arousal, which compares it with that of minutes ago, and what bad contact moved it by.

        The doubt that electrodes dry is in arousal's own bound.
        """
        level = self._level
        return None if level is None else Reading(level.level_us, level.bound_us, self._moved_us)

    def response_rate(self, now_ns: int) -> Index:
        """Return responses a minute in what was seen of the last 60 s, 30 s of it and more.

        Parameters
        ----------
        now_ns : the moment, session time in ns

        Returns
        -------
        rate in 1/min; bound: responses missed, merged or made up, and those that may have come while noise hid them
        """
        level = self._level
        if level is None:
            return Index(reason=Reason.WARMING_UP)
        if now_ns - level.emitted_ns > STALE_NS:
            return Index(reason=Reason.SENSOR_LOST)
        window_ns = min(WINDOW_NS, now_ns - self._began_ns)
        since_ns = now_ns - window_ns
        while self._seen and self._seen[0][0] <= since_ns:
            self._seen_ns -= self._seen.popleft()[1]
        seen_ns = self._seen_ns
        if seen_ns < LEAST_SEEN_NS:
            return Index(reason=Reason.WARMING_UP if level.sees_responses else Reason.NOISY)
        while self._peaks_ns and self._peaks_ns[0] <= since_ns:
            self._peaks_ns.popleft()
        n = len(self._peaks_ns)
        hidden = max((n + 1.0) / seen_ns, HIDDEN_PER_NS) * max(0, window_ns - seen_ns)
        bound = max(1.0, of_count(math.sqrt(WRONG_SHARE * (n + 1.0) + hidden)))
        return Index(value=n * WINDOW_NS / seen_ns, bound=bound * WINDOW_NS / window_ns, sample_ns=level.emitted_ns)

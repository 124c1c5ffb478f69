"""How much of the skin's conductance electrodes may have taken by drying: by how fast the level falls, and how long.

Paste that dries, or a pad that comes loose, takes up to a fifth of the conductance a minute, steadily and whatever the
skin does meanwhile, and nothing in the signal tells it from a skin that calms down. Where the skin rises it hides that
electrodes dry on: its steeper falls show how fast they may, for all the time.
"""

from collections import deque

from becalm_protocol.units import NS_PER_S, ns_from_s

MOST_SHARE_PER_S = 0.2 / 60.0
# What is older was wetted again, or has become the level that is known.
LONGEST_NS = 120 * NS_PER_S
STEP_NS = 5 * NS_PER_S
# Levels come twice a second, placed to some ms.
DUE_NS = STEP_NS - ns_from_s(0.25)
# The steeper part of the last two minutes. Of 400 and 200 virtual people with drying electrodes three fifths cover 99 %
# and more of the seconds, all of it 94; half makes the bound a seventh wider for another tenth of a percent.
STEEPER_SHARE = 0.6


class DryingWatch:
    """Follows the level over the last two minutes, through gaps and bad contact too: electrodes dry on in these.

    Notes
    -----
    Delay: 5 s. Warm-up: 5 s.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._levels: deque[tuple[int, float]] = deque()
        self._falls: deque[float] = deque()
        """How fast the level fell from each of these to the next."""
        self._share_per_s = 0.0

    def step(self, t_ns: int, level_us: float) -> float:
        """Take a level.

        Parameters
        ----------
        t_ns : when it is told, session time in ns
        level_us : in uS

        Returns
        -------
        what the electrodes may have taken from the skin's own until then, in uS
        """
        levels = self._levels
        if levels and t_ns < levels[-1][0]:
            levels.clear()  # time begins anew
            self._falls.clear()
        if not levels or t_ns - levels[-1][0] >= DUE_NS:
            if levels:
                self._falls.append(_fallen_share_per_s(levels[-1], (t_ns, level_us)))
            levels.append((t_ns, level_us))
            while t_ns - levels[0][0] > LONGEST_NS + NS_PER_S:
                levels.popleft()
                self._falls.popleft()
            self._learn()
        return self._share_per_s * (t_ns - levels[0][0]) / NS_PER_S * level_us

    def _learn(self) -> None:
        falls = sorted(self._falls, reverse=True)
        n_steeper = round(STEEPER_SHARE * len(falls)) or 1
        self._share_per_s = sum(falls[:n_steeper]) / n_steeper


def _fallen_share_per_s(earlier: tuple[int, float], later: tuple[int, float]) -> float:
    (earlier_ns, earlier_us), (later_ns, later_us) = earlier, later
    share_per_s = (earlier_us - later_us) / earlier_us * NS_PER_S / (later_ns - earlier_ns)
    return min(max(share_per_s, 0.0), MOST_SHARE_PER_S)

"""The skin responses of a virtual person as their definition counts them: from trough to peak, of the skin itself."""

from itertools import pairwise

import numpy as np

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.skin import PEAK_S

# Fine beside a rise of a second.
STEP_NS = NS_PER_S // 50
# A response on a level that rises by itself has no peak of its own; no rise is longer than this.
LONGEST_RISE_NS = 5 * NS_PER_S
# Before this no response has peaked: a fall so soon is that of the response before it.
LEAST_RISE_NS = ns_from_s(PEAK_S / 4.0)


@value
class TrueRise:
    """One response from the foot of its rise to its peak."""

    onset_ns: int
    peak_ns: int
    height_us: float


def true_rises(body: Body) -> tuple[TrueRise, ...]:
    """Return how far each response of a body raised its skin, in order.

    What sweat adds on the falling flank of the response before is, from trough to peak, less than its own amplitude.
    """
    onsets_ns = [response.onset_ns for response in body.responses()]
    return tuple(_rise(body, onset_ns, before_ns=next_ns) for onset_ns, next_ns in pairwise([*onsets_ns, body.t_ns]))


def _rise(body: Body, onset_ns: int, *, before_ns: int) -> TrueRise:
    end_ns = min(max(onset_ns + STEP_NS, min(before_ns, onset_ns + LONGEST_RISE_NS)), body.t_ns)
    t_ns = np.arange(onset_ns, end_ns + 1, STEP_NS, dtype=np.int64)
    level_us = body.skin_us(t_ns)
    first = min(LEAST_RISE_NS // STEP_NS, len(t_ns) - 1)
    falls = np.flatnonzero(np.diff(level_us[first:]) < 0.0)
    peak = first + int(falls[0]) if len(falls) else len(t_ns) - 1
    height_us = float(level_us[peak] - np.min(level_us[: peak + 1]))
    return TrueRise(onset_ns=onset_ns, peak_ns=int(t_ns[peak]), height_us=height_us)

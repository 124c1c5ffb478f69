"""What noise is called: while the chest moves it comes from that, and looks like free electrodes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from becalm_protocol.derived import Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_signal.breath_motion import AXES
from becalm_signal.ppg import LIGHTS

# What a movement of the chest makes noise in.
SHAKEN = frozenset({SignalKind.ECG, *LIGHTS})
OF_MOVEMENT = frozenset({Reason.NOISY, Reason.OFF_BODY})


def told_at_ticks(kinds: Iterable[SignalKind]) -> frozenset[SignalKind]:
    """Return the signals whose quality waits for a tick, where it is known whether the chest moves."""
    return SHAKEN.intersection(kinds) if set(AXES).issubset(kinds) else frozenset()


class Movement:
    """Whether the chest moves, and the quality of what it shakes: as its stage tells it, but with the cause's name.

    Notes
    -----
    Delay: until the next tick, 250 ms at most. Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, kinds: frozenset[SignalKind]) -> None:
        self._shaken = told_at_ticks(kinds)
        self._moves = False
        self._heard: list[SignalQuality] = []
        self._said: dict[SignalKind, SignalQuality] = {}
        """The newest word of each stage."""
        self._told: dict[SignalKind, SignalQuality] = {}
        """What was made of it."""

    def settle(self, bad: Mapping[SignalKind, Reason], *, lost: frozenset[SignalKind]) -> None:
        """Take why signals are bad at a tick; what a silent sensor (`lost`) said last is not what is."""
        self._moves = bool(bad) and any(bad.get(kind) is Reason.MOTION and kind not in lost for kind in AXES)

    def why(self, kind: SignalKind, reason: Reason) -> Reason:
        """Return what spoils a signal of which its stage says `reason`."""
        return Reason.MOTION if self._moves and kind in SHAKEN and reason in OF_MOVEMENT else reason

    def hear(self, quality: SignalQuality) -> None:
        """Take what a stage says of its signal, in order.

        Parameters
        ----------
        quality : of a signal, as its stage tells it
        """
        if quality.kind in self._shaken:
            self._heard.append(quality)

    def tell(self, now_ns: int) -> list[SignalQuality]:
        """Return the quality at a tick that is settled: what was heard since the last one, and what is named anew."""
        told: list[SignalQuality] = []
        for quality in self._heard:
            self._said[quality.kind] = quality
            told += self._change(quality, t_ns=quality.t_ns, now_ns=now_ns)
        self._heard.clear()
        for quality in self._said.values():
            told += self._change(quality, t_ns=now_ns, now_ns=now_ns)
        return told

    def _change(self, quality: SignalQuality, *, t_ns: int, now_ns: int) -> list[SignalQuality]:
        reason = None if quality.reason is None else self.why(quality.kind, quality.reason)
        before = self._told.get(quality.kind)
        if before is not None and (before.reason, before.caution) == (reason, quality.caution):
            return []
        # A stage dates its words back without knowing what was named at a tick since: what is told later is of later.
        t_ns = t_ns if before is None else max(t_ns, before.t_ns + 1)
        emitted_ns = max(now_ns, quality.emitted_ns)
        self._told[quality.kind] = replace(quality, reason=reason, t_ns=t_ns, emitted_ns=emitted_ns)
        return [self._told[quality.kind]]

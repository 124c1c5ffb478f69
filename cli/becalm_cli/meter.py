"""What a client sees of the live stream, counted: frames, gaps, ages, and the arousal index from first to last."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from becalm_protocol.derived import Beat, Index, Metrics
from becalm_protocol.events import Gap, Phase, PhaseChange
from becalm_protocol.handshake import Live, Waveform
from becalm_protocol.units import NS_PER_MS

MAX_AGES = 500_000
"""Ages kept for each kind of frame: ten hours of waveform frames."""
AGE_KINDS = ("waveform", "beat", "metrics")
AGE_QUANTILES = (50, 95, 99)


@dataclass(kw_only=True)
class Ages:
    """Ages of one kind of frame at the client, in milliseconds."""

    software_ms: list[float] = field(default_factory=list)
    """Since the agent's callback: what our software adds."""
    sample_ms: list[float] = field(default_factory=list)
    """Since the newest sample itself: with the sensor's own batching."""


class LiveMeter:
    """Takes in live frames; `now_ns` is session time at their arrival."""

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()
        self.n_gaps = 0
        self.phase: Phase | None = None
        self._arousal_start: Index | None = None
        self._arousal_newest: Index | None = None
        self._ages = {kind: Ages() for kind in AGE_KINDS}

    def apply(self, frame: Live, *, now_ns: int | None) -> None:
        """Count one frame and its ages."""
        event = frame.event
        self.frames[type(event).__name__] += 1
        if isinstance(event, Gap):
            self.n_gaps += 1
        elif isinstance(event, PhaseChange):
            self.phase = event.phase
        elif isinstance(event, Metrics):
            self._note_arousal(event.arousal)
        kind = _age_kind(event)
        if kind and frame.ledger and now_ns is not None and len(self._ages[kind].software_ms) < MAX_AGES:
            self._ages[kind].software_ms.append((now_ns - frame.ledger.received_ns) / NS_PER_MS)
            self._ages[kind].sample_ms.append((now_ns - frame.ledger.sample_ns) / NS_PER_MS)

    def _note_arousal(self, index: Index) -> None:
        self._arousal_newest = index
        if index.value is not None and self._arousal_start is None:
            self._arousal_start = index

    def arousal(self) -> dict[str, object]:
        """Arousal when it was first known and now, each with its bound, or the reason why there is none."""
        return {
            "start": _plain_index(self._arousal_start or self._arousal_newest),
            "end": _plain_index(self._arousal_newest),
        }

    def ages_ms(self) -> dict[str, object]:
        """Quantiles of the ages of each kind of frame."""
        return {
            kind: {"software": quantiles(ages.software_ms), "sample": quantiles(ages.sample_ms)}
            for kind, ages in self._ages.items()
        }


def _age_kind(event: object) -> str | None:
    if isinstance(event, Waveform):
        return "waveform"
    if isinstance(event, Metrics):
        return "metrics"
    return "beat" if isinstance(event, Beat) and not event.confirmed else None


def _plain_index(index: Index | None) -> dict[str, object]:
    if index is None:
        return {"value": None, "reason": "no metrics yet"}
    if index.value is None:
        return {"value": None, "reason": index.reason}
    return {"value": round(index.value, 2), "bound": round(index.bound or 0.0, 2)}


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99 (nearest rank), None where there are no values."""
    ordered = sorted(values)
    return {
        f"p{q}": round(ordered[max(0, math.ceil(q / 100 * len(ordered)) - 1)], 2) if ordered else None
        for q in AGE_QUANTILES
    }

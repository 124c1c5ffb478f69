"""The figures of the radio bench, added up wearer by wearer."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from becalm_cli.radio_account import StoredStream, count_fates, count_repeats, count_sequence_faults, match
from becalm_cli.radio_time import beat_errors_ms, count_disorder, judge_gaps, placements_ms
from becalm_cli.radio_wear import Struck, WearerLog
from becalm_protocol.units import NS_PER_S

QUANTILES = (50, 95, 99, 100)


class RadioScore:
    """Counts and times of all wearers so far."""

    def __init__(self) -> None:
        self._fates: Counter[str] = Counter()
        self._gaps: Counter[str] = Counter()
        self._disorder: Counter[str] = Counter()
        self._sequence: Counter[str] = Counter()
        self._repeats: Counter[str] = Counter()
        self._n_unheard = 0
        self._struck: list[Struck] = []
        self._errors_ms: list[float] = []
        self._soon_ms: list[float] = []
        self._early_ms: dict[str, list[float]] = {}
        self._agents: Counter[str] = Counter()

    def add(self, log: WearerLog, *, streams: Sequence[StoredStream], beats: Sequence[tuple[str, int]]) -> None:
        """Take in one wearer and what the archive holds of it."""
        matched = match(log, streams)
        self._fates.update(count_fates(log, streams, matched))
        self._gaps.update(judge_gaps(log, streams, matched))
        self._disorder.update(count_disorder(streams, beats))
        self._sequence.update(count_sequence_faults(streams))
        self._repeats.update(count_repeats(log, matched))
        self._n_unheard += len(matched.unheard)
        self._struck += log.struck
        errors_ms, soon_ms = beat_errors_ms(log, [t_ns for source, t_ns in beats if source == "ecg"])
        self._errors_ms += errors_ms
        self._soon_ms += soon_ms
        for stream in streams:
            if stream.info.sample_rate_hz is not None:
                self._early_ms.setdefault(stream.info.kind.value, []).extend(placements_ms(log, stream))
        self._agents.update(sent_after_a_restart=log.report["spooled"], left=log.n_left, refused=log.report["refused"])

    def report(self) -> dict[str, Any]:
        """Return every figure, ready for JSON."""
        return {
            "reconnect_s": self._reconnects(),
            "notifications": {
                "delivered_to_bleak": self._fates.total(),
                **self._fates,
                "stored_but_never_delivered": self._n_unheard,
            },
            "repeats": dict(self._repeats),
            "sequence_numbers": dict(self._sequence),
            "gaps": dict(self._gaps),
            "steps_back": dict(self._disorder),
            "beat_time_error_ms": {
                "all": _errors(self._errors_ms),
                "within_10_s_of_a_reconnect": _errors(self._soon_ms),
            },
            "sample_to_arrival_ms": {kind: _errors(early_ms) for kind, early_ms in sorted(self._early_ms.items())},
            "agents": dict(self._agents),
        }

    def _reconnects(self) -> dict[str, Any]:
        """Return times from the radio's return to the first measurement, by kind and over a new or the old link."""
        kinds = sorted({struck.kind for struck in self._struck})
        return {
            "all": _times([s for s in self._struck]),
            "over_a_new_link": _times([s for s in self._struck if _is_new_link(s)]),
            "by_kind": {kind: _times([s for s in self._struck if s.kind == kind]) for kind in kinds},
        }


def _is_new_link(struck: Struck) -> bool:
    return any(link != struck.link_before[address] for address, link in struck.link_after.items())


def _times(struck: Sequence[Struck]) -> dict[str, Any]:
    """Return quantiles of the slowest sensor of each fault."""
    back = [s for s in struck if len(s.resumed_ns) == len(s.link_before)]
    times_s = sorted((max(s.resumed_ns.values()) - s.returned_ns) / NS_PER_S for s in back if s.resumed_ns)
    return {"n": len(struck), "stayed_away": len(struck) - len(back), **_quantiles(times_s)}


def _errors(errors_ms: Sequence[float]) -> dict[str, Any]:
    signed = sorted(errors_ms)
    middle = round(signed[len(signed) // 2], 2) if signed else None
    return {"n": len(signed), "bias": middle, **_quantiles(sorted(abs(error) for error in errors_ms))}


def _quantiles(ordered: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p95, p99 and p100 (nearest rank), None where there is nothing."""
    return {
        f"p{q}": round(ordered[max(0, math.ceil(q / 100 * len(ordered)) - 1)], 3) if ordered else None
        for q in QUANTILES
    }

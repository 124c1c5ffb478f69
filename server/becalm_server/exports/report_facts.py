"""What a page about a session tells: gathered from its derived values, in plain numbers, without a word of markup."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from becalm_protocol.derived import BeatFlag
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_server.exports.content import Content

Row = Mapping[str, Any]
CHARTED = ("arousal", "heart_rate_bpm", "breathing_rate_bpm", "scl_us")


@value
class Point:
    """One index at one moment; None where it was withheld."""

    t_s: float
    value: float | None
    bound: float | None


@value
class Told:
    """An index over a part of the session."""

    middle: float | None
    """The median of the moments at which it was told; None where it was told at none."""
    bound: float | None
    """The median half width of their 95 % intervals."""
    share: float
    """Of the part's moments."""
    reason: str | None
    """Why it was withheld most often, where it was told at no moment."""


@value
class Signal:
    """One stream of a sensor."""

    sensor: str
    kind: str
    sample_rate_hz: float | None
    n_samples: int
    n_gaps: int
    usable_share: float | None
    """Of the session; of intervals the share that was clear; None where nothing judges them, as beside an ECG."""
    reasons: tuple[tuple[str, float], ...]
    """Why it was not usable, and for how many seconds; the longest first."""
    cautions: tuple[tuple[str, float], ...]
    """What marred it while it was usable, likewise."""


@value
class Index:
    """One line of the table of variability."""

    name: str
    parts: dict[str, Told]
    """Those of the session."""
    neurokit: float | None
    """The median of NeuroKit2's windows in the last of them."""


@value
class Mark:
    """A moment with a label."""

    t_s: float
    label: str


@value
class Facts:
    """All of it."""

    end_s: float
    phases: tuple[Mark, ...]
    parts: tuple[str, ...]
    """What is told apart: baseline and practice, or the whole."""
    pacer: tuple[float, float] | None
    """Seconds in and out."""
    markers: tuple[Mark, ...]
    lines: dict[str, tuple[Point, ...]]
    arousal_from: dict[str, float]
    """Feature -> share of the seconds with arousal in which it was made of it; none where that is unknown."""
    signals: tuple[Signal, ...]
    subsidence: Row | None
    """The last that was told: {value, bound} or {reason}."""
    indices: tuple[Index, ...]
    beats: dict[str, tuple[int, int]]
    """source -> confirmed beats, and those whose interval was flagged."""
    n_breaths: int
    n_responses: int
    again: Row
    """derived_again_reason, derived_again_at."""


# Index, seconds of its window, NeuroKit2's name and the window of it that is nearest.
HRV = (
    ("mean_rr_ms", 60, "HRV_MeanNN", 60),
    ("sdnn_ms", 60, "HRV_SDNN", 60),
    ("rmssd_ms", 60, "HRV_RMSSD", 60),
    ("pnn50_pct", 60, "HRV_pNN50", 60),
    ("sd1_ms", 60, "HRV_SD1", 60),
    ("sd2_ms", 60, "HRV_SD2", 60),
    ("rmssd_300s_ms", 300, "HRV_RMSSD", 300),
    ("sdnn_300s_ms", 300, "HRV_SDNN", 300),
    ("lf_ms2", 120, "HRV_LF", 300),
    ("hf_ms2", 120, "HRV_HF", 300),
    ("rsa_ms", 60, "RSA_P2T_Mean", 60),
)


def gather(content: Content) -> Facts:
    """Return the facts of a session."""
    phases = list(content.rows("select_phases"))
    metrics, slow = list(content.rows("select_metrics")), list(content.rows("select_slow_metrics"))
    end_ns = max([content.record.duration_ns or 0, *(row["t_ns"] for row in metrics[-1:])])
    practice_ns = next((row["t_ns"] for row in phases if row["phase"] == "practice"), None)
    paced = next((row for row in phases if row["inhale_s"] is not None), None)
    beats = _beats(content.rows("select_beats"))
    (derived,) = content.rows("count_derived")
    return Facts(
        end_s=s_from_ns(end_ns),
        phases=tuple(Mark(t_s=s_from_ns(row["t_ns"]), label=row["phase"]) for row in phases),
        parts=tuple(_inside(0, practice_ns=practice_ns)),
        pacer=None if paced is None else (paced["inhale_s"], paced["exhale_s"]),
        markers=tuple(Mark(t_s=s_from_ns(row["t_ns"]), label=row["label"]) for row in content.rows("select_markers")),
        lines={name: _line(metrics, name) for name in CHARTED},
        arousal_from=_arousal_from(metrics),
        signals=_signals(content, beats, end_ns=end_ns),
        subsidence=slow[-1]["indices"].get("subsidence") if slow else None,
        indices=_indices(metrics, slow, list(content.rows("select_windows")), practice_ns=practice_ns),
        beats=beats,
        n_breaths=derived["n_breaths"],
        n_responses=derived["n_responses"],
        again={name: derived[name] for name in ("derived_again_reason", "derived_again_at")},
    )


def _line(metrics: Iterable[Row], name: str) -> tuple[Point, ...]:
    return tuple(Point(t_s=s_from_ns(row["t_ns"]), value=row[name], bound=row[f"{name}_bound"]) for row in metrics)


def _arousal_from(metrics: Iterable[Row]) -> dict[str, float]:
    told = [row["arousal_from"].split() for row in metrics if row["arousal_from"]]
    found = Counter(name for names in told for name in names)
    return {name: n / len(told) for name, n in found.items()}


def _beats(rows: Iterable[Row]) -> dict[str, tuple[int, int]]:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        found[row["source"]][0] += 1
        found[row["source"]][1] += row["flag"] not in {BeatFlag.OK, BeatFlag.FIRST}
    return {source: (n, n_flagged) for source, (n, n_flagged) in found.items()}


def _signals(content: Content, beats: Mapping[str, tuple[int, int]], *, end_ns: int) -> tuple[Signal, ...]:
    quality = list(content.rows("select_quality"))
    spans, marred = (_spans(quality, column, end_ns=end_ns) for column in ("reason", "caution"))
    counts = {row["stream_id"]: row for row in content.rows("select_counts")}
    found = []
    for info in content.streams:
        kind, held = info.kind.value, counts[info.stream_id]
        untold = {} if info.sample_rate_hz is None else {"": end_ns}  # a signal is usable until something else is told
        told = spans.get(kind, untold)
        shares = [told.get("", 0) / max(1, sum(told.values()))] if told else []
        shares += [1.0 - flagged / n for n, flagged in [beats.get(kind, (0, 0))] if info.sample_rate_hz is None and n]
        found.append(
            Signal(
                sensor=info.device,
                kind=kind,
                sample_rate_hz=info.sample_rate_hz,
                n_samples=int(held["n_samples"]),
                n_gaps=int(held["n_gaps"]),
                usable_share=min(shares, default=None),
                reasons=_longest_first(told),
                cautions=_longest_first(marred.get(kind, {})),
            )
        )
    return tuple(found)


def _longest_first(told: Mapping[str, int]) -> tuple[tuple[str, float], ...]:
    reasons = sorted(((why, ns) for why, ns in told.items() if why and ns >= NS_PER_S), key=lambda one: -one[1])
    return tuple((why, s_from_ns(ns)) for why, ns in reasons)


def _spans(rows: Iterable[Row], column: str, *, end_ns: int) -> dict[str, dict[str, int]]:
    """Return {kind: {reason or caution, "" where there was none: nanoseconds}}."""
    by_kind: dict[str, list[tuple[int, str]]] = defaultdict(lambda: [(0, "")])
    for row in rows:
        by_kind[row["kind"]].append((max(0, row["t_ns"]), row[column] or ""))
    found: dict[str, dict[str, int]] = {}
    for kind, told in by_kind.items():
        spans = found.setdefault(kind, defaultdict(int))
        for (t_ns, why), (until_ns, _) in pairwise([*told, (max(end_ns, told[-1][0]), "")]):
            spans[why] += until_ns - t_ns
    return found


def _indices(
    metrics: Sequence[Row], slow: Sequence[Row], windows: Sequence[Row], *, practice_ns: int | None
) -> tuple[Index, ...]:
    found = []
    for name, window_s, neurokit_name, neurokit_s in HRV:
        moments: list[tuple[int, Row]] = [(row["t_ns"], row["indices"].get(name, {})) for row in slow]
        if name == "rmssd_ms":
            reason = f"{name}_reason"
            moments = [
                (row["t_ns"], {"value": row[name], "bound": row[f"{name}_bound"], "reason": row[reason]})
                for row in metrics
            ]
        inside = _inside(window_s, practice_ns=practice_ns)
        parts = {part: _told([told for t_ns, told in moments if is_in(t_ns)]) for part, is_in in inside.items()}
        *_, is_in = _inside(neurokit_s, practice_ns=practice_ns).values()
        theirs = [
            row["indices"][neurokit_name]
            for row in windows
            if row["window_s"] == neurokit_s and is_in(row["t_ns"]) and neurokit_name in row["indices"]
        ]
        found.append(Index(name=name, parts=parts, neurokit=median(theirs) if theirs else None))
    return tuple(found)


def _inside(window_s: int, *, practice_ns: int | None) -> dict[str, Callable[[int], bool]]:
    """Return which windows, by their end, lie wholly in each part; a session without practice is one part."""
    window_ns = window_s * NS_PER_S
    if practice_ns is None:
        return {"whole": lambda t_ns: t_ns >= window_ns}
    return {
        "baseline": lambda t_ns: window_ns <= t_ns <= practice_ns,
        "practice": lambda t_ns: t_ns >= practice_ns + window_ns,
    }


def _told(moments: list[Row]) -> Told:
    told = [one for one in moments if one.get("value") is not None]
    why = Counter(one["reason"] for one in moments if one.get("reason"))
    return Told(
        middle=median(one["value"] for one in told) if told else None,
        bound=median(one["bound"] for one in told) if told else None,
        share=len(told) / len(moments) if moments else 0.0,
        reason=why.most_common(1)[0][0] if why and not told else None,
    )

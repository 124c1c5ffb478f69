"""Derived values to the columns of their tables: one function a table, one list a column."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from becalm_protocol.codec import to_plain
from becalm_protocol.derived import (
    PIPELINE_VERSION,
    Beat,
    Breath,
    BreathPause,
    BreathTurn,
    Derived,
    HrvWindow,
    Metrics,
    SignalQuality,
    SkinRecovery,
    SkinResponse,
    SlowMetrics,
)
from becalm_protocol.events import PhaseChange
from becalm_protocol.units import NS_PER_S

Row = Mapping[str, Any]
Conclusion = Derived | PhaseChange
"""What the archive keeps beside raw events."""


def to_tables(conclusions: Iterable[tuple[str, Conclusion]]) -> dict[str, dict[str, list[Any]]]:
    """Return {statement name: {column: values}} for (session_id, value) pairs; what is not kept is left out."""
    rows: dict[str, list[Row]] = {}
    for session_id, conclusion in conclusions:
        statement, to_row = _TABLES[type(conclusion)]
        row = to_row(conclusion)
        if row is not None:
            rows.setdefault(statement, []).append(
                {"session_id": session_id, "pipeline_version": PIPELINE_VERSION, **row}
            )
    return {statement: columns(found) for statement, found in rows.items()}


def columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows of equal keys as lists, one a column."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _beat(beat: Beat) -> Row | None:
    if not beat.confirmed:  # the provisional one is for the eye; the confirmed one carries its number
        return None
    return {
        "source": beat.source.value,
        "beat_idx": beat.beat_idx,
        "t_ns": beat.t_ns,
        "emitted_ns": beat.emitted_ns,
        "rr_ms": beat.rr_ms,
        "rr_corrected_ms": beat.rr_corrected_ms,
        "flag": beat.flag.value,
        "t_error_ms": beat.t_error_ms,
        "rr_error_ms": beat.rr_error_ms,
    }


def _breath_row(event: BreathTurn | Breath | BreathPause, *, kind: str, **more: float) -> Row:
    absent = dict.fromkeys(("end_ns", "breathing_rate_bpm", "depth"))
    told = {"t_ns": event.t_ns, "emitted_ns": event.emitted_ns, "kind": kind, "source": _text(event.source)}
    return absent | told | more


def _turn(turn: BreathTurn) -> Row:
    return _breath_row(turn, kind=turn.phase.value)


def _breath(breath: Breath) -> Row:
    return _breath_row(breath, kind="breath", breathing_rate_bpm=breath.breathing_rate_bpm, depth=breath.depth)


def _pause(pause: BreathPause) -> Row:
    return _breath_row(pause, kind="pause", end_ns=pause.end_ns)


def _response(response: SkinResponse) -> Row:
    return {
        "onset_ns": response.onset_ns,
        "peak_ns": response.peak_ns,
        "emitted_ns": response.emitted_ns,
        "amplitude_us": response.amplitude_us,
    }


def _recovery(recovery: SkinRecovery) -> Row:
    return {
        "onset_ns": recovery.onset_ns,
        "recovered_ns": recovery.recovered_ns,
        "emitted_ns": recovery.emitted_ns,
    }


def _slow_metrics(metrics: SlowMetrics) -> Row:
    plain = to_plain(metrics)
    return {
        "t_ns": metrics.t_ns,
        "emitted_ns": metrics.emitted_ns,
        "heart_source": _text(metrics.heart_source),
        "breath_source": _text(metrics.breath_source),
        "indices": json.dumps({name: plain[name] for name in SlowMetrics.index_names()}, allow_nan=False),
    }


def _text(word: StrEnum | None) -> str | None:
    return None if word is None else word.value


def _metrics(metrics: Metrics) -> Row | None:
    if metrics.t_ns % NS_PER_S:  # four ticks a second are shown, one is kept; raw data give the others back
        return None
    row: dict[str, Any] = {"t_ns": metrics.t_ns, "emitted_ns": metrics.emitted_ns}
    row["arousal_from"] = None if metrics.arousal_from is None else " ".join(metrics.arousal_from)
    for name in Metrics.index_names():
        index = getattr(metrics, name)
        row |= {
            name: index.value,
            f"{name}_bound": index.bound,
            f"{name}_reason": _text(index.reason),
            f"{name}_sample_ns": index.sample_ns,
        }
    return row


def _quality(quality: SignalQuality) -> Row:
    return {
        "t_ns": quality.t_ns,
        "kind": quality.kind.value,
        "emitted_ns": quality.emitted_ns,
        "reason": _text(quality.reason),
        "caution": _text(quality.caution),
    }


def _window(window: HrvWindow) -> Row:
    return {
        "t_ns": window.t_ns,
        "window_s": window.window_s,
        "emitted_ns": window.emitted_ns,
        "n_beats": window.n_beats,
        "indices": json.dumps(window.indices, allow_nan=False),
        "withheld": json.dumps(window.withheld or {}),
    }


def _phase(change: PhaseChange) -> Row:
    pacer = change.pacer
    return {
        "t_ns": change.t_ns,
        "phase": change.phase.value,
        "pacer_started_ns": None if pacer is None else pacer.started_ns,
        "inhale_s": None if pacer is None else pacer.inhale_s,
        "exhale_s": None if pacer is None else pacer.exhale_s,
    }


_TABLES: dict[type, tuple[str, Callable[[Any], Row | None]]] = {
    Beat: ("insert_beats", _beat),
    BreathTurn: ("insert_breaths", _turn),
    Breath: ("insert_breaths", _breath),
    BreathPause: ("insert_breaths", _pause),
    SkinResponse: ("insert_responses", _response),
    SkinRecovery: ("insert_recoveries", _recovery),
    SlowMetrics: ("insert_slow_metrics", _slow_metrics),
    SignalQuality: ("insert_quality", _quality),
    Metrics: ("insert_metrics", _metrics),
    HrvWindow: ("insert_windows", _window),
    PhaseChange: ("insert_phases", _phase),
}

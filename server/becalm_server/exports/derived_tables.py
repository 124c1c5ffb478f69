"""What the pipeline concluded, as tables: the archive's own columns, so that whatever it learns to keep is exported."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from becalm_protocol.derived import (
    Beat,
    Breath,
    BreathPause,
    BreathTurn,
    HrvWindow,
    Metrics,
    SignalQuality,
    SkinRecovery,
    SkinResponse,
    SlowMetrics,
)
from becalm_protocol.events import Pacer, PhaseChange, value
from becalm_protocol.wishes import Marker
from becalm_server.exports.columns import Column, ColumnKind, column
from becalm_server.exports.content import Content
from becalm_server.exports.table import Table, batches


@value
class _Source:
    """Which statement of the archive gives a table, and the types that tell what its columns mean."""

    name: str
    statement: str
    meaning: str
    types: tuple[type, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    """Columns whose meaning is another than in the types."""


_SOURCES = (
    _Source(
        name="beats", statement="select_beats", meaning="Confirmed heartbeats; raw and usable interval", types=(Beat,)
    ),
    _Source(
        name="breaths",
        statement="select_breaths",
        meaning="Turns of breathing (kind in, out), whole breaths (breath) and pauses (pause)",
        types=(Breath, BreathPause, BreathTurn),
        words=(
            ("kind", "in or out: breathing turned; breath: a whole one; pause: a hold or an apnoea"),
            ("t_ns", "session time of the turn, or of the start of the breath or pause"),
        ),
    ),
    _Source(
        name="skin_responses",
        statement="select_responses",
        meaning="Skin-conductance responses",
        types=(SkinResponse, SkinRecovery),
    ),
    _Source(
        name="metrics",
        statement="select_metrics",
        meaning="Indices once a second, with bound or reason",
        types=(Metrics,),
    ),
    _Source(
        name="quality", statement="select_quality", meaning="Usable from when on, or why not", types=(SignalQuality,)
    ),
    _Source(name="phases", statement="select_phases", meaning="Parts of the session", types=(PhaseChange, Pacer)),
    _Source(
        name="markers",
        statement="select_markers",
        meaning="Moments that a person marked",
        types=(Marker,),
        words=(("created_at", "when it was marked, UTC"),),
    ),
)
_INTERNAL = {"session_id", "pipeline_version"}
_INDEX_PARTS = (
    ("", "value", ColumnKind.NUMBER),
    ("_bound", "bound", ColumnKind.NUMBER),
    ("_reason", "reason", ColumnKind.TEXT),
    ("_sample_ns", "sample_ns", ColumnKind.INTEGER),
)


def derived_tables(content: Content) -> Iterator[Table]:
    """Give the tables of what was derived."""
    for source in _SOURCES:
        yield _stored(source, content)
    yield _slow_metrics(content)
    yield _windows(content)


def _stored(source: _Source, content: Content) -> Table:
    kinds = {name: kind for name, kind in content.columns(source.statement).items() if name not in _INTERNAL}
    return Table(
        name=source.name,
        meaning=source.meaning,
        columns=tuple(
            column(name, kind, *source.types, meaning=dict(source.words).get(name, "")) for name, kind in kinds.items()
        ),
        batches=lambda: batches([_cell(row[name]) for name in kinds] for row in content.rows(source.statement)),
    )


def _slow_metrics(content: Content) -> Table:
    names = SlowMetrics.index_names()
    columns: list[Column] = [
        column("t_ns", ColumnKind.INTEGER),
        column("emitted_ns", ColumnKind.INTEGER),
        column("heart_source", ColumnKind.TEXT, SlowMetrics),
        column("breath_source", ColumnKind.TEXT, SlowMetrics),
    ]
    columns += [column(name + ending, kind, SlowMetrics) for name in names for ending, _, kind in _INDEX_PARTS]

    def give() -> Iterator[Sequence[Any]]:
        for row in content.rows("select_slow_metrics"):
            told = [row["indices"].get(name, {}) for name in names]
            head = (row["t_ns"], row["emitted_ns"], row["heart_source"], row["breath_source"])
            yield (*head, *(one.get(part) for one in told for _, part, _ in _INDEX_PARTS))

    return Table(
        name="slow_metrics",
        meaning="Indices of longer windows, every five seconds, with bound or reason",
        columns=tuple(columns),
        batches=lambda: batches(give()),
    )


def _windows(content: Content) -> Table:
    def give() -> Iterator[Sequence[Any]]:
        for row in content.rows("select_windows"):
            head = (row["t_ns"], row["window_s"], row["emitted_ns"], row["n_beats"])
            for name, number in row["indices"].items():
                yield (*head, name, number, None)
            for family, reason in row["withheld"].items():
                yield (*head, family, None, reason)

    return Table(
        name="windows",
        meaning="NeuroKit2's indices of a window, one a row; families that a window could not tell",
        columns=(
            column("t_ns", ColumnKind.INTEGER, HrvWindow),
            column("window_s", ColumnKind.NUMBER, meaning="length of the window"),
            column("emitted_ns", ColumnKind.INTEGER, meaning="when the result was there"),
            column("n_beats", ColumnKind.INTEGER, meaning="beats in the window"),
            column("name", ColumnKind.TEXT, meaning="NeuroKit2's name of the index, or the family withheld"),
            column("value", ColumnKind.NUMBER, meaning="the index, in NeuroKit2's unit"),
            column("reason", ColumnKind.TEXT, meaning="why the family is withheld"),
        ),
        batches=lambda: batches(give()),
    )


def _cell(content: Any) -> Any:
    return content.isoformat() if isinstance(content, datetime) else content

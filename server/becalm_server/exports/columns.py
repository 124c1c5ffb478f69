"""What a column means, from the code's own types: the text under a field, and the unit that ends its name."""

import ast
import inspect
from enum import Enum, StrEnum
from functools import cache
from typing import Any, get_args, get_type_hints

from becalm_protocol.derived import Metrics, SlowMetrics
from becalm_protocol.events import value


class ColumnKind(StrEnum):
    """How the values of a column are written."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"


@value
class Column:
    """One column of a table, as the data dictionary tells it."""

    name: str
    kind: ColumnKind
    unit: str
    meaning: str


# Endings of names; `_us` is microsiemens here, as nothing is counted in microseconds. Longer endings first.
_UNITS = (
    ("_per_min", "1/min"), ("_1024", "1/1024 s"), ("_ms2", "ms^2"), ("_bpm", "1/min"), ("_pct", "%"), ("_deg", "deg"),
    ("_hz", "Hz"), ("_ns", "ns"), ("_ms", "ms"), ("_us", "uS"), ("_s", "s"),
)  # fmt: skip
_PARTS = {
    "_bound": "half width of a 95 % interval of {}, in its unit",
    "_reason": "why {} is withheld; empty where it has a value",
    "_sample_ns": "session time of the newest sample behind {}",
}
_COMMON = {
    "t_ns": "session time",
    "time": "wall clock, UTC",
    "emitted_ns": "stream time at which the pipeline could first give it out",
    "received_ns": "session time at which the agent received it",
    "stream": "label of the stream, see table streams",
    "seq": "sequence number in its stream, from 1",
    "session_id": "random identifier of the session",
    "baseline_s": "quiet time asked for before practice",
    "inhale_s": "pacer: breathing in",
    "exhale_s": "pacer: breathing out",
    "pacer_started_ns": "session time at which the pacer began its first cycle",
    "created_at": "when the session was asked for, UTC",
    "started_unix_ns": "wall clock at session time 0",
    "ended_at": "when the session was closed, UTC",
    "duration_ns": "session time of its last event",
    "first_sample_idx": "position of its first sample in the stream; lost samples advance it too",
    "n_samples": "samples in it",
    "sample_period_ns": "from one of its samples to the next, on session time",
    "level_pct": "charge of the sensor's battery",
    "end_ns": "session time at which the pause ended",
    "onset_ns": "session time at which the response began",
    "peak_ns": "session time of its peak",
    "amplitude_us": "from its onset to its peak",
    "recovered_ns": "when half of the amplitude was gone",
}
_TYPES = {"int": ColumnKind.INTEGER, "float": ColumnKind.NUMBER, "bool": ColumnKind.BOOLEAN}


def column(name: str, kind: ColumnKind, *types: type, meaning: str = "", unit: str | None = None) -> Column:
    """Return a column with the meaning that the first of `types` with such a field tells."""
    told = meaning or next((docs[name] for docs in map(field_meanings, types) if name in docs), "")
    if name in _indices():
        told = f"{told} Defined in docs/indices.md." if told else f"index {name}, defined in docs/indices.md"
    return Column(
        name=name,
        kind=kind,
        unit=unit_of(name) if unit is None else unit,
        meaning=told or _derived_meaning(name) or _COMMON.get(name, "") or name.replace("_", " "),
    )


def kind_of(type_hint: str) -> ColumnKind:
    """Return the kind of a field by its annotation."""
    return _TYPES.get(type_hint.removesuffix(" | None"), ColumnKind.TEXT)


def unit_of(name: str) -> str:
    """Return the unit that a name ends in, an index's parts that of the index."""
    if name.endswith(("_reason", "_n_ns")):
        return ""
    for ending, unit in _UNITS:
        if name.removesuffix("_bound").endswith(ending):
            return unit
    return ""


def _derived_meaning(name: str) -> str:
    for part, words in _PARTS.items():
        index = name.removesuffix(part)
        if index != name and index in _indices():
            return words.format(index)
    return ""


@cache
def _indices() -> frozenset[str]:
    return frozenset((*Metrics.index_names(), *SlowMetrics.index_names()))


@cache
def field_meanings(cls: type[Any]) -> dict[str, str]:
    """Return {field: the text under it} of a dataclass; nothing where its source is not at hand."""
    try:
        body = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    if not isinstance(body, ast.ClassDef):
        return {}
    found = _closed_sets(cls)
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[field.target.id] = " ".join(text.value.split())
    return found


def _closed_sets(cls: type[Any]) -> dict[str, str]:
    """Return what the words of a column may be, for the fields that have a closed set of them."""
    found = {}
    for name, hint in get_type_hints(cls).items():
        for one in (hint, *get_args(hint)):
            if isinstance(one, type) and issubclass(one, Enum):
                found[name] = f"{(one.__doc__ or name).splitlines()[0]} One of {', '.join(str(m.value) for m in one)}"
    return found

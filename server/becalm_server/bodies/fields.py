"""Kinds of text, time and identifier that requests may hold: checked by a pattern that OpenAPI can show."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from becalm_protocol.limits import MAX_NAME_CHARS, MAX_SESSION_NS

# Controls, and characters without a width that hide, reorder or impersonate others; joiners of scripts stay allowed.
_UNSEEN = "\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
_LINE = f"^[^\\u0000-\\u001f\\u007f-\\u009f{_UNSEEN}]*$"
_LINES = f"^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f{_UNSEEN}]*$"
# A page of a clinician's note; longer ones are documents, and belong elsewhere.
MAX_NOTE_CHARS = 4_000
_RFC_3339 = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
MAX_ID_CHARS = 64


def _matching(pattern: str, expected: str) -> AfterValidator:
    """Check by Python's own expressions: they take every text, half characters included, without failing."""
    compiled = re.compile(pattern.removesuffix("$") + r"\Z")

    def check(text: str) -> str:
        if not compiled.match(text) or any("\ud800" <= one <= "\udfff" for one in text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _moment(text: object) -> object:
    if isinstance(text, str) and not re.match(_RFC_3339, text):
        raise ValueError("expected a date and time with its zone, such as 2026-11-22T08:00:00Z")
    return text


def _moment_of_our_time(text: object) -> object:
    if isinstance(text, str) and not text.startswith(("20", "21")):
        raise ValueError("expected a year from 2000 to 2199")
    return _moment(text)


def _integer(number: object) -> object:
    """JSON knows one kind of number: 1.0 is an integer there."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _json_text(n_max: int, pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": n_max, "pattern": pattern})


Label = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_NAME_CHARS),
    _matching(_LINE, "one line of visible characters"),
    _json_text(MAX_NAME_CHARS, _LINE),
]
"""One line for people."""
NoteText = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_NOTE_CHARS),
    _matching(_LINES, "lines of visible characters"),
    _json_text(MAX_NOTE_CHARS, _LINES),
]
"""Some lines for people."""
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _RFC_3339}),
]
"""A moment on the wall clock, with its zone."""
KeptMoment = Annotated[
    datetime,
    BeforeValidator(_moment_of_our_time),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "pattern": _RFC_3339.replace("[0-9]{4}", "2[01][0-9]{2}")}
    ),
]
"""A moment that is stored: it can be told again in any zone, unlike those of the first and the last year."""
SessionNs = Annotated[int, BeforeValidator(_integer), Field(strict=True, ge=-MAX_SESSION_NS, le=MAX_SESSION_NS)]
"""Session time in a body."""
PersonQuery = Annotated[
    str | None, Query(max_length=MAX_ID_CHARS, pattern="^[0-9a-zA-Z_-]+$", description="Of this person only")
]
"""One person of those whom the caller may see."""

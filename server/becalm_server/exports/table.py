"""A table: its columns with their meaning, and its rows in batches of columns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from becalm_protocol.events import value
from becalm_server.exports.columns import Column

Batch = Sequence[Sequence[Any]]
"""One sequence a column, all of one length."""
_ROWS_A_BATCH = 5_000


@value
class Table:
    """Rows are made when they are asked for, and each time anew."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    batches: Callable[[], Iterator[Batch]]


def batches(rows: Iterable[Sequence[Any]]) -> Iterator[Batch]:
    """Give rows as batches of columns."""
    going = iter(rows)
    while several := list(islice(going, _ROWS_A_BATCH)):
        yield list(zip(*several, strict=True))

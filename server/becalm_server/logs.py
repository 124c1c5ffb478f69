"""Log lines: JSON for machines, plain on a terminal; each with the request it belongs to, none with health data."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

_FIELDS = ("method", "route", "status", "took_ms")
"""The only extras of a record that are written: nobody's data can slip in by a new name."""

ECHO_S = 10.0


def configure_logs(*, stream: TextIO = sys.stderr, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Send every log record of this process to `stream`; JSON unless that is a terminal."""
    as_json = not stream.isatty() if as_json is None else as_json
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=_FIELDS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    shape: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer() if as_json else plain,
    ]
    if not as_json:
        shape.pop(1)
    handler = logging.StreamHandler(stream)
    handler.addFilter(_Echo().filter)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=shape, foreign_pre_chain=before))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


class _Echo:
    """Leaves out what a library says again and again: one line for each of its sentences in ten seconds.

    Where files run out, asyncio alone writes a megabyte a second, and the disk is next.
    """

    def __init__(self) -> None:
        self._told_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is new enough to be written."""
        if record.name.startswith("becalm"):
            return True
        key, now_s = (record.name, str(record.msg)), time.monotonic()
        self._told_s = {known: told_s for known, told_s in self._told_s.items() if now_s - told_s < ECHO_S}
        return self._told_s.setdefault(key, now_s) == now_s


@contextmanager
def request_context(request_id: str) -> Iterator[None]:
    """Give every line that is logged inside the identifier of its request."""
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        yield

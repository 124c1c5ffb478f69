"""Log lines: JSON for machines, plain on a terminal; each with the request it belongs to, none with health data."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

_FIELDS = ("method", "route", "status", "took_ms")
"""The only extras of a record that are written: nobody's data can slip in by a new name."""


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
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=shape, foreign_pre_chain=before))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


@contextmanager
def request_context(request_id: str) -> Iterator[None]:
    """Give every line that is logged inside the identifier of its request."""
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        yield

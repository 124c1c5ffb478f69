"""Which pipeline's derived values are shown where several have left some."""

from collections.abc import Iterable

from becalm_protocol.derived import PIPELINE_VERSION


def newest_version(versions: Iterable[str]) -> str:
    """Return today's pipeline where it has run, the last one that ran where not."""
    known = in_order(versions)
    return PIPELINE_VERSION if PIPELINE_VERSION in known or not known else known[-1]


def in_order(versions: Iterable[str]) -> list[str]:
    """Return versions, the oldest first: they are numbers, written as text."""
    return sorted(versions, key=lambda text: (len(text), text))


def versions_statement(statement: str) -> str:
    """Return the statement that lists the pipelines which left what `statement` reads of a session."""
    # Windows are made while a session runs; deriving it anew leaves them as they are.
    return "window_versions" if statement == "select_windows" else "session_versions"

"""Which source of heartbeats an export of intervals takes: one heart, so one source."""

from typing import Any

from becalm_server.exports.content import Content
from becalm_server.refusals import NothingToExportError


def intervals(content: Content) -> list[dict[str, Any]]:
    """Return the beats that end a measured interval, of the source that told most, in order of time.

    Raises NothingToExportError where there is none.
    """
    by_source: dict[str, list[dict[str, Any]]] = {}
    for row in content.rows("select_beats"):
        if row["rr_ms"] is not None:
            by_source.setdefault(row["source"], []).append(row)
    if not by_source:
        raise NothingToExportError("This session has no interval between two heartbeats. Take csv, which says why.")
    return max(by_source.values(), key=len)

"""Rows of select_raw, packed or not, to single rows in the order in which the server had accepted their events."""

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

from becalm_server.archive.packed_rows import unpack
from becalm_server.archive.raw_rows import RawRow


class ArrivalOrder:
    """feed() takes rows by the first event in each; what a later row may still come before is held back."""

    def __init__(self) -> None:
        self._held: list[tuple[int, str, int, RawRow]] = []

    def feed(self, rows: Iterable[Mapping[str, Any]]) -> list[RawRow]:
        """Take rows; return what is now certain to be next."""
        ready: list[RawRow] = []
        for row in rows:
            while self._held and self._held[0][0] < row["arrival_idx"]:
                ready.append(heapq.heappop(self._held)[-1])
            if row["side"] is None:
                ready.append(RawRow(**{name: row[name] for name in RawRow.__slots__}))  # type: ignore[attr-defined]
                continue
            for one in unpack(row):
                heapq.heappush(self._held, (one.arrival_idx, one.stream_id, one.seq, one))
        return ready

    def finish(self) -> list[RawRow]:
        """Return the rest."""
        rest = [held[-1] for held in sorted(self._held)]
        self._held.clear()
        return rest

"""The lines of a file of recorded notifications; what is no such line is left out, counted and told."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from becalm_ingest.recording_lines import Lines
from becalm_protocol import limits


class NotificationLines:
    """Iterate over the objects after the header; afterwards `problem` tells what was left out or cut off."""

    def __init__(self, path: Path, *, knows: Callable[[str], bool]) -> None:
        self.problem: str | None = None
        self._path = path
        self._knows = knows
        """Whether a device family is one of this version's."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        lines, n_odd, first = Lines(self._path), 0, ""
        self.problem = None
        for line_no, line in enumerate(lines, 1):
            if line_no == 1 or not line.strip():
                continue
            parsed, why = self._parse(line)
            if parsed is not None:
                yield parsed
                continue
            first = first or f"line {line_no}: {why}, got {line[:40].decode('ascii', errors='replace')!r}"
            n_odd += 1
        told = f"{n_odd} lines are no notifications and not used, the first is {first}" if n_odd else None
        self.problem = "; ".join(filter(None, (told, lines.problem))) or None

    def _parse(self, line: bytes) -> tuple[dict[str, Any] | None, str]:
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            return None, "expected JSON"
        received_ns = parsed.get("received_ns") if isinstance(parsed, dict) else None
        if type(received_ns) is not int or not 0 <= received_ns <= limits.MAX_SESSION_NS:
            return None, "expected an object with received_ns"
        if not self._knows(str(parsed.get("family"))):
            return None, "expected a known device family (update becalm)"
        return parsed, ""

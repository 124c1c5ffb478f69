"""One hash over everything a pipeline concluded: the same raw data must give the same hash, however it was cut."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from becalm_protocol.codec import to_plain
from becalm_protocol.derived import Derived


def events_sha256(derived: Iterable[Derived]) -> str:
    """Return the SHA-256, in hexadecimal, over derived events in canonical order; floats count to the last bit."""
    digest = hashlib.sha256()
    for line in sorted(_line(event) for event in derived):
        digest.update(line[-1].encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _line(event: Derived) -> tuple[int, int, str, str]:
    plain: dict[str, Any] = to_plain(event)
    t_ns = plain.get("t_ns", plain.get("onset_ns", 0))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return plain["emitted_ns"], t_ns, plain["type"], text

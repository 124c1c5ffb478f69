"""What cannot be measured is told in words; everything else goes on."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from becalm_protocol.errors import BecalmError, RecordingError

T = TypeVar("T")
MAX_NAMED = 3


def attempt(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what some work gives, or in words why it gives nothing: the one supervisor of the bench."""
    try:
        return work(), None
    except BecalmError as exc:
        return None, str(exc)
    except Exception as exc:  # noqa: BLE001 - whatever odd recordings bring about, the other figures are measured
        return None, f"expected to be measured, got {type(exc).__name__}: {exc}; a fault of becalm's bench, report it"


def each(paths: Iterable[Path], score: Callable[[Path], T]) -> tuple[dict[str, T], dict[str, Any]]:
    """Score recordings one by one; return the scores by name, and `errors` by name where there are any.

    Raises RecordingError where not one recording can be scored.
    """
    scores: dict[str, T] = {}
    errors: dict[str, str] = {}
    for path in paths:
        scored, error = attempt(lambda path=path: score(path))  # type: ignore[misc]
        if error is not None or scored is None:
            errors[path.name] = error or "expected a score, got none"
        else:
            scores[path.name.split(".")[0]] = scored
    if errors and not scores:
        first = "; ".join(list(errors.values())[:MAX_NAMED])
        raise RecordingError(
            f"expected recordings that can be scored, got {len(errors)} that cannot: {first}", path="--data"
        )
    return scores, {"errors": errors} if errors else {}

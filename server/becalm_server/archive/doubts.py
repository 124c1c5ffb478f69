"""Why what was derived of a session while it ran may not be what one uninterrupted run gives."""

from enum import StrEnum


class Doubt(StrEnum):
    """A session with one is derived again after its end."""

    INTERRUPTED = "interrupted"
    """The server went away while it ran: windows that waited for NeuroKit2 went with it."""
    CUT = "cut"
    """It ended before its pipeline had caught up."""
    GIVEN_UP = "given_up"
    """It ended its process of pipelines too often, and went on without feedback."""
    LATE = "late"
    """Its agent brought more when it had ended."""
    WINDOWS = "windows"
    """NeuroKit2 did not keep up with its windows, or its process ended over one, or with the server before the last."""

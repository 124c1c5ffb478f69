"""What the doctor says of one thing it looked at."""

from enum import StrEnum

from becalm_protocol.events import value


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; sensors can work."""
    BAD = "bad"
    """Sensors, or what they say, will not arrive."""


@value
class Finding:
    """One thing looked at."""

    subject: str
    verdict: Verdict
    found: str
    advice: str | None = None

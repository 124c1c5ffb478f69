"""What the server will not do, in a sentence for the person who asked; the HTTP edge gives each its status."""

from becalm_protocol.errors import BecalmError


class UnknownSessionError(BecalmError):
    """There is no such session."""


class NoAgentError(BecalmError):
    """Nothing beside the body is connected that could start."""


class SessionRunningError(BecalmError):
    """One session at a time."""


class ReportPendingError(BecalmError):
    """The report is not there yet."""

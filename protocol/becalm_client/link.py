"""How the link to the server is, told as one more message to whoever follows a feed."""

from enum import StrEnum

from becalm_protocol.errors import CloseCode
from becalm_protocol.events import value


class Link(StrEnum):
    """Where the link stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


class Ending(StrEnum):
    """Why a link was lost."""

    SILENT = "silent"
    """Nothing answers there."""
    QUIET = "quiet"
    """It answered, and has said nothing for three heartbeats."""
    BROKEN = "broken"
    RESTARTING = "restarting"
    BUSY = "busy"
    OTHER_VERSION = "other_version"
    NOT_PAIRED = "not_paired"
    """The server knows no token of this device, or lets it see nothing any more."""

    @classmethod
    def of_close_code(cls, code: int | None) -> "Ending":
        """Return what a close of the WebSocket means."""
        return _CLOSINGS.get(code or 0, cls.BROKEN)


_CLOSINGS: dict[int, Ending] = {
    CloseCode.RESTART: Ending.RESTARTING,
    CloseCode.OVERLOADED: Ending.BUSY,
    CloseCode.VERSION: Ending.OTHER_VERSION,
    CloseCode.AUTH: Ending.NOT_PAIRED,
    CloseCode.SCOPE: Ending.NOT_PAIRED,
}


@value
class LinkChange:
    """The link changed."""

    link: Link
    ending: Ending | None = None
    """Set where the link was lost."""

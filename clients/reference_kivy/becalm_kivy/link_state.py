"""How the link to the server is, told as one more message to whoever follows the feed."""

from enum import StrEnum

from becalm_protocol.events import value


class Link(StrEnum):
    """Where the link stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


@value
class LinkState:
    """The link changed; `sentence` is for the person, in plain words."""

    link: Link
    sentence: str

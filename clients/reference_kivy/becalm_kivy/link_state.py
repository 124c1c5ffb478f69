"""How the link to the server is, in words for the person."""

from becalm_client.link import Ending, LinkChange
from becalm_client.link import Link as Link
from becalm_kivy import words
from becalm_protocol.events import value

_SENTENCES = {
    Ending.SILENT: words.SERVER_SILENT,
    Ending.QUIET: words.SERVER_QUIET,
    Ending.BROKEN: words.SERVER_GONE,
    Ending.RESTARTING: words.SERVER_RESTARTING,
    Ending.BUSY: words.SERVER_BUSY,
    Ending.OTHER_VERSION: words.OTHER_VERSION,
    Ending.NOT_PAIRED: words.NOT_PAIRED,
}


@value
class LinkState:
    """The link changed; `sentence` is for the person, in plain words."""

    link: Link
    sentence: str
    needs_pairing: bool = False

    @classmethod
    def of(cls, change: LinkChange) -> "LinkState":
        """Say in words how the link is."""
        if change.ending is not None:
            needs_pairing = change.ending is Ending.NOT_PAIRED
            return cls(link=change.link, sentence=_SENTENCES[change.ending], needs_pairing=needs_pairing)
        return cls(link=change.link, sentence=words.CONNECTING if change.link is Link.CONNECTING else words.CONNECTED)

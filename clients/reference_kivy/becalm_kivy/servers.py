"""Which server this client follows, and the keys to servers: another one from a pairing on."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from becalm_protocol.events import value
from becalm_protocol.pairing import KeyRing

CLIENT_NAME = "becalm window"
THIS_MACHINE = "http://127.0.0.1:8765"


@value
class Keys:
    """Where keys are looked up, and how one is had."""

    token: Callable[[str], str | None]
    """The key to the server of an address; None: there is none."""
    pair: Callable[[str], str]
    """Redeems a pairing link, keeps the key and returns the server's address. Raises ConfigError."""

    @classmethod
    def of_this_client(cls, folder: Path) -> "Keys":
        """Keep keys in the client's own folder, as on a phone."""
        ring = KeyRing(folder / "keys")
        return cls(token=ring.token, pair=lambda link: ring.pair(link, label=CLIENT_NAME))


class Servers:
    """The server followed now."""

    def __init__(self, url: str, keys: Keys) -> None:
        self.url = url
        self._keys = keys

    def token(self) -> str | None:
        """Return the key to the server followed now."""
        return self._keys.token(self.url)

    async def pair(self, link: str) -> None:
        """Follow the server of a pairing link from now on. Raises ConfigError."""
        self.url = await asyncio.to_thread(self._keys.pair, link)

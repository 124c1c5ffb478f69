"""A tap where bleak hands notifications to the agent: every one, with its bytes and when it was taken."""

import time
from collections.abc import Callable
from typing import Any

from becalm_protocol.events import value


@value
class Heard:
    """One notification as bleak delivered it; the agent's callback ran from `before_ns` to `after_ns`."""

    address: str
    uuid: str
    link: int
    """Number of the connection among all of this wearer."""
    before_ns: int
    """On the machine's monotonic clock."""
    after_ns: int
    data: bytes


class Tap:
    """Collects what all connections of one radio deliver."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.n_links = 0
        self.on_heard: Callable[[Heard], None] = lambda _: None

    def on(self, client: type[Any]) -> type[Any]:
        """Return bleak's client type for a radio, with this tap in it."""
        tap = self

        class TappedClient(client):  # type: ignore[misc]
            link = 0

            async def connect(self, *args: Any, **more: Any) -> None:
                tap.n_links += 1
                self.link = tap.n_links
                await super().connect(*args, **more)

            async def start_notify(
                self, characteristic: Any, callback: Callable[[bytearray], None], **more: Any
            ) -> None:
                note = tap.listener(self.address, uuid=characteristic.uuid, link=self.link, callback=callback)
                await super().start_notify(characteristic, note, **more)

        return TappedClient

    def listener(
        self, address: str, *, uuid: str, link: int, callback: Callable[[bytearray], None]
    ) -> Callable[[bytearray], None]:
        """Return a callback that passes on to `callback` and keeps what came."""

        def note(data: bytearray) -> None:
            before_ns = time.monotonic_ns()
            callback(data)
            heard = Heard(
                address=address,
                uuid=uuid,
                link=link,
                before_ns=before_ns,
                after_ns=time.monotonic_ns(),
                data=bytes(data),
            )
            self.heard.append(heard)
            self.on_heard(heard)

        return note

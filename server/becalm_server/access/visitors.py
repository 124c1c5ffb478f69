"""Who is connected now: a socket whose token is taken back is closed at once, one whose grant ran out soon after."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from becalm_protocol.errors import StorageError
from becalm_server.access.caller import Caller
from becalm_server.access.identities import Identities

# Whatever changed past this process (in the database, or because a grant ran out) is noticed within a minute.
RECHECK_S = 30.0


class Visitors:
    """Open sockets with their callers; run() looks again at each of them."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._inside: dict[int, tuple[Caller, Callable[[], None]]] = {}
        self._n_came = 0

    @contextlib.contextmanager
    def inside(self, caller: Caller, *, send_away: Callable[[], None]) -> Iterator[None]:
        """Know a socket as long as the block lasts; `send_away` closes it, without waiting."""
        self._n_came = number = self._n_came + 1
        self._inside[number] = caller, send_away
        try:
            yield
        finally:
            del self._inside[number]

    def send_away(
        self,
        *,
        account_id: str | None = None,
        device_id: str | None = None,
        login_id: str | None = None,
        logins_of: str | None = None,
        agents_of: str | None = None,
    ) -> None:
        """Close the sockets of an account, of a device, of one login or all of an account, or of a person's agents."""
        wanted = {
            ("account", account_id),
            ("device", device_id),
            ("login", login_id),
            ("logins of", logins_of),
            ("agents of", agents_of),
        }
        for caller, close in list(self._inside.values()):
            own = (
                ("account", caller.account_id),
                ("device", caller.device_id),
                ("login", caller.login_id),
                ("logins of", caller.account_id if caller.login_id else None),
                ("agents of", caller.person_id if caller.may_stream else None),
            )
            if any(one in wanted and one[1] is not None for one in own):
                close()

    async def run(self) -> None:
        """Look again at everybody inside, until cancelled."""
        while True:
            await asyncio.sleep(RECHECK_S)
            with contextlib.suppress(StorageError):  # a database that restarts sends nobody away
                await self.look_again()

    async def look_again(self) -> None:
        """Close the sockets of callers that are not what they were when they came in."""
        for caller, close in list(self._inside.values()):
            if await self._identities.renewed(caller) != caller:
                close()

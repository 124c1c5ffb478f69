"""Who is connected now: a socket whose token is taken back is closed at once, one whose grant ran out soon after.

While the database is away, whoever was here a moment ago is let in again by what is remembered of them.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from becalm_protocol.errors import StorageError
from becalm_protocol.units import NS_PER_S
from becalm_server.access.caller import Caller
from becalm_server.access.identities import Identities

# Whatever changed past this process (in the database, or because a grant ran out) is noticed within a minute.
RECHECK_S = 30.0
# As long as feedback outlives its database.
REMEMBER_NS = 900 * NS_PER_S
# Far more than the sockets of a house or a clinic in a quarter of an hour.
MAX_REMEMBERED = 1_024


@dataclass(slots=True, kw_only=True)
class _Visit:
    """One socket."""

    caller: Caller
    key: bytes
    close: Callable[[], None]
    is_welcome: bool = True

    def send_away(self) -> None:
        self.is_welcome = False
        self.close()


class Visitors:
    """Open sockets with their callers; run() looks again at each of them."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._inside: dict[int, _Visit] = {}
        self._left: dict[bytes, tuple[int, Caller]] = {}
        """Who went by themselves, and when."""
        self._n_came = 0

    @contextlib.contextmanager
    def inside(self, caller: Caller, *, key: bytes, send_away: Callable[[], None]) -> Iterator[None]:
        """Know a socket as long as the block lasts; `send_away` closes it, without waiting."""
        self._n_came = number = self._n_came + 1
        visit = self._inside[number] = _Visit(caller=caller, key=key, close=send_away)
        try:
            yield
        finally:
            del self._inside[number]
            if visit.is_welcome and _may_be_remembered(caller):
                self._left.pop(visit.key, None)
                self._left[visit.key] = time.monotonic_ns(), caller
                while len(self._left) > MAX_REMEMBERED:
                    del self._left[next(iter(self._left))]

    def remembered(self, key: bytes) -> Caller | None:
        """Return who came with this and was not sent away; for when the database cannot be asked."""
        for visit in self._inside.values():
            if visit.key == key and visit.is_welcome and _may_be_remembered(visit.caller):
                return visit.caller
        left_ns, caller = self._left.get(key, (0, None))
        return caller if time.monotonic_ns() - left_ns < REMEMBER_NS else None

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
        wanted = {one for one in wanted if one[1] is not None}
        for visit in list(self._inside.values()):
            if wanted & _names_of(visit.caller):
                visit.send_away()
        self._left = {key: one for key, one in self._left.items() if not wanted & _names_of(one[1])}

    async def run(self) -> None:
        """Look again at everybody inside, until cancelled."""
        while True:
            await asyncio.sleep(RECHECK_S)
            with contextlib.suppress(StorageError):  # a database that restarts sends nobody away
                await self.look_again()

    async def look_again(self) -> None:
        """Close the sockets of callers that are not what they were when they came in, and forget those who left."""
        for visit in list(self._inside.values()):
            if await self._identities.renewed(visit.caller) != visit.caller:
                visit.send_away()
                self._left.pop(visit.key, None)
        for key, (left_ns, caller) in list(self._left.items()):
            is_long_ago = time.monotonic_ns() - left_ns >= REMEMBER_NS
            if is_long_ago or await self._identities.renewed(caller) != caller:
                self._left.pop(key, None)


def _may_be_remembered(caller: Caller) -> bool:
    """A login's token ends by itself, soon."""
    return caller.device_id is not None


def _names_of(caller: Caller) -> set[tuple[str, str | None]]:
    return {
        ("account", caller.account_id),
        ("device", caller.device_id),
        ("login", caller.login_id),
        ("logins of", caller.account_id if caller.login_id else None),
        ("agents of", caller.person_id if caller.may_stream else None),
    }

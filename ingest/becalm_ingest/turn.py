"""One thing at a time with the adapter: a scan that others wait for is cut short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# Sensors advertise about once a second or more often: the shortest scan that is of use.
SHORTEST_SCAN_S = 1.2


class Turn:
    """Whose turn it is; first come, first served."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._n_waiting = 0
        self._scan_limit: asyncio.Timeout | None = None

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Have the adapter to oneself."""
        self._n_waiting += 1
        self._hasten()
        try:
            await self._lock.acquire()
        finally:
            self._n_waiting -= 1
        try:
            yield
        finally:
            self._lock.release()

    @asynccontextmanager
    async def scan(self, *, within_s: float) -> AsyncIterator[None]:
        """End the block after `within_s`, or sooner where others wait; only within one's own turn."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s) as self._scan_limit:
                    if self._n_waiting:
                        self._hasten()
                    yield
        finally:
            self._scan_limit = None

    def _hasten(self) -> None:
        limit = self._scan_limit
        if limit is not None and not limit.expired():
            soon_s = asyncio.get_running_loop().time() + SHORTEST_SCAN_S
            limit.reschedule(min(soon_s, limit.when() or soon_s))

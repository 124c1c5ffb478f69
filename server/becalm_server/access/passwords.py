"""Passwords by argon2id, beside the event loop and a few at a time: each check takes 64 MiB and a tenth of a second."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pwdlib import PasswordHash

from becalm_server.refusals import TooManyTriesError

MAX_AT_ONCE = 2
# Some three seconds of checks; whoever comes later is told to come again instead of waiting behind a flood.
MAX_INSIDE = 32
MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 200


class Passwords:
    """Hashes and checks; somebody unknown takes as long as somebody known."""

    def __init__(self) -> None:
        self._hasher = PasswordHash.recommended()
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._n_inside = 0
        self._nobodys: str | None = None

    async def hashed(self, password: str) -> str:
        """Return what is stored of a password."""
        async with self._place():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether a password is the one; with it, what to store from now on where the parameters have changed."""
        if stored is None:
            if self._nobodys is None:
                self._nobodys = await self.hashed("nobody's password")
            async with self._place():
                await asyncio.to_thread(self._hasher.verify, password, self._nobodys)
            return False, None
        async with self._place():
            return await asyncio.to_thread(self._hasher.verify_and_update, password, stored)

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._n_inside >= MAX_INSIDE:
            raise TooManyTriesError("Too many passwords are being checked. Wait some seconds, then try again.")
        self._n_inside += 1
        try:
            async with self._places:
                yield
        finally:
            self._n_inside -= 1

"""Passwords by argon2id, beside the event loop and a few at a time: each check takes 64 MiB and a tenth of a second."""

import asyncio

from pwdlib import PasswordHash

MAX_AT_ONCE = 2
MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 200


class Passwords:
    """Hashes and checks; somebody unknown takes as long as somebody known."""

    def __init__(self) -> None:
        self._hasher = PasswordHash.recommended()
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._nobodys: str | None = None

    async def hashed(self, password: str) -> str:
        """Return what is stored of a password."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether a password is the one; with it, what to store from now on where the parameters have changed."""
        if stored is None:
            if self._nobodys is None:
                self._nobodys = await self.hashed("nobody's password")
            async with self._places:
                await asyncio.to_thread(self._hasher.verify, password, self._nobodys)
            return False, None
        async with self._places:
            return await asyncio.to_thread(self._hasher.verify_and_update, password, stored)

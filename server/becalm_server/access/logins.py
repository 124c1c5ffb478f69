"""Logins by password: a signed token for ten minutes, and a refresh token that changes at every use."""

from collections.abc import Callable

from becalm_protocol.events import value
from becalm_server.access.passwords import Passwords
from becalm_server.access.signing import LASTS_S, Signer
from becalm_server.access.tokens import digest, make_token, new_id
from becalm_server.archive.access_store import AccessStore, Row, Steps

REFRESH = "becalm-refresh-"
# A browser that stays away for a month asks for the password again.
REFRESH_LASTS_S = 30 * 86_400
# An answer that got lost may be asked for once more so long after; later, or again, it is somebody else who asks.
GRACE_S = 20


@value
class Login:
    """What a browser takes away."""

    account_id: str
    access_token: str
    expires_in_s: int
    refresh_token: str


class Logins:
    """Passwords in, tokens out."""

    def __init__(
        self, store: AccessStore, *, signer: Signer, passwords: Passwords, on_end: Callable[[str], None]
    ) -> None:
        self._store = store
        self._signer = signer
        self._passwords = passwords
        self._on_end = on_end
        """Hears which login was ended because one of its tokens came again."""

    async def log_in(self, *, login: str, password: str) -> Login | None:
        """Return tokens for a login name and its password; None where they are not."""
        account = await self._store.one("select_login", login=login)
        is_right, fresh_hash = await self._passwords.check(password, account["password_hash"] if account else None)
        if account is None or not is_right:
            return None
        family_id = new_id()
        async with self._store.together() as steps:
            await steps.rows("clear_refreshes")
            await steps.rows("clear_families")
            if fresh_hash is not None:
                await steps.rows("rehash_password", account_id=account["account_id"], password_hash=fresh_hash)
            await steps.rows("insert_family", family_id=family_id, account_id=account["account_id"])
            return await self._next(steps, account_id=account["account_id"], family_id=family_id)

    async def check(self, password: str, stored: str) -> tuple[bool, str | None]:
        """Tell whether it is the password."""
        return await self._passwords.check(password, stored)

    async def refresh(self, token: str) -> Login | None:
        """Return the next tokens; None for a token that is not good, and one that comes again ends the whole login."""
        key = digest(token)
        async with self._store.together() as steps:
            found = await steps.rows("lock_refresh", token_sha256=key, grace_s=GRACE_S)
            if not found or found[0]["revoked_at"] is not None or found[0]["is_over"]:
                return None
            family_id = found[0]["family_id"]
            if found[0]["used_at"] is None or await self._was_lost(steps, found[0]):
                await steps.rows("use_refresh", token_sha256=key)
                await steps.rows("touch_family", family_id=family_id)
                return await self._next(steps, account_id=found[0]["account_id"], family_id=family_id)
            await steps.rows("revoke_family", family_id=family_id)
        self._on_end(family_id)
        return None

    async def set_password(self, *, account_id: str, login: str, password: str) -> None:
        """Change how an account logs in, under a name that nobody else has; its logins of before are over."""
        stored = await self._passwords.hashed(password)
        async with self._store.together() as steps:
            await steps.rows("set_password", account_id=account_id, login=login, password_hash=stored)
            await steps.rows("revoke_families", account_id=account_id)

    async def _was_lost(self, steps: Steps, used: Row) -> bool:
        """Tell whether the answer to a token may have been lost: a moment ago, and nobody has used what it held.

        What it held is withdrawn: should it come after all, two hold the login, and it ends.
        """
        if used["is_reused"]:
            return False
        given = await steps.rows("lock_successors", family_id=used["family_id"], used_at=used["used_at"])
        if len(given) != 1 or given[0]["used_at"] is not None:
            return False
        await steps.rows("withdraw_refresh", token_sha256=given[0]["token_sha256"])
        return True

    async def _next(self, steps: Steps, *, account_id: str, family_id: str) -> Login:
        token = make_token(REFRESH)
        await steps.rows("insert_refresh", token_sha256=digest(token), family_id=family_id, lasts_s=REFRESH_LASTS_S)
        return Login(
            account_id=account_id,
            access_token=self._signer.sign(account_id=account_id, family_id=family_id),
            expires_in_s=LASTS_S,
            refresh_token=token,
        )

"""From a token to whoever holds it; answers are remembered for moments, and forgotten at every change."""

import time

from becalm_protocol.limits import MAX_TOKEN_CHARS
from becalm_protocol.units import NS_PER_S
from becalm_server.access.caller import Caller, Role
from becalm_server.access.signing import Signer
from becalm_server.access.tokens import DEVICE, digest
from becalm_server.archive.access_store import AccessStore, Row

# A page asks for a dozen things at once; a grant that runs out by itself is noticed this much later.
REMEMBER_NS = 15 * NS_PER_S
# So many different tokens in a quarter of a minute are no household and no clinic.
MAX_REMEMBERED = 1_024


class Identities:
    """Knows the devices' tokens, and those of logins."""

    def __init__(self, store: AccessStore, *, signer: Signer) -> None:
        self._store = store
        self._signer = signer
        self._known: dict[bytes, tuple[int, Caller | None]] = {}
        self._n_forgot = 0

    async def of_token(self, token: str) -> Caller | None:
        """Return who holds a token, None where it opens nothing. Raises StorageError."""
        if len(token) > MAX_TOKEN_CHARS:
            return None
        key, now_ns = digest(token), time.monotonic_ns()
        asked_ns, caller = self._known.get(key, (0, None))
        if key in self._known and now_ns - asked_ns < REMEMBER_NS:
            return caller
        n_forgot = self._n_forgot
        caller = await (self._of_device(key) if token.startswith(DEVICE) else self._of_login(token))
        if n_forgot != self._n_forgot:  # it changed while the database was asked: good for this time at most
            return caller
        while len(self._known) >= MAX_REMEMBERED:
            self._known.pop(next(iter(self._known)), None)
        self._known[key] = now_ns, caller
        return caller

    async def renewed(self, caller: Caller) -> Caller | None:
        """Return a caller as it stands now, None where it may not come in any more."""
        if caller.device_id is not None:
            devices = await self._store.rows("select_devices", account_id=caller.account_id)
            mine = next((row for row in devices if row["device_id"] == caller.device_id), None)
            if mine is None or mine["revoked_at"] is not None:
                return None
        if caller.login_id is not None:
            row = await self._store.one("select_family_account", family_id=caller.login_id)
        else:
            row = await self._store.one("select_account", account_id=caller.account_id)
        if row is None or row["disabled_at"] is not None:
            return None
        told = {name: getattr(caller, name) for name in ("device_id", "agent_id", "is_local", "login_id")}
        return await self.caller(row | told)

    def forget(self) -> None:
        """Ask the database again: something about access has changed."""
        self._n_forgot += 1
        self._known.clear()

    async def caller(self, row: Row) -> Caller:
        """Return an account's row as a caller."""
        role = Role(row["role"])
        granted = frozenset[str]()
        if role is Role.CLINICIAN:
            rows = await self._store.rows("select_granted", account_id=row["account_id"])
            granted = frozenset(one["person_id"] for one in rows)
        return Caller(
            account_id=row["account_id"],
            role=role,
            person_id=row["person_id"],
            granted=granted,
            device_id=row.get("device_id"),
            agent_id=row.get("agent_id"),
            login_id=row.get("login_id"),
            has_password=row["password_hash"] is not None,
            is_local=bool(row.get("is_local")),
        )

    async def _of_login(self, token: str) -> Caller | None:
        family_id = self._signer.family_of(token)
        row = await self._store.one("select_family_account", family_id=family_id) if family_id else None
        return None if row is None else await self.caller(row | {"login_id": family_id})

    async def _of_device(self, key: bytes) -> Caller | None:
        row = await self._store.one("select_device_of_token", token_sha256=key)
        if row is None or row["revoked_at"] is not None or row["disabled_at"] is not None:
            return None
        await self._store.rows("touch_device", device_id=row["device_id"])
        return await self.caller(row)

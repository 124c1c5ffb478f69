"""One-time links with which a phone, an agent or another program comes to hold a token of its own."""

import secrets
from datetime import datetime
from urllib.parse import urlsplit

from becalm_protocol.events import value
from becalm_server.access.first_start import Owner
from becalm_server.access.tokens import DEVICE, INVITATION_CODE_BYTES, digest, make_token, new_id
from becalm_server.archive.access_store import AccessStore, Row

LASTS_S = 600
"""Time enough to fetch the phone from another room."""


@value
class Invitation:
    """A code for one account, good once."""

    code: str
    account_id: str
    expires_at: datetime

    def link(self, server_url: str) -> str:
        """Return the link; its code stands behind `#`, which no program sends to a server or writes into its log."""
        parts = urlsplit(server_url)
        return f"{parts.scheme}://{parts.netloc}/pair#{self.code}"


@value
class Paired:
    """What somebody who was paired takes away."""

    device_id: str
    account: Row
    token: str


async def invite(store: AccessStore, *, account_id: str) -> Invitation:
    """Return a fresh code for an account."""
    code = secrets.token_urlsafe(INVITATION_CODE_BYTES)
    async with store.together() as steps:
        await steps.rows("clear_invitations")
        made = await steps.rows("insert_invitation", code_sha256=digest(code), account_id=account_id, lasts_s=LASTS_S)
    return Invitation(code=code, account_id=account_id, expires_at=made[0]["expires_at"])


async def needs_invitation(store: AccessStore, *, owner: Owner) -> bool:
    """Tell whether this start prints a link: the first one, and one at which nobody could come in as the owner."""
    account = await store.one("select_account", account_id=owner.account_id)
    if account is not None and account["password_hash"] is not None:
        return False
    devices = await store.rows("select_devices", account_id=owner.account_id)
    return owner.is_new or all(device["revoked_at"] is not None for device in devices)


async def pair(store: AccessStore, *, code: str, label: str) -> Paired | None:
    """Give a device its token for a code that was never used; None where there is no such code any more."""
    token, device_id = make_token(DEVICE), new_id()
    async with store.together() as steps:
        used = await steps.rows("use_invitation", code_sha256=digest(code))
        if not used:
            return None
        account = (await steps.rows("select_account", account_id=used[0]["account_id"]))[0]
        if account["disabled_at"] is not None:
            return None
        await steps.rows(
            "insert_device",
            device_id=device_id,
            account_id=account["account_id"],
            token_sha256=digest(token),
            label=label,
            is_local=False,
        )
    return Paired(device_id=device_id, account=account, token=token)

"""What the first start leaves: an owner with a person of its own, and a key for its programs on this machine."""

import os
import stat
from pathlib import Path

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_server.access.caller import Role
from becalm_server.access.tokens import DEVICE, digest, make_token, new_id
from becalm_server.archive.access_store import AccessStore, Steps
from becalm_server.whole_file import whole_file

OPERATOR_TOKEN_FILE = "operator_token"  # noqa: S105  (a name)


@value
class Owner:
    """The first operator."""

    account_id: str
    person_id: str
    is_new: bool
    """Made just now: nobody can be paired yet."""


async def ensure_owner(store: AccessStore) -> Owner:
    """Return the owner, made where there is none; sessions that are nobody's become its own."""
    async with store.together() as steps:
        known = await steps.rows("select_owner")
        is_new = not known
        if is_new:
            person_id = new_id()
            await steps.rows("insert_person", person_id=person_id, label=None)
            known = await steps.rows(
                "insert_account", account_id=new_id(), role=Role.OPERATOR.value, person_id=person_id, label="owner"
            )
        owner = known[0]
        if owner["person_id"] is not None:
            await steps.rows("adopt_sessions", person_id=owner["person_id"])
    return Owner(account_id=owner["account_id"], person_id=owner["person_id"], is_new=is_new)


async def ensure_operator_token(store: AccessStore, *, owner: Owner, data_dir: Path) -> str:
    """Return the token in the data folder, which this account's programs on this machine find by themselves.

    Raises ConfigError where the file cannot be kept to its owner.
    """
    path = data_dir / OPERATOR_TOKEN_FILE
    token = _read(path)
    async with store.together() as steps:
        if token is not None and await _is_good(steps, token):
            return token
        await _revoke_local(steps, owner)  # whoever read the one of before, while others could, has nothing
        token = make_token(DEVICE)
        await steps.rows(
            "insert_device",
            device_id=new_id(),
            account_id=owner.account_id,
            token_sha256=digest(token),
            label="programs on the server's machine",
            is_local=True,
        )
        write_private(path, token)
    return token


async def withdraw_operator_token(store: AccessStore, *, owner: Owner, data_dir: Path) -> None:
    """Leave no key on this machine: in a clinic everybody, the operator's programs too, is paired or logs in."""
    (data_dir / OPERATOR_TOKEN_FILE).unlink(missing_ok=True)
    async with store.together() as steps:
        await _revoke_local(steps, owner)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path) as file:
            file.write(text.encode("ascii"))
    except OSError as exc:
        raise ConfigError(
            f"cannot write {path}: {exc.strerror}. Choose a folder you may write to", setting="data_dir"
        ) from exc


def _read(path: Path) -> str | None:
    """Return the token of before; None where there is none, or where others could have read it."""
    try:
        facts = path.stat()
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    is_private = os.name == "nt" or not stat.S_IMODE(facts.st_mode) & 0o077
    return token if is_private and token.startswith(DEVICE) else None


async def _revoke_local(steps: Steps, owner: Owner) -> None:
    for device in await steps.rows("select_devices", account_id=owner.account_id):
        if device["is_local"]:
            await steps.rows("revoke_device", device_id=device["device_id"], account_id=owner.account_id)


async def _is_good(steps: Steps, token: str) -> bool:
    found = await steps.rows("select_device_of_token", token_sha256=digest(token))
    return bool(found) and found[0]["revoked_at"] is None

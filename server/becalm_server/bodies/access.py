"""Access: pairing, devices, accounts."""

from datetime import datetime

from pydantic import BaseModel, Field

from becalm_server.access.caller import Role
from becalm_server.bodies.examples import (
    ACCOUNT_ID,
    AGENT_ID,
    CREATED_AT,
    DEVICE_ID,
    PERSON_ID,
    example_of,
    shown,
    strict,
)
from becalm_server.bodies.fields import Label


class PairWish(BaseModel):
    """What a device shows to be paired."""

    model_config = strict({"code": "pRl0yRxs3o0uMvWqYk3q1w", "label": "my phone"})
    code: Label = Field(description="What stands behind # in the link")
    label: Label | None = Field(default=None, description="What the device is called in the list of devices")


class PairedBody(BaseModel):
    """What a paired device keeps; the token is told this once."""

    model_config = shown(
        {
            "device_id": DEVICE_ID,
            "account_id": ACCOUNT_ID,
            "role": "participant",
            "person_id": PERSON_ID,
            "token": "becalm-device-2VYxXkL8xq0o1FhSO0oE5b9mJ0mWZ6dQ4uJr7yTtqkA",
        }
    )
    device_id: str
    account_id: str
    role: Role
    person_id: str | None = Field(description="Whose account it is; of an agent: whose body it stands beside")
    token: str = Field(description="Keep it private; it is good until it is taken back")


class InvitationWish(BaseModel):
    """Whom to invite: a known account, a new one of a role, or one more device of the caller's own."""

    model_config = strict({"role": "participant", "label": "phone in the kitchen"})
    account_id: Label | None = Field(default=None, description="A known account")
    role: Role | None = Field(default=None, description="Role of a new account; without it: the caller's own account")
    person_id: Label | None = Field(
        default=None, description="Whose new account it is; without it a new person's, an agent's the caller's own"
    )
    label: Label | None = Field(default=None, description="A word to find the account again")


class InvitationBody(BaseModel):
    """A one-time link, good for ten minutes."""

    model_config = shown(
        {
            "account_id": ACCOUNT_ID,
            "code": "pRl0yRxs3o0uMvWqYk3q1w",
            "link": "http://192.168.1.20:8765/pair#pRl0yRxs3o0uMvWqYk3q1w",
            "expires_at": CREATED_AT,
        }
    )
    account_id: str
    code: str
    link: str
    expires_at: datetime


class AccountBody(BaseModel):
    """Somebody or something that may come in."""

    model_config = shown(
        {
            "account_id": ACCOUNT_ID,
            "role": "clinician",
            "person_id": None,
            "label": "practice in the old mill",
            "login": None,
            "created_at": CREATED_AT,
            "disabled_at": None,
        }
    )
    account_id: str
    role: Role
    person_id: str | None
    label: str
    login: str | None
    created_at: datetime
    disabled_at: datetime | None


class AccountList(BaseModel):
    """Accounts, oldest first."""

    model_config = shown({"items": [example_of(AccountBody)]})
    items: list[AccountBody]


class PairedDeviceBody(BaseModel):
    """A paired phone, agent or program."""

    model_config = shown(
        {
            "device_id": DEVICE_ID,
            "account_id": ACCOUNT_ID,
            "role": "agent",
            "label": "bedside",
            "agent_id": AGENT_ID,
            "is_local": False,
            "created_at": CREATED_AT,
            "seen_at": CREATED_AT,
            "revoked_at": None,
        }
    )
    device_id: str
    account_id: str
    role: Role
    label: str
    agent_id: str | None = Field(description="The agent that first came with its token; no other may")
    is_local: bool = Field(description="The operator's programs on the server's own machine")
    created_at: datetime
    seen_at: datetime | None
    revoked_at: datetime | None


class PairedDeviceList(BaseModel):
    """Paired devices, oldest first."""

    model_config = shown({"items": [example_of(PairedDeviceBody)]})
    items: list[PairedDeviceBody]


class MeBody(BaseModel):
    """Who asks, and what it may do."""

    model_config = shown(
        {
            "account_id": ACCOUNT_ID,
            "role": "participant",
            "person_id": PERSON_ID,
            "granted": [],
            "device_id": DEVICE_ID,
            "may": ["control", "export", "own", "read", "share", "stream"],
        }
    )
    account_id: str
    role: Role
    person_id: str | None
    granted: list[str] = Field(description="People who let this clinician see them, now")
    device_id: str | None
    may: list[str] = Field(description="What the role may do, about its own person and those who granted it")

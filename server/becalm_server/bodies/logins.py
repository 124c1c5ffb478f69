"""Logins by password, and who did what."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from becalm_protocol.limits import MAX_TOKEN_CHARS
from becalm_server.access.caller import Role
from becalm_server.access.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from becalm_server.bodies.examples import ACCOUNT_ID, CREATED_AT, PERSON_ID, example_of, shown, strict
from becalm_server.bodies.fields import Label

Secret = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_PASSWORD_CHARS)]
Token = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_TOKEN_CHARS)]


class LoginWish(BaseModel):
    """A login name and its password."""

    model_config = strict({"login": "ann", "password": "a long line of words"})
    login: Label
    password: Secret


class RefreshWish(BaseModel):
    """The refresh token of the answer before."""

    model_config = strict({"refresh_token": "becalm-refresh-Yf0b4qTnq2l0m7V1c9xJ8s5u6w3z"})
    refresh_token: Token


class LoginBody(BaseModel):
    """Two tokens: one to show for some minutes, one to get the next two with, once."""

    model_config = shown(
        {
            "account_id": ACCOUNT_ID,
            "access_token": "eyJhbGciOiJFZERTQSIs...",
            "expires_in_s": 600,
            "refresh_token": "becalm-refresh-Yf0b4qTnq2l0m7V1c9xJ8s5u6w3z",
        }
    )
    account_id: str
    access_token: str
    expires_in_s: int
    refresh_token: str = Field(description="Good once; shown again later, it ends the whole login")


class PasswordWish(BaseModel):
    """How to log in from now on; every login of before is over."""

    model_config = strict({"login": "ann", "password": "a long line of words", "old_password": None})
    login: Label
    password: Annotated[str, Field(strict=True, min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]
    old_password: Secret | None = Field(default=None, description="Needed where there is one")


class SignedInBody(BaseModel):
    """A login by password that goes on: somewhere a browser holds its tokens."""

    model_config = shown(
        {
            "login_id": "0b8f5d4c52a5f0d7b86e1f9a243c0a6b",
            "account_id": ACCOUNT_ID,
            "role": "participant",
            "login": "ann",
            "created_at": CREATED_AT,
            "seen_at": CREATED_AT,
            "ends_at": "2026-12-22T08:00:00Z",
            "is_this": False,
        }
    )
    login_id: str
    account_id: str
    role: Role
    login: str | None
    created_at: datetime = Field(description="When the password was given")
    seen_at: datetime = Field(description="When its tokens were last refreshed")
    ends_at: datetime = Field(description="When it ends by itself, unless it is refreshed before")
    is_this: bool = Field(description="The login that asks")


class SignedInList(BaseModel):
    """Logins, oldest first."""

    model_config = shown({"items": [example_of(SignedInBody)]})
    items: list[SignedInBody]


class TicketBody(BaseModel):
    """For the `token` of a WebSocket's hello, once, within half a minute."""

    model_config = shown({"ticket": "becalm-ticket-Yf0b4qTnq2l0m7V1c9xJ8s5u6w3z", "expires_in_s": 30})
    ticket: str
    expires_in_s: int


class AuditEntryBody(BaseModel):
    """Something that somebody did, or was refused."""

    model_config = shown(
        {
            "seq": 17,
            "at": CREATED_AT,
            "account_id": ACCOUNT_ID,
            "role": "clinician",
            "action": "read",
            "person_id": PERSON_ID,
            "subject": "GET /v1/sessions/{session_id}/beats 6f1c0b4e9d2a4c7f8e3b5a1d7c9e2f40",
            "outcome": "allowed",
        }
    )
    seq: int
    at: datetime
    account_id: str | None
    role: str | None
    action: str
    person_id: str | None
    subject: str
    outcome: str


class AuditPage(BaseModel):
    """Entries in their order; ask again with `after_seq` = the last one's seq."""

    model_config = shown({"items": [example_of(AuditEntryBody)]})
    items: list[AuditEntryBody]

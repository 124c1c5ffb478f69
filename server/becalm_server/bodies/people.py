"""People and what they allow."""

from datetime import datetime

from pydantic import BaseModel, Field

from becalm_server.access.consents import Purpose
from becalm_server.bodies.examples import ACCOUNT_ID, CREATED_AT, GRANT_ID, PERSON_ID, example_of, shown, strict
from becalm_server.bodies.fields import KeptMoment, Label


class PersonBody(BaseModel):
    """Somebody whose sessions are kept; the label is the operator's own word, if any."""

    model_config = shown({"person_id": PERSON_ID, "label": None, "created_at": CREATED_AT})
    person_id: str = Field(description="Random; says nothing about the person")
    label: str | None
    created_at: datetime


class PersonList(BaseModel):
    """People in the order they came."""

    model_config = shown({"items": [example_of(PersonBody)]})
    items: list[PersonBody]


class PersonWish(BaseModel):
    """A new person, or a new label."""

    model_config = strict({"label": "window seat"})
    label: Label | None = Field(default=None, description="A local word to tell people apart; no name is needed")


class GrantWish(BaseModel):
    """Whom to let see a person, and until when."""

    model_config = strict({"clinician_id": ACCOUNT_ID, "until_at": "2027-02-22T08:00:00Z"})
    clinician_id: Label = Field(description="Account of the clinician")
    until_at: KeptMoment | None = Field(default=None, description="When it ends by itself; without it: when withdrawn")


class GrantBody(BaseModel):
    """A clinician may see a person, once the person has agreed to `clinician_access` too."""

    model_config = shown(
        {
            "grant_id": GRANT_ID,
            "person_id": PERSON_ID,
            "clinician_id": ACCOUNT_ID,
            "granted_by": ACCOUNT_ID,
            "granted_at": CREATED_AT,
            "until_at": "2027-02-22T08:00:00Z",
            "withdrawn_at": None,
            "in_force": False,
        }
    )
    grant_id: str
    person_id: str
    clinician_id: str
    granted_by: str
    granted_at: datetime
    until_at: datetime | None
    withdrawn_at: datetime | None
    in_force: bool = Field(description="Neither withdrawn nor over, and the consent to `clinician_access` is given")


class GrantList(BaseModel):
    """Grants, oldest first."""

    model_config = shown({"items": [example_of(GrantBody)]})
    items: list[GrantBody]


class ConsentWish(BaseModel):
    """What a person agrees to, and in which words."""

    model_config = strict({"purpose": "clinician_access", "text_version": "2026-11"})
    purpose: Purpose
    text_version: Label = Field(description="Which text the person was shown")


class ConsentBody(BaseModel):
    """A person agreed; `withdrawn_at` says until when."""

    model_config = shown(
        {
            "consent_id": GRANT_ID,
            "person_id": PERSON_ID,
            "purpose": "clinician_access",
            "text_version": "2026-11",
            "given_at": CREATED_AT,
            "given_by": ACCOUNT_ID,
            "withdrawn_at": None,
        }
    )
    consent_id: str
    person_id: str
    purpose: Purpose
    text_version: str
    given_at: datetime
    given_by: str
    withdrawn_at: datetime | None


class ConsentList(BaseModel):
    """Consents, oldest first."""

    model_config = shown({"items": [example_of(ConsentBody)]})
    items: list[ConsentBody]


class ErasedBody(BaseModel):
    """What is gone."""

    model_config = shown({"person_id": PERSON_ID, "n_sessions": 12})
    person_id: str
    n_sessions: int

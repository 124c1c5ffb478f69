"""Who asks: an account with its role, and the people it has to do with."""

from enum import StrEnum

from becalm_protocol.events import value


class Role(StrEnum):
    """What an account is for."""

    OPERATOR = "operator"
    """Runs the server; the first one owns it."""
    CLINICIAN = "clinician"
    """Sees the people who granted it."""
    PARTICIPANT = "participant"
    """Sees itself."""
    AGENT = "agent"
    """Brings the streams of one person, and reads nothing."""


@value
class Caller:
    """An account that has shown a valid token."""

    account_id: str
    role: Role
    person_id: str | None = None
    """Its own person; of an agent: whose body it stands beside."""
    granted: frozenset[str] = frozenset()
    """People who let this clinician see them, now."""
    device_id: str | None = None
    """The paired device whose token it is; None for a login with a password."""
    agent_id: str | None = None
    """The agent that the device's token is bound to."""
    login_id: str | None = None
    """The login with a password whose token it is."""
    has_password: bool = False
    is_local: bool = False
    """The operator's own program on the server's machine."""

    @property
    def may_stream(self) -> bool:
        """Whether it may bring the streams of its person."""
        return self.role is not Role.CLINICIAN

    @property
    def people(self) -> frozenset[str]:
        """Its own person, and those who granted it."""
        return self.granted if self.person_id is None else self.granted | {self.person_id}

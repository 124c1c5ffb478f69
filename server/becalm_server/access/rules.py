"""The whole policy: what each role may do, and about whom. Nothing else decides."""

from enum import StrEnum, auto

from becalm_server.access.caller import Caller, Role


class Action(StrEnum):
    """Something that somebody may want."""

    READ = auto()
    """See sessions, recordings, live values."""
    CONTROL = auto()
    """Start, stop, change and annotate sessions."""
    EXPORT = auto()
    """Take a session away as a file."""
    SHARE = auto()
    """Give and withdraw consents and grants; take away everything about a person; erase it, or a session."""
    STREAM = auto()
    """Bring the raw events of sensors."""
    OWN = auto()
    """See and revoke one's own devices; see how the server is."""
    MANAGE = auto()
    """Accounts, invitations, everybody's devices, the audit log, figures of operation."""


class Scope(StrEnum):
    """About whom."""

    NOBODY = auto()
    KNOWN = auto()
    """The caller's own person, and people who granted it."""
    EVERYBODY = auto()


RULES: dict[Role, dict[Action, Scope]] = {
    Role.OPERATOR: dict.fromkeys(Action, Scope.EVERYBODY),
    Role.CLINICIAN: {
        Action.READ: Scope.KNOWN,
        Action.CONTROL: Scope.KNOWN,
        Action.EXPORT: Scope.KNOWN,
        Action.OWN: Scope.KNOWN,
    },
    Role.PARTICIPANT: {
        Action.READ: Scope.KNOWN,
        Action.CONTROL: Scope.KNOWN,
        Action.EXPORT: Scope.KNOWN,
        Action.SHARE: Scope.KNOWN,
        Action.OWN: Scope.KNOWN,
        Action.STREAM: Scope.KNOWN,
    },
    Role.AGENT: {Action.STREAM: Scope.KNOWN, Action.OWN: Scope.KNOWN},
}
"""What is not named is not allowed. A participant may stream: its phone may be its agent too."""


SEES_OTHERS = frozenset({Role.OPERATOR, Role.CLINICIAN})


def scope(caller: Caller, action: Action) -> Scope:
    """Return about whom a caller may do something."""
    return RULES[caller.role].get(action, Scope.NOBODY)


def may(caller: Caller, action: Action, person_id: str | None) -> bool:
    """Tell whether a caller may do something about a person; None: a session that is nobody's."""
    match scope(caller, action):
        case Scope.EVERYBODY:
            return True
        case Scope.KNOWN:
            return person_id in caller.people
        case _:
            return False


def knows(caller: Caller, person_id: str | None) -> bool:
    """Tell whether a caller may learn that something of a person is there at all."""
    return person_id in caller.people or any(may(caller, action, person_id) for action in Action)


def people_of(caller: Caller, action: Action, *, only: str | None = None) -> frozenset[str] | None:
    """Return the people about whom a caller may do something, of whom it may have named one; None: everybody."""
    if only is not None:
        return frozenset({only} if may(caller, action, only) else ())
    match scope(caller, action):
        case Scope.EVERYBODY:
            return None
        case Scope.KNOWN:
            return caller.people
        case _:
            return frozenset()

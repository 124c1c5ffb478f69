"""The gate of the two WebSockets: who speaks is told by the handshake's Authorization header, or by the hello."""

from starlette.websockets import WebSocket

from becalm_protocol.errors import CloseCode, StorageError, WireError
from becalm_protocol.events import value
from becalm_protocol.handshake import AgentHello, ClientHello
from becalm_server.access.caller import Caller, Role
from becalm_server.access.consents import may_store
from becalm_server.access.desk import Access
from becalm_server.access.rules import Action, Scope, scope
from becalm_server.access.tickets import TICKET
from becalm_server.access.tokens import anew, digest
from becalm_server.archive.pools import AwayError

_PAIR = "Pair this device: becalm pair, with a link that the server's operator makes by: becalm invite"

_NO_CONSENT = "consent: the person has not agreed that recordings are kept. Ask them, then connect again"
_NO_PASSWORD = "password: in a clinic this account needs one first: becalm password NAME"  # noqa: S105  (a sentence)
KEPT = "Nothing is lost: an agent keeps what its sensors say, and brings it when the database is back"
REVOKED = "this device may not come in any more, or may see other people than before. Connect again, or pair it anew"


@value
class Shown:
    """What somebody shows at the door of a WebSocket."""

    token: str
    agent_id: str | None
    """The agent that it says to be; None for a client."""

    @property
    def key(self) -> bytes:
        """Under what whoever was let in with it is remembered."""
        return digest(f"{self.agent_id or ''} {self.token}")


def shown_by(websocket: WebSocket, hello: AgentHello | ClientHello) -> Shown:
    """Return what somebody shows: in the handshake, or in the hello. Raises WireError where there is no token."""
    kind, _, token = websocket.headers.get("authorization", "").partition(" ")
    shown = token.strip() if kind.lower() == "bearer" else hello.token
    if not shown:
        raise WireError(f"token: expected one, got none. {_PAIR}", close_code=CloseCode.AUTH)
    return Shown(token=shown, agent_id=hello.agent_id if isinstance(hello, AgentHello) else None)


async def admit(websocket: WebSocket, shown: Shown, *, access: Access, action: Action) -> Caller:
    """Return who speaks: while the database is away, whoever was here a moment ago.

    Raises WireError with 4401 (who are you), 4403 (not with this role) or 1013.
    """
    try:
        caller = await _admitted(shown, access=access, action=action)
        # An agent is about its person; whom a client sees is told when it sees them.
        about = caller.person_id if shown.agent_id is not None else None
        access.audit.note(action, caller=caller, subject=websocket.url.path, person_id=about)
        if access.is_clinic:
            await access.audit.wait_written()
    except StorageError as exc:
        raise WireError(f"{exc}. {KEPT}", close_code=CloseCode.OVERLOADED) from exc
    return caller


async def _admitted(shown: Shown, *, access: Access, action: Action) -> Caller:
    try:
        return await _known(shown, access=access, action=action)
    except AwayError:  # whatever else it says is an answer, and opens no door
        caller = None if access.is_clinic else access.visitors.remembered(shown.key)
        if caller is None:
            raise
        return caller


async def _known(shown: Shown, *, access: Access, action: Action) -> Caller:
    token, agent_id = shown.token, shown.agent_id
    if token.startswith(TICKET):
        holder = access.tickets.take(token)
        caller = None if holder is None else await access.identities.renewed(holder)
    else:
        caller = await access.identities.of_token(token)
    if caller is None:
        raise WireError(
            f"token: it is unknown, has run out or was taken back. {anew(token)}", close_code=CloseCode.AUTH
        )
    if scope(caller, action) is Scope.NOBODY:
        raise WireError(f"role: a {caller.role} may not {action} here. {_PAIR}", close_code=CloseCode.SCOPE)
    if access.wants_password_of(caller):
        raise WireError(_NO_PASSWORD, close_code=CloseCode.SCOPE)
    if agent_id is not None:
        if caller.person_id is not None and not await may_store(access, caller.person_id):
            raise WireError(_NO_CONSENT, close_code=CloseCode.SCOPE)
        await _bind(caller, agent_id, access=access)
    return caller


async def _bind(caller: Caller, agent_id: str, *, access: Access) -> None:
    """Keep an agent to the device whose token it first came with. Raises WireError."""
    if caller.person_id is None and caller.role is not Role.AGENT:
        raise WireError(
            f"role: expected an account beside a person, got one without. {_PAIR} --role agent",
            close_code=CloseCode.SCOPE,
        )
    bound = await access.gate_store.one("select_agent_device", agent_id=agent_id, person_id=caller.person_id)
    if bound is not None and bound["device_id"] != caller.device_id:
        raise WireError(
            "agent_id: expected this device's own, got another's. Give the agent a data folder of its own",
            close_code=CloseCode.SCOPE,
        )
    if caller.is_local or caller.device_id is None:
        return
    row = await access.gate_store.one("bind_agent", device_id=caller.device_id, agent_id=agent_id)
    if row is not None and row["agent_id"] != agent_id:
        raise WireError(
            "agent_id: expected the agent that this token was given to, got another. Pair each agent by itself",
            close_code=CloseCode.SCOPE,
        )

"""The parts of access, as the server's edges reach them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from becalm_server.access.audit import CUT, AuditTrail, is_cut
from becalm_server.access.caller import Caller
from becalm_server.access.first_start import (
    Owner,
    ensure_operator_token,
    ensure_owner,
    withdraw_operator_token,
)
from becalm_server.access.identities import Identities
from becalm_server.access.logins import Logins
from becalm_server.access.pace import Pace
from becalm_server.access.passwords import Passwords
from becalm_server.access.rules import SEES_OTHERS
from becalm_server.access.signing import Signer
from becalm_server.access.tickets import Tickets
from becalm_server.access.tokens import digest
from becalm_server.access.visitors import Visitors
from becalm_server.archive.access_store import AccessStore, open_access_stores
from becalm_server.archive.entrances import Entrances
from becalm_server.archive.row_security import by_the_server
from becalm_server.settings import Profile, ServerSettings

# Whose a session is never changes; so many are asked for again and again.
MAX_REMEMBERED_SESSIONS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What parts.access holds."""

    store: AccessStore
    """For whoever is at work: it shows a request what its caller may see."""
    gate_store: AccessStore
    """For what is asked before it is known who calls, and for the audit log."""
    owner: Owner
    identities: Identities
    visitors: Visitors
    audit: AuditTrail
    logins: Logins
    tickets: Tickets
    pace: Pace
    is_clinic: bool = False
    """Those who see others need a password, and nothing is answered before the database has its audit entry."""
    _session_people: dict[str, str] = field(default_factory=dict)

    async def session_person(self, session_id: str) -> str | None:
        """Return whose body a session is of; None where there is no such session. Raises StorageError."""
        known = self._session_people.get(session_id)
        if known is not None:
            return known
        row = await self.gate_store.one("select_session_person", session_id=session_id)
        if row is None or row["person_id"] is None:
            return None
        if len(self._session_people) >= MAX_REMEMBERED_SESSIONS:
            self._session_people.clear()
        person_id = self._session_people[session_id] = str(row["person_id"])
        return person_id

    async def is_erased(self, session_id: str) -> bool:
        """Tell whether a session was erased. Raises StorageError."""
        return await self.gate_store.one("select_erased", digest=digest(session_id)) is not None

    def wants_password_of(self, caller: Caller) -> bool:
        """Tell whether an account has to choose a password before it may do anything: in a clinic, who sees others."""
        return self.is_clinic and caller.role in SEES_OTHERS and not caller.has_password

    def changed(self) -> None:
        """Have every next request be judged anew."""
        self.identities.forget()
        self._session_people.clear()


@asynccontextmanager
async def open_access(settings: ServerSettings, entrances: Entrances) -> AsyncIterator[Access]:
    """Give the access to a migrated database; the first time its owner is made. Raises StorageError, ConfigError."""
    data_dir, is_clinic = settings.data_dir, settings.profile is Profile.CLINIC
    async with open_access_stores(entrances) as (gate_store, store):
        with by_the_server():
            owner = await ensure_owner(store)
            if is_clinic:
                await withdraw_operator_token(store, owner=owner, data_dir=data_dir)
            else:
                await ensure_operator_token(store, owner=owner, data_dir=data_dir)
        signer = Signer(data_dir)
        identities = Identities(gate_store, signer=signer)
        visitors = Visitors(identities)
        audit = AuditTrail(gate_store, data_dir=data_dir)
        outcome = CUT if await is_cut(gate_store, data_dir=data_dir) else "done"
        audit.note("start", caller=None, subject=f"profile {settings.profile}", outcome=outcome)
        yield Access(
            store=store,
            gate_store=gate_store,
            owner=owner,
            identities=identities,
            visitors=visitors,
            audit=audit,
            logins=Logins(
                gate_store,
                signer=signer,
                passwords=Passwords(),
                on_end=lambda family_id: visitors.send_away(login_id=family_id),
            ),
            tickets=Tickets(),
            pace=Pace(),
            is_clinic=is_clinic,
        )

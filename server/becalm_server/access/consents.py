"""What a person agreed to, purpose by purpose, and what follows from it."""

from enum import StrEnum

from becalm_server.access.caller import Caller, Role
from becalm_server.access.desk import Access


class Purpose(StrEnum):
    """What somebody may agree to."""

    STORAGE = "storage"
    """Recordings are kept. Taken back, nothing new is recorded; erasing is another wish."""
    CLINICIAN_ACCESS = "clinician_access"
    """Clinicians whom the person granted see recordings."""
    EXPORT = "export"
    """Those clinicians take recordings away as files."""


async def has_agreed(access: Access, person_id: str, purpose: Purpose) -> bool | None:
    """Tell whether a person agrees now; None where they were never asked."""
    rows = [
        row for row in await access.gate_store.rows("select_consents", person_id=person_id) if row["purpose"] == purpose
    ]
    return any(row["withdrawn_at"] is None for row in rows) if rows else None


async def may_store(access: Access, person_id: str) -> bool:
    """Tell whether new recordings of a person may be kept: in a household until taken back, in a clinic when agreed."""
    agreed = await has_agreed(access, person_id, Purpose.STORAGE)
    return bool(agreed) if access.is_clinic else agreed is not False


async def may_export(access: Access, caller: Caller, person_id: str) -> bool:
    """Tell whether a caller may take recordings of a person away; one's own always."""
    return (
        caller.role is not Role.CLINICIAN
        or person_id == caller.person_id
        or bool(await has_agreed(access, person_id, Purpose.EXPORT))
    )

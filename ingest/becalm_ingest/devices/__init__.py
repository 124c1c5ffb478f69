"""One file a device family, sans-I/O: bytes to events, and the writes that start and stop a sensor.

Every family file offers the same two names: `FAMILY`, its description, and `Conversation`, its state for a connection.
Open `family.py` first.
"""

from becalm_ingest.devices import bitalino, heart_rate, movesense, polar_pmd, shimmer, uart_skin, vernier_belt
from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Conversation, Family, Selective, StreamTemplate, Survey, Write

FAMILIES: tuple[Family, ...] = (
    heart_rate.FAMILY,
    polar_pmd.FAMILY,
    movesense.FAMILY,
    vernier_belt.FAMILY,
    bitalino.FAMILY,
    shimmer.FAMILY,
    uart_skin.FAMILY,
)
"""Every family this agent understands."""

__all__ = [
    "FAMILIES",
    "Channel",
    "Conversation",
    "Cursor",
    "Family",
    "Selective",
    "StreamTemplate",
    "Survey",
    "Write",
    "family_named",
]


def family_named(name: str) -> Family | None:
    """Return the family of that name, None where this version has none."""
    return next((family for family in FAMILIES if family.name == name), None)

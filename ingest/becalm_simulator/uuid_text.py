"""How bleak writes a UUID."""

from bumble.core import UUID

LONG_BYTES = 16
SIG_TAIL = "-0000-1000-8000-00805f9b34fb"
"""The end of every UUID that the Bluetooth SIG assigned."""


def uuid_text(uuid: UUID) -> str:
    """Return a UUID in lower case, in its long form."""
    content = uuid.to_bytes()
    if len(content) == LONG_BYTES:
        return str(uuid.to_hex_str("-")).lower()
    return f"{int.from_bytes(content, 'little'):08x}{SIG_TAIL}"


def short_form(uuid: str) -> int | None:
    """Return the 16-bit form of a UUID that the Bluetooth SIG assigned, else None."""
    is_short = uuid.startswith("0000") and uuid.endswith(SIG_TAIL)
    return int(uuid[4:8], 16) if is_short else None

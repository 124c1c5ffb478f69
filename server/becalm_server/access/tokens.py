"""Secrets that open the server: random, told apart by how they begin, kept only as their digest."""

import hashlib
import secrets

DEVICE = "becalm-device-"
INVITATION_CODE_BYTES = 16
_N_BYTES = 32


def make_token(kind: str) -> str:
    """Return a fresh secret of 256 random bits."""
    return kind + secrets.token_urlsafe(_N_BYTES)


def digest(token: str) -> bytes:
    """Return what is stored of a secret: it has 128 random bits or more, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


def anew(token: str) -> str:
    """Return what whoever holds a token that opens nothing can do."""
    if token.startswith(DEVICE):
        return "Pair this device again: becalm pair"
    return "Refresh the login (POST /v1/access/refresh), or log in again; a device is paired by: becalm pair"


def new_id() -> str:
    """Return a random identifier."""
    return secrets.token_hex(16)

"""Access tokens of logins: signed, short-lived, checked without the database."""

import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from becalm_protocol.errors import ConfigError
from becalm_server.access.first_start import write_private

KEY_FILE = "signing_key"
LASTS_S = 600
_ALGORITHM = "EdDSA"
_AUDIENCE = "becalm-api"
_ISSUER = "becalm-server"
_REQUIRED = ("exp", "iat", "aud", "iss", "sub", "sid")


class Signer:
    """Signs and checks with the key in the data folder; another key makes every token of before invalid."""

    def __init__(self, data_dir: Path) -> None:
        self._key = _load(data_dir / KEY_FILE)

    def sign(self, *, account_id: str, family_id: str) -> str:
        """Return a token of a login, good for ten minutes."""
        now_s = int(time.time())
        claims = {"sub": account_id, "sid": family_id, "aud": _AUDIENCE, "iss": _ISSUER, "iat": now_s}
        return jwt.encode(claims | {"exp": now_s + LASTS_S}, self._key, algorithm=_ALGORITHM)

    def family_of(self, token: str) -> str | None:
        """Return the login of a token; None for one that is not ours, not meant for us, or over."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                options={"require": list(_REQUIRED), "strict_aud": True},
            )
        except jwt.PyJWTError:
            return None
        family_id = claims["sid"]
        return family_id if isinstance(family_id, str) and isinstance(claims["iss"], str) else None


def _load(path: Path) -> Ed25519PrivateKey:
    """Return the key in a file, made where there is none. Raises ConfigError."""
    try:
        if not path.exists():
            fresh = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, fresh.decode("ascii"))
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as exc:
        raise _unusable(path) from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(path)
    return key


def _unusable(path: Path) -> ConfigError:
    problem = f"expected an Ed25519 key in {path}, got something else. Remove it: everybody logs in anew"
    return ConfigError(problem, setting="data_dir")

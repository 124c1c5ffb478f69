"""A device's side of pairing: a one-time link becomes a token of its own, kept in a file that nobody else may read."""

import contextlib
import http.client
import json
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_protocol.limits import MAX_FRAME_BYTES, MAX_NAME_CHARS, MAX_TOKEN_CHARS

TokenSource = Callable[[], str | None]
"""Asked at every connection anew: a server may come, or a device be paired, while a program already waits for it."""
PATH = "/v1/access/pair"
ANSWER_LIMIT_S = 6.0
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# A server on every address of this machine is called 0.0.0.0 or ::, and its programs here ask at the loopback.
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104  (names, none is bound)


@value
class PairingLink:
    """Where to show which code."""

    server_url: str
    code: str


def no_token() -> None:
    """Hold none."""


def parse_link(link: str) -> PairingLink:
    """Return the parts of `http://HOST:PORT/pair#CODE`. Raises ConfigError."""
    parts = urlsplit(link.strip())
    try:
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in {"http", "https"} or not host or not parts.fragment or parts.path.rstrip("/") != "/pair":
        raise ConfigError(
            "expected http://HOST:PORT/pair#CODE, got something else; copy it whole, as the server printed it",
            setting="link",
        )
    return PairingLink(server_url=f"{parts.scheme}://{parts.netloc}", code=parts.fragment)


def redeem(link: PairingLink, *, label: str) -> str:
    """Exchange the code for a token of this device's own. Raises ConfigError in the server's words."""
    body = json.dumps({"code": link.code, "label": label or None}).encode()
    request = urllib.request.Request(  # noqa: S310  (http and https only, see parse_link)
        link.server_url + PATH, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it stands in the same house
    try:
        with opener.open(request, timeout=ANSWER_LIMIT_S) as answer:
            token = _field(answer.read(MAX_FRAME_BYTES), "token")
    except urllib.error.HTTPError as exc:
        with exc:
            told = _field(exc.read(MAX_FRAME_BYTES), "detail")
        raise ConfigError(told or f"the server refused with status {exc.code}", setting="link") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConfigError(f"no becalm server answers at {link.server_url}; is it running?", setting="link") from exc
    if not token or len(token) > MAX_TOKEN_CHARS:
        raise ConfigError(f"what answers at {link.server_url} is no becalm server", setting="link")
    return token


class KeyRing:
    """One file for each server in a folder of this account's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def token(self, server_url: str) -> str | None:
        """Return the token for a server; None where there is none, or where others could have read or changed it."""
        path = self._path(server_url)
        try:
            facts = path.stat()
            token = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        if os.name != "nt" and (facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077):
            return None
        return token or None

    def keep(self, server_url: str, token: str) -> None:
        """Keep a token, in place of an older one. Raises ConfigError where the disk does not take it."""
        path = self._path(server_url)
        draft = path.with_name(f"{path.name}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(token)
            draft.replace(path)
        except OSError as exc:
            raise ConfigError(f"cannot keep the token in {path} ({exc.strerror})", setting="data folder") from exc

    def pair(self, link: str, *, label: str) -> str:
        """Redeem a pairing link and keep its token; return the server's address. Raises ConfigError."""
        place = parse_link(link)
        self.keep(place.server_url, redeem(place, label=label[:MAX_NAME_CHARS]))
        return place.server_url

    def forget(self, server_url: str) -> None:
        """Keep no token for a server any more."""
        with contextlib.suppress(OSError):
            self._path(server_url).unlink()

    def places(self) -> list[str]:
        """Return `host:port` of every server that there is a token for."""
        try:
            return [unquote(path.name) for path in self._folder.iterdir() if path.suffix != ".new"]
        except OSError:
            return []

    def _path(self, server_url: str) -> Path:
        return self._folder / quote(place_of(server_url), safe="")


def place_of(server_url: str) -> str:
    """Return host and port of a server, one word for each name that a machine has for itself."""
    parts = urlsplit(server_url if "://" in server_url else f"http://{server_url}")
    host = parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return f"{'localhost' if host in _HERE else host}:{port}"


def _field(content: bytes, name: str) -> str | None:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return None
    found = told.get(name) if isinstance(told, dict) else None
    return found if isinstance(found, str) else None

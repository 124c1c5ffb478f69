"""`becalm export`: a stored session as a file for another program, fetched from the server."""

import json
import os
import shutil
import urllib.error
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import quote, urlencode

from becalm_cli.asking import ask, open_answer, refusal, require_server
from becalm_cli.places import http_url
from becalm_protocol.errors import ConfigError, RecordingError

LAST = "last"
"""In place of an identifier: the newest session."""
# The server makes the whole file before it sends the first byte.
ANSWER_LIMIT_S = 330.0


def export_session(session_id: str, *, server: str, export_format: str, out: Path, device_names: bool) -> int:
    """Write the export to `out`, whole or not at all; return its size in bytes.

    Raises ConfigError (server, session, format) or RecordingError (where `out` cannot be written).
    """
    require_server(server)
    wanted = _newest(server) if session_id == LAST else session_id
    query = urlencode({"format": export_format, "device_names": str(device_names).lower()})
    return save_answer(f"{http_url(server)}/v1/sessions/{quote(wanted, safe='')}/export?{query}", out=out)


def save_answer(address: str, *, out: Path) -> int:
    """Write what a server answers to `out`, whole or not at all; return its size in bytes.

    Raises ConfigError (the server, or what it was asked) or RecordingError (where `out` cannot be written).
    """
    try:
        with open_answer(address, limit_s=ANSWER_LIMIT_S) as answer:
            return _save(answer, out)
    except urllib.error.HTTPError as exc:
        with exc:
            raise ConfigError(refusal(exc), setting="export") from exc
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as exc:
        raise ConfigError(f"the server did not send the whole file ({exc}); try again", setting="--server") from exc


def _newest(server: str) -> str:
    try:
        listed = json.loads(ask(f"{http_url(server)}/v1/sessions?limit=1"))["items"]
    except OSError as exc:
        raise ConfigError(f"the server did not list its sessions ({exc}); try again", setting="--server") from exc
    if not listed:
        raise ConfigError("expected a stored session, found none", setting="SESSION")
    return str(listed[0]["session_id"])


def _save(answer: HTTPResponse, out: Path) -> int:
    """Keep it under another name until it is whole; only its owner may read it."""
    part = out.with_name(f"{out.name}.part")
    n_expected = int(answer.headers["Content-Length"])
    try:
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                shutil.copyfileobj(answer, file)
            n_bytes = part.stat().st_size
            if n_bytes != n_expected:
                raise ConnectionError(f"{n_bytes} of {n_expected} bytes came")
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except (ConnectionError, TimeoutError):
        raise
    except OSError as exc:
        raise RecordingError(
            f"expected a file we can write ({exc.strerror}); choose another --out", path=str(out)
        ) from exc
    return n_bytes

"""Questions to a becalm server over HTTP, with this account's token for it."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any

from becalm_cli.keys import token_for
from becalm_cli.places import http_url
from becalm_protocol.errors import ConfigError

ANSWER_LIMIT_S = 5.0


def require_server(server: str) -> None:
    """Raise ConfigError unless a becalm server answers at this address, and lets us in."""
    try:
        ask(f"{http_url(server)}/v1/health")
    except urllib.error.HTTPError as exc:
        with exc:
            raise ConfigError(refusal(exc), setting="--server") from exc
    except OSError as exc:
        raise ConfigError(
            f"expected a becalm server at {http_url(server)}, got no answer; start one with: becalm serve",
            setting="--server",
        ) from exc


def ask(address: str) -> bytes:
    """Return what a becalm server answers at this address. Raises OSError where it gives none, or refuses."""
    with open_answer(address) as answer:
        content: bytes = answer.read()
    return content


def open_answer(
    address: str, *, method: str = "GET", body: Any = None, limit_s: float = ANSWER_LIMIT_S
) -> HTTPResponse:
    """Return an answer to be read. Raises OSError where there is none, HTTPError where it is a refusal."""
    request = urllib.request.Request(address, method=method)  # noqa: S310  (http and https only, see places.py)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    token = token_for(address)
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it stands in the same house
    answer: HTTPResponse = opener.open(request, timeout=limit_s)
    return answer


def tell(address: str, *, method: str = "GET", body: Any = None, limit_s: float = ANSWER_LIMIT_S) -> Any:
    """Return a JSON answer, None for an empty one. Raises ConfigError with the server's sentence where it refuses."""
    try:
        with open_answer(address, method=method, body=body, limit_s=limit_s) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as exc:
        with exc:
            raise ConfigError(refusal(exc), setting="server") from exc
    except (OSError, HTTPException, ValueError) as exc:
        raise ConfigError(
            f"expected a becalm server, got no answer ({exc}); start one with: becalm serve", setting="--server"
        ) from exc


def refusal(exc: urllib.error.HTTPError) -> str:
    """Say what the server said."""
    try:
        return str(json.loads(exc.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server refused with status {exc.code}"

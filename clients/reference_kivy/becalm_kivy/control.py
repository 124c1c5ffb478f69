"""Starting and stopping a session over HTTP, with the standard library only."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from urllib.parse import quote

from becalm_kivy import words
from becalm_protocol import limits
from becalm_protocol.address import http_address
from becalm_protocol.errors import BecalmError

# A server on the same network answers in milliseconds; a person waits at most this long for a button.
REQUEST_LIMIT_S = 6.0


class RequestRefusedError(BecalmError):
    """The server said no, or could not be asked. The message is one sentence for the person."""


async def start_session(
    url: str,
    *,
    token: str | None = None,
    baseline_s: float | None = None,
    inhale_s: float | None = None,
    exhale_s: float | None = None,
) -> str:
    """Start a session and return its identifier. Raises RequestRefusedError."""
    wishes = {"baseline_s": baseline_s, "inhale_s": inhale_s, "exhale_s": exhale_s}
    body = {name: wish for name, wish in wishes.items() if wish is not None}
    answer = await asyncio.to_thread(_post, f"{http_address(url)}/v1/sessions", body, token=token)
    session_id = answer.get("session_id")
    if not isinstance(session_id, str):
        raise RequestRefusedError(words.NOT_BECALM)
    return session_id


async def stop_session(url: str, session_id: str, *, token: str | None = None) -> None:
    """Stop a session. Raises RequestRefusedError."""
    address = f"{http_address(url)}/v1/sessions/{quote(session_id, safe='')}/stop"
    await asyncio.to_thread(_post, address, {}, token=token)


def _post(address: str, body: dict[str, float], *, token: str | None) -> dict[str, object]:
    request = urllib.request.Request(  # noqa: S310 - http and https only, see address.py
        address, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    # The server stands in the same house: a proxy of the system would only lead away from it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=REQUEST_LIMIT_S) as answer:
            return _object(answer.read(limits.MAX_FRAME_BYTES))
    except urllib.error.HTTPError as exc:
        with exc:
            raise RequestRefusedError(_detail(exc)) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise RequestRefusedError(words.SERVER_SILENT) from exc


def _detail(refusal: urllib.error.HTTPError) -> str:
    detail = _object(refusal.read(limits.MAX_FRAME_BYTES)).get("detail")
    if isinstance(detail, str) and detail.strip():
        return detail[: limits.MAX_NOTE_CHARS]
    return words.REFUSED.format(status=refusal.code)


def _object(content: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}

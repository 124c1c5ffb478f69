"""Which pages may reach the server: its own, and programs that are no browsers. CORS does not cover WebSockets."""

import ipaddress
import socket
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from becalm_server.problems import problem


class OriginGuard:
    """ASGI middleware: refuses other origins, and names that are not this server's (DNS rebinding)."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str] = (), *, only_listed: bool = False) -> None:
        self._app = app
        self._only_listed = only_listed
        name = socket.gethostname().lower()
        own = {"localhost", "127.0.0.1", "::1"} if only_listed else {"localhost", name, f"{name}.local"}
        self._names = own | {host.lower() for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, send, refusal)

    def _refusal(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "host: expected an address or a name of this server. Add the name to allowed_hosts"
        origin = headers.get("origin")
        if origin is None or _place(origin.partition("://")[2]) == _place(host):
            return None
        return "origin: expected a page of this server, got one of another place"

    def _is_ours(self, host: str) -> bool:
        name = _place(host)[0]
        if self._only_listed:
            return name in self._names
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _place(netloc: str) -> tuple[str, int | None]:
    """Return the name without brackets and the port of a host; an empty name where it is malformed."""
    try:
        parts = urlsplit(f"//{netloc}")
        place = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return place


async def _refuse(scope: Scope, send: Send, detail: str) -> None:
    answer = problem(HTTPStatus.FORBIDDEN, detail)
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await send({"type": f"{kind}.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": f"{kind}.body", "body": answer.body})

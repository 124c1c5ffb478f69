"""One line for each request, and its share in the telemetry: method, route, status, time taken; nothing of a person."""

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from becalm_server.logs import request_context
from becalm_server.telemetry import Telemetry

log = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Machines ask these every few seconds.
_OFTEN_ASKED = frozenset({"/metrics", "/readyz", "/v1/health"})


class RequestLine:
    """ASGI middleware: names every request, and forbids keeping what is answered."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; tell of it when it is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began_s, status = secrets.token_hex(8), time.perf_counter(), 500

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("x-content-type-options", "nosniff")
            await send(message)

        with request_context(request_id):
            try:
                await self._app(scope, receive, marked)
            finally:
                self._tell(scope, status=status, took_s=time.perf_counter() - began_s)

    def _tell(self, scope: Scope, *, status: int, took_s: float) -> None:
        # The template, never the path: paths hold identifiers, and whatever else somebody typed.
        route = str(getattr(scope.get("route"), "path", "unmatched"))
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._telemetry.request(method=method, route=route, status=status, took_s=took_s)
        level = logging.DEBUG if route in _OFTEN_ASKED else logging.INFO
        told = {"method": method, "route": route, "status": status, "took_ms": round(took_s * 1e3, 1)}
        log.log(level, "request", extra=told)

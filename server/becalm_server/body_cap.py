"""No body is larger than any that the interface takes, whatever its headers say."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from becalm_server.problems import problem

# A note of 4,000 characters is at most 48 KB of escaped JSON.
MAX_BODY_BYTES = 65_536
_DETAIL = f"body: expected at most {MAX_BODY_BYTES} bytes, got more"


class BodyCap:
    """ASGI middleware: refuses a body that is announced as too large, and stops reading one that grows so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is small enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if len(announced) > 10 or int(announced) > MAX_BODY_BYTES:
            await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _DETAIL)(scope, receive, send)
            return
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > MAX_BODY_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _DETAIL)
            return message

        await self._app(scope, counted, send)

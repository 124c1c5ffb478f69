"""What PostgreSQL cannot hold names nothing: a zero character in an address becomes one that no identifier has."""

from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

NOTHING = "\ufffd"
"""Stands for what is no character; identifiers are made of others."""


class StorableAddress:
    """ASGI middleware: whatever a route looks up by its path or query, the database takes, and does not find."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request with an address that can be looked up."""
        if scope["type"] == "http":
            # In place: the router notes its route in this very scope, where the request line looks for it.
            scope["path"] = scope["path"].replace("\0", NOTHING)
            scope["query_string"] = scope["query_string"].replace(b"%00", quote(NOTHING).encode())
        await self._app(scope, receive, send)

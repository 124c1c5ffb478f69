"""The ASGI application: thin edges around the parts."""

from importlib.metadata import version

from fastapi import FastAPI

from becalm_server import http_health, http_recordings, http_sessions, ws_ingest, ws_live
from becalm_server.origin import OriginGuard
from becalm_server.parts import Parts
from becalm_server.problems import install_problem_handlers

DESCRIPTION = """A biofeedback companion: sessions, recordings, live feedback.

Live values come over the WebSocket `/v1/live`; see `PROTOCOL.md` in the package `becalm_protocol`."""


def create_app(parts: Parts) -> FastAPI:
    """Return the application over running parts."""
    app = FastAPI(title="becalm", version=version("becalm"), description=DESCRIPTION)
    app.state.parts = parts
    install_problem_handlers(app)
    for edge in (http_health, http_sessions, http_recordings, ws_ingest, ws_live):
        app.include_router(edge.router)
    app.add_middleware(OriginGuard, allowed_hosts=parts.settings.allowed_hosts)
    return app

"""The ASGI application: thin edges around the parts."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from becalm_server import http_docs, http_exports, http_health, http_recordings, http_sessions, ws_ingest, ws_live
from becalm_server.exports.office import ExportOffice
from becalm_server.origin import OriginGuard
from becalm_server.parts import Parts
from becalm_server.problems import ProblemDetails, install_problem_handlers

DESCRIPTION = """A biofeedback companion: sessions, recordings, live feedback.

Live values come over the WebSocket `/v1/live`; see `PROTOCOL.md` in the package `becalm_protocol`."""


class App(FastAPI):
    """FastAPI, whose document also holds the one shape of all refusals."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["schemas"]["ProblemDetails"] = ProblemDetails.model_json_schema()
        return super().openapi()


def create_app(parts: Parts) -> FastAPI:
    """Return the application over running parts."""
    app = App(
        title="becalm",
        version=version("becalm"),
        description=DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.parts = parts
    app.state.exports = ExportOffice(parts.archive)
    install_problem_handlers(app)
    for edge in (http_docs, http_health, http_sessions, http_recordings, http_exports, ws_ingest, ws_live):
        app.include_router(edge.router)
    app.add_middleware(OriginGuard, allowed_hosts=parts.settings.allowed_hosts)
    return app

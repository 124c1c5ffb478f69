"""The ASGI application: thin edges around the parts."""

from http import HTTPStatus
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from becalm_server import (
    http_access,
    http_annotations,
    http_asyncapi,
    http_audit,
    http_consents,
    http_devices,
    http_docs,
    http_exports,
    http_health,
    http_logins,
    http_people,
    http_recordings,
    http_sessions,
    http_signals,
    http_trends,
    ws_ingest,
    ws_live,
)
from becalm_server.access.gate import gate
from becalm_server.access.pace import PaceGuard
from becalm_server.access.person_export import PersonExports
from becalm_server.body_cap import BodyCap
from becalm_server.documented_app import DocumentedApp
from becalm_server.exports.office import ExportOffice
from becalm_server.known_query import refuse_unknown_query
from becalm_server.origin import OriginGuard
from becalm_server.parts import Parts
from becalm_server.problems import install_problem_handlers, responses
from becalm_server.refusals import NotAllowedError, WhoError
from becalm_server.request_line import RequestLine
from becalm_server.settings import Profile
from becalm_server.storable import StorableAddress
from becalm_server.telemetry import Telemetry

DESCRIPTION = """A biofeedback companion: sessions, recordings, live feedback.

Live values come over the WebSocket `/v1/live`: see `/v1/asyncapi.json`, and `PROTOCOL.md` in `becalm_protocol`."""
TAGS = [
    {"name": "sessions", "description": "Start, stop and find sessions; mark moments and keep notes"},
    {"name": "recordings", "description": "What is stored of a session, raw and derived; reports and exports"},
    {"name": "access", "description": "Pairing, devices that may come in, accounts"},
    {"name": "people", "description": "Whose sessions are kept, and which clinicians may see them"},
    {"name": "devices", "description": "Sensors that were seen, and the agents that read them"},
    {"name": "operation", "description": "How the server is, for its operator"},
]

EDGES = (
    http_docs,
    http_asyncapi,
    http_health,
    http_access,
    http_logins,
    http_people,
    http_consents,
    http_audit,
    http_sessions,
    http_annotations,
    http_recordings,
    http_signals,
    http_exports,
    http_trends,
    http_devices,
)
"""All of them behind the gate, which knows the few routes that are open."""
SOCKETS = (ws_ingest, ws_live)
"""They have a gate of their own, behind the hello."""


def create_app(parts: Parts) -> FastAPI:
    """Return the application over running parts."""
    app = DocumentedApp(
        title="becalm",
        version=version("becalm"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        dependencies=[Depends(refuse_unknown_query)],
        responses=responses(HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    app.state.parts = parts
    app.state.telemetry = Telemetry(parts)
    app.state.exports = ExportOffice(parts.archive)
    app.state.person_exports = PersonExports(parts.archive, app.state.exports)
    install_problem_handlers(app)
    refusals = responses(WhoError, HTTPStatus.FORBIDDEN, NotAllowedError, HTTPStatus.TOO_MANY_REQUESTS)
    for edge in EDGES:
        app.include_router(edge.router, dependencies=[Depends(gate)], responses=refusals)
    for socket in SOCKETS:
        app.include_router(socket.router)
    is_clinic = parts.settings.profile is Profile.CLINIC
    app.add_middleware(StorableAddress)
    app.add_middleware(BodyCap)
    app.add_middleware(OriginGuard, allowed_hosts=parts.settings.allowed_hosts, only_listed=is_clinic)
    app.add_middleware(PaceGuard, pace=parts.access.pace)
    app.add_middleware(RequestLine, telemetry=app.state.telemetry)  # outermost: it sees what the others refuse
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name

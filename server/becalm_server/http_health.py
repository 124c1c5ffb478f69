"""`/v1/health`, `/healthz`, `/readyz`, `/metrics`: how the server is, without a word about anybody's body."""

from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import StorageError
from becalm_server.access.gate import CallerIs
from becalm_server.access.rules import Action, may
from becalm_server.bodies.operation import AliveBody, HealthBody, ReadyBody
from becalm_server.latency import Latency
from becalm_server.parts import Parts
from becalm_server.problems import responses
from becalm_server.readiness import reasons_against
from becalm_server.refusals import NotReadyError
from becalm_server.telemetry import CONTENT_TYPE, Telemetry

router = APIRouter(tags=["operation"])
_PAGE = {"content": {CONTENT_TYPE: {"schema": {"type": "string"}, "example": "becalm_agents 1.0\n"}}}


@router.get("/healthz", summary="Liveness")
async def alive() -> AliveBody:
    """Tell that the process answers, whatever its database does: who restarts it for less makes things worse."""
    return AliveBody()


@router.get("/readyz", summary="Readiness", responses=responses(NotReadyError))
async def ready(request: Request) -> ReadyBody:
    """Tell whether the server can do its work now: 200, or 503 with the reasons."""
    reasons = await reasons_against(request.app.state.parts)
    if reasons:
        raise NotReadyError(reasons)
    return ReadyBody()


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response, responses={200: _PAGE})
async def figures(request: Request) -> Response:
    """Return counters, gauges and histograms of the machinery; none is about a person."""
    telemetry: Telemetry = request.app.state.telemetry
    return Response(telemetry.page(), media_type=CONTENT_TYPE)


@router.get("/v1/health", summary="Health")
async def health(request: Request, caller: CallerIs) -> HealthBody:
    """Return how the server is; always 200, so that a degraded one can say why."""
    parts: Parts = request.app.state.parts
    sees = partial(may, caller, Action.READ)
    writer, current = parts.archive.writer, parts.sessions.shown(sees)
    trouble = writer.trouble or parts.lanes.trouble
    try:
        database_version = await parts.archive.server_version()
    except StorageError as exc:
        database_version, trouble = None, trouble or str(exc)
    return HealthBody(
        status="ok" if trouble is None else "degraded",
        trouble=trouble,
        version=version("becalm"),
        pipeline_version=PIPELINE_VERSION,
        database_version=database_version,
        timescale=parts.archive.timescale,
        agent_connected=parts.sessions.agents.presence(sees).agent_connected,
        session_id=current.record.session_id if current else None,
        clients=parts.hub.statistics(),
        archive=writer.statistics(),
        pipelines=parts.lanes.statistics(),
        slow_lane=parts.slow_lane.statistics(),
        accept_ms=_percentiles(parts.sessions.accept_latency),
        publish_ms=_percentiles(parts.hub.sent_latency),
        commit_ms=_percentiles(writer.commit_latency),
    )


def _percentiles(latency: Latency) -> dict[str, float | None]:
    return {"p50": latency.percentile_ms(50), "p99": latency.percentile_ms(99)}

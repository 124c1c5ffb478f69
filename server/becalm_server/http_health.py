"""`/v1/health`: how the server is, without a word about anybody's body."""

from importlib.metadata import version

from fastapi import APIRouter, Request

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import StorageError
from becalm_server.bodies.operation import HealthBody
from becalm_server.latency import Latency
from becalm_server.parts import Parts

router = APIRouter(prefix="/v1", tags=["operation"])


@router.get("/health", summary="Health")
async def health(request: Request) -> HealthBody:
    """Return how the server is; always 200, so that a degraded one can say why."""
    parts: Parts = request.app.state.parts
    writer, current = parts.archive.writer, parts.sessions.current
    trouble = writer.trouble
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
        agent_connected=parts.sessions.agents.presence().agent_connected,
        session_id=current.record.session_id if current else None,
        clients=parts.hub.statistics(),
        archive=writer.statistics(),
        slow_lane=parts.slow_lane.statistics(),
        accept_ms=_percentiles(parts.sessions.accept_latency),
        publish_ms=_percentiles(parts.hub.sent_latency),
        commit_ms=_percentiles(writer.commit_latency),
    )


def _percentiles(latency: Latency) -> dict[str, float | None]:
    return {"p50": latency.percentile_ms(50), "p99": latency.percentile_ms(99)}

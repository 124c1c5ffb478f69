"""`/v1/trends`: how sessions went, one after another."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from becalm_protocol.derived import Metrics, SlowMetrics
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_server.access.gate import CallerIs
from becalm_server.access.rules import Action, people_of
from becalm_server.bodies.fields import Moment, PersonQuery
from becalm_server.bodies.trends import TrendList, TrendRow
from becalm_server.parts import Parts
from becalm_server.problems import responses

router = APIRouter(prefix="/v1/trends", tags=["recordings"], responses=responses(HTTPStatus.SERVICE_UNAVAILABLE))
_NAMES = (*Metrics.index_names(), *SlowMetrics.index_names())
_NAME = f"({'|'.join(_NAMES)})"
IndexNames = Annotated[
    str | None,
    Query(
        pattern=f"^{_NAME}(,{_NAME})*$",
        max_length=1_000,
        description="Indices to give, with commas between them; without it all",
        examples=["rmssd_ms,arousal"],
    ),
]


@router.get("", summary="Trends over sessions")
async def trends(
    request: Request,
    caller: CallerIs,
    *,
    person_id: PersonQuery = None,
    since: Annotated[Moment | None, Query(description="Sessions that began at or after this moment")] = None,
    indices: IndexNames = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many")] = 500,
) -> TrendList:
    """Return what finished sessions were like, newest first: each index before and during practice."""
    parts: Parts = request.app.state.parts
    rows = await parts.archive.trends(people_of(caller, Action.READ, only=person_id), since=since, limit=limit)
    wanted = set(_NAMES if indices is None else indices.split(","))
    return TrendList(items=[_row(row, wanted=wanted) for row in rows])


def _row(row: dict[str, Any], *, wanted: set[str]) -> TrendRow:
    told = {name: row[name] for name in ("session_id", "source", "created_at", "baseline_s", "pipeline_version",
                                         "n_intervals", "accepted_share", "subsidence")}  # fmt: skip
    return TrendRow(
        **told,
        started_at=datetime.fromtimestamp(row["started_unix_ns"] / NS_PER_S, tz=UTC),
        duration_s=s_from_ns(row["duration_ns"]),
        indices={name: parts for name, parts in row["indices"].items() if name in wanted},
    )

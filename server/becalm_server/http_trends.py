"""`/v1/trends`: how sessions went, one after another."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from becalm_protocol.derived import Metrics, SlowMetrics
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_server.access.gate import CallerIs
from becalm_server.access.rules import Action, people_of
from becalm_server.bodies.fields import Moment, PersonQuery
from becalm_server.bodies.recordings import IndexBody
from becalm_server.bodies.trends import TrendList
from becalm_server.parts import Parts
from becalm_server.problems import BUSY, responses

router = APIRouter(prefix="/v1/trends", tags=["recordings"], responses=responses(BUSY))
_NAMES = (*Metrics.index_names(), *SlowMetrics.index_names())
_NAME = f"({'|'.join(_NAMES)})"
_TAKEN = ("session_id", "source", "created_at", "baseline_s", "pipeline_version", "n_intervals", "accepted_share")
_EMPTY_INDEX = dict.fromkeys(IndexBody.model_fields)
IndexNames = Annotated[
    str | None,
    Query(
        pattern=f"^{_NAME}(,{_NAME})*$",
        max_length=1_000,
        description="Indices to give, with commas between them; without it all",
        examples=["rmssd_ms,arousal"],
    ),
]


@router.get(
    "", summary="Trends over sessions", response_class=Response, responses={int(HTTPStatus.OK): {"model": TrendList}}
)
async def trends(
    request: Request,
    caller: CallerIs,
    *,
    person_id: PersonQuery = None,
    since: Annotated[Moment | None, Query(description="Sessions that began at or after this moment")] = None,
    indices: IndexNames = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many")] = 500,
) -> Response:
    """Return what finished sessions were like, newest first: each index before and during practice."""
    parts: Parts = request.app.state.parts
    rows = await parts.archive.trends(people_of(caller, Action.READ, only=person_id), since=since, limit=limit)
    wanted = frozenset(_NAMES if indices is None else indices.split(","))
    # Past the framework's models: 500 sessions have 60,000 numbers, and every one of them is our own.
    body = msgspec.json.encode({"items": [_row(row, wanted=wanted) for row in rows]})
    return Response(body, media_type="application/json")


def _row(row: dict[str, Any], *, wanted: frozenset[str]) -> dict[str, Any]:
    subsidence = row["subsidence"]
    return {
        **{name: row[name] for name in _TAKEN},
        "started_at": datetime.fromtimestamp(row["started_unix_ns"] / NS_PER_S, tz=UTC),
        "duration_s": s_from_ns(row["duration_ns"]),
        "subsidence": subsidence if subsidence is None else _EMPTY_INDEX | subsidence,
        "indices": {name: parts for name, parts in row["indices"].items() if name in wanted},
    }

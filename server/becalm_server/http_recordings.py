"""`/v1/sessions/{id}/...`: what is stored of a session."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from becalm_protocol.codec import decode_json
from becalm_protocol.events import Gap
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_server.bodies.recordings import (
    BeatRow,
    BreathRow,
    CountsBody,
    GapRow,
    MetricsRow,
    Page,
    QualityList,
    QualitySpan,
    ReportBody,
    ResponseRow,
    SlowMetricsRow,
    StreamBody,
    StreamCounts,
    StreamList,
    WindowRow,
)
from becalm_server.http_sessions import SessionId, known_session
from becalm_server.parts import Parts
from becalm_server.problems import BUSY, responses
from becalm_server.refusals import ReportPendingError, UnknownSessionError

_REFUSALS = responses(UnknownSessionError, BUSY)
router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["recordings"], responses=_REFUSALS)
SinceNs = Annotated[int, Query(ge=-MAX_SESSION_NS, le=MAX_SESSION_NS, description="Rows after this session time, ns")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many")]
_FROM_START = -MAX_SESSION_NS


@router.get("/beats", summary="Heartbeats", response_model=Page[BeatRow])
async def beats(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return confirmed beats: RR as measured, RR to use in its place, and why."""
    return await _page(request, "select_beats", session_id, since_ns=since_ns, limit=limit)


@router.get("/breaths", summary="Breaths", response_model=Page[BreathRow])
async def breaths(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return turns of breathing (kind in, out), whole breaths (breath) and pauses (pause)."""
    return await _page(request, "select_breaths", session_id, since_ns=since_ns, limit=limit)


@router.get("/responses", summary="Skin responses", response_model=Page[ResponseRow])
async def skin_responses(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return skin-conductance responses."""
    return await _page(request, "select_responses", session_id, since_ns=since_ns, limit=limit)


@router.get("/metrics", summary="Indices, each second", response_model=Page[MetricsRow])
async def metrics(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return all indices once a second, each with its bound, or its reason where withheld."""
    return await _page(request, "select_metrics", session_id, since_ns=since_ns, limit=limit)


@router.get("/slow_metrics", summary="Indices of longer windows", response_model=Page[SlowMetricsRow])
async def slow_metrics(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return the indices of longer windows: HRV, heart and breath together, subsidence."""
    return await _page(request, "select_slow_metrics", session_id, since_ns=since_ns, limit=limit)


@router.get("/windows", summary="NeuroKit2's windows", response_model=Page[WindowRow])
async def windows(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return the slow lane's HRV windows; emitted_ns - t_ns is their own delay."""
    return await _page(request, "select_windows", session_id, since_ns=since_ns, limit=limit)


@router.get("/streams", summary="Streams")
async def streams(request: Request, session_id: SessionId) -> StreamList:
    """Return the signals of the session's sensors."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    found = await parts.archive.streams(session_id)
    return StreamList(items=[StreamBody.model_validate(one.info, from_attributes=True) for one in found])


@router.get("/gaps", summary="Gaps", response_model=Page[GapRow])
async def gaps(
    request: Request, session_id: SessionId, since_ns: SinceNs = _FROM_START, limit: Limit = 1_000
) -> dict[str, Any]:
    """Return stretches of streams without samples, in the order they were told."""
    page = await _page(request, "select_gaps", session_id, since_ns=since_ns, limit=limit)
    items = [_gap(row) for row in page["items"]]
    return page | {"items": items}


@router.get("/quality", summary="Quality of signals")
async def quality(request: Request, session_id: SessionId) -> QualityList:
    """Return when each kind of signal could carry indices, and why not."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    rows = await parts.archive.derived_rows("select_quality", session_id=session_id)
    return QualityList(items=_spans(rows))


@router.get("/counts", summary="What is stored")
async def counts(request: Request, session_id: SessionId) -> CountsBody:
    """Return what is stored, stream by stream: the other half of any account of losses."""
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    archive = parts.archive
    rows = await archive.derived_rows("select_counts", session_id=session_id)
    by_source = await archive.derived_rows("count_beats", session_id=session_id)
    derived = (await archive.derived_rows("count_derived", session_id=session_id))[0]
    streams = [_stream_counts(row) for row in rows]
    stored: dict[str, int] = {}
    for stream in streams:
        stored[stream.kind] = stored.get(stream.kind, 0) + stream.n_samples
    return CountsBody(
        session_id=session_id,
        streams=streams,
        stored=stored,
        beats={row["source"]: row["n_beats"] for row in by_source},
        n_beats=sum(row["n_beats"] for row in by_source),
        **derived,
        n_gaps=sum(stream.n_gaps for stream in streams),
        n_dropped=sum(stream.n_dropped for stream in streams),
        n_missing_events=sum(stream.last_seq - stream.n_distinct_seq for stream in streams),
        n_duplicates_prevented=sum(stream.n_duplicates_prevented for stream in streams),
    )


@router.get(
    "/report",
    summary="Report",
    response_model=ReportBody,
    responses=responses(UnknownSessionError, ReportPendingError),
)
async def report(request: Request, session_id: SessionId) -> dict[str, Any]:
    """Return the report that NeuroKit2 made after the session; 404 until it is ready."""
    parts: Parts = request.app.state.parts
    record = await known_session(parts, session_id)
    row = await parts.archive.one("select_report", session_id=session_id)
    if row is None and record.ended_at is None:
        raise ReportPendingError("The report is not ready. It is made after the session has ended; ask again then.")
    if row is None:
        parts.slow_lane.report_nowait(session_id)  # one that a stop, a crash or a busy day left undone
        raise ReportPendingError("The report is not ready. It is being made; ask again in a few seconds.")
    return row


async def _page(request: Request, statement: str, session_id: str, *, since_ns: int, limit: int) -> dict[str, Any]:
    parts: Parts = request.app.state.parts
    await known_session(parts, session_id)
    rows, next_since_ns = await parts.archive.page(statement, session_id=session_id, since_ns=since_ns, limit=limit)
    return {"items": rows, "next_since_ns": next_since_ns}


def _gap(row: dict[str, Any]) -> GapRow:
    gap = decode_json(bytes(row["body"]), Gap)
    return GapRow(
        t_ns=row["t_ns"],
        stream_id=row["stream_id"],
        kind=row["kind"],
        start_ns=gap.start_ns,
        end_ns=gap.end_ns,
        n_missing=gap.n_missing,
        reason=gap.reason,
    )


def _spans(rows: list[dict[str, Any]]) -> list[QualitySpan]:
    """Return what was told from each moment on as spans, kind after kind."""
    spans: list[QualitySpan] = []
    for row in sorted(rows, key=lambda row: (row["kind"], row["t_ns"])):
        last = spans[-1] if spans and spans[-1].kind == row["kind"] else None
        if last is not None and (last.reason, last.caution) == (row["reason"], row["caution"]):
            continue
        if last is not None:
            last.end_ns = row["t_ns"]
        told = {name: row[name] for name in ("kind", "reason", "caution")}
        spans.append(QualitySpan(start_ns=row["t_ns"], end_ns=None, **told))
    return spans


def _stream_counts(row: dict[str, Any]) -> StreamCounts:
    return StreamCounts(
        stream_id=row["stream_id"],
        kind=row["kind"],
        device=row["device"],
        last_seq=row["acked_seq"],
        n_events=row["n_events"],
        n_distinct_seq=row["n_distinct_seq"],
        n_samples=row["n_samples"],
        n_gaps=row["n_gaps"],
        n_dropped=row["n_dropped"],
        n_duplicates_prevented=row["n_duplicates"],
    )

"""`/v1/sessions/{id}/streams/{id}/...`: windows of a stream, thinned for the eye or sample by sample."""

import math
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from numpy.typing import NDArray

from becalm_protocol.events import StreamInfo
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.records import SampleStream
from becalm_server.binary_window import MEDIA_TYPE, narrow, pack
from becalm_server.bodies.examples import STREAM_ID
from becalm_server.bodies.fields import MAX_ID_CHARS
from becalm_server.bodies.signals import OverviewBody, SamplesBody
from becalm_server.http_sessions import SessionId, known_session
from becalm_server.parts import Parts
from becalm_server.problems import BUSY, responses
from becalm_server.refusals import UnknownSessionError, UnknownStreamError


class Form(StrEnum):
    """How samples are given."""

    JSON = "json"
    COUNTS = "counts"
    VALUES = "values"


_BINARY = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_OK = int(HTTPStatus.OK)
router = APIRouter(
    prefix="/v1/sessions/{session_id}/streams/{stream_id}",
    tags=["recordings"],
    responses=responses(UnknownSessionError, UnknownStreamError, BUSY),
)
StreamId = Annotated[str, Path(max_length=MAX_ID_CHARS, description="Identifier of a stream", examples=[STREAM_ID])]
StartNs = Annotated[int, Query(ge=-MAX_SESSION_NS, le=MAX_SESSION_NS, description="Session time it begins at, ns")]
EndNs = Annotated[
    int | None,
    Query(ge=-MAX_SESSION_NS, le=MAX_SESSION_NS, description="Session time it ends before, ns; without it the end"),
]
FormWish = Annotated[
    Form,
    Query(description="json; or bytes as docs/api.md tells: counts (integers) or values (32-bit floats, in the unit)"),
]
NBuckets = Annotated[
    int, Query(ge=1, le=4_000, description="Parts of the window, each with up to four samples: as many as pixels")
]
# The last sample belongs to the window, also where its time was rounded.
_END_NS = 1_000
# Two minutes at 1 kHz, a quarter of an hour of a strap: 1.5 MB of JSON at most.
MAX_SAMPLES = 131_072


@router.get(
    "/overview",
    summary="A window for the eye",
    response_class=Response,
    responses={_OK: {"model": OverviewBody, "content": _BINARY}},
)
async def overview(
    request: Request, session_id: SessionId, stream_id: StreamId, *, start_ns: StartNs = 0, end_ns: EndNs = None,
    n_buckets: NBuckets = 800, form: FormWish = Form.JSON,
) -> Response:  # fmt: skip
    """Return first, smallest, largest and last sample of equal parts of a window, so that no peak is lost (M4)."""
    parts: Parts = request.app.state.parts
    stream = await _known_stream(parts, session_id, stream_id)
    until_ns = await _until_ns(parts, session_id, stream, start_ns=start_ns, end_ns=end_ns)
    found = await parts.archive.overview(stream, start_ns=start_ns, end_ns=until_ns, n_buckets=n_buckets)
    head = _head(found.stream, start_ns=start_ns, end_ns=until_ns, placed=found.placed)
    since_ns = found.t_ns - start_ns
    if form is Form.JSON:
        return _json(head | {"t_us": (since_ns // 1_000).tolist(), "counts": found.counts.tolist()})
    # 32 bits of microseconds last 71 minutes; longer windows are told in longer steps.
    step_ns = max(1_000, math.ceil((until_ns - start_ns) / 2**32))
    arrays = {"t": (since_ns // step_ns).astype(np.uint32)}
    return _bytes(head | {"t_step_ns": step_ns}, arrays | _numbers(found.counts, found.stream, form=form))


@router.get(
    "/samples",
    summary="Every sample of a window",
    response_class=Response,
    responses={_OK: {"model": SamplesBody, "content": _BINARY}},
)
async def samples(
    request: Request, session_id: SessionId, stream_id: StreamId, *, start_ns: StartNs = 0, end_ns: EndNs = None,
    form: FormWish = Form.JSON,
) -> Response:  # fmt: skip
    """Return every sample of a window with its session time; a long window comes in several answers."""
    parts: Parts = request.app.state.parts
    stream = await _known_stream(parts, session_id, stream_id)
    until_ns = await _until_ns(parts, session_id, stream, start_ns=start_ns, end_ns=end_ns)
    cut_ns = min(until_ns, start_ns + math.floor(MAX_SAMPLES / (stream.info.sample_rate_hz or 1.0) * NS_PER_S))
    found = await parts.archive.samples(stream, start_ns=start_ns, end_ns=cut_ns)
    head = _head(found.stream, start_ns=start_ns, end_ns=cut_ns, placed=found.placed)
    head |= {"next_start_ns": cut_ns if cut_ns < until_ns else None}
    if form is Form.JSON:
        runs = [{"t_ns": run.t_ns, "period_ns": run.period_ns, "n_samples": run.n_samples} for run in found.runs]
        return _json(head | {"runs": runs, "counts": found.counts.tolist()})
    head |= {"runs": [(run.t_ns, run.period_ns, run.n_samples) for run in found.runs]}
    return _bytes(head, _numbers(found.counts, found.stream, form=form))


async def _known_stream(parts: Parts, session_id: str, stream_id: str) -> SampleStream:
    """Return a stream of samples. Raises where there is no such session, or no such stream of it."""
    stream = await parts.archive.sample_stream(session_id, stream_id)
    if stream is None:
        await known_session(parts, session_id)
        raise UnknownStreamError(f"The session has no stream of samples {stream_id!r:.70}.")
    return stream


async def _until_ns(parts: Parts, session_id: str, stream: SampleStream, *, start_ns: int, end_ns: int | None) -> int:
    """Return where a window ends: where it was asked to, or with the session."""
    if end_ns is not None:
        return max(end_ns, start_ns + 1)
    newest_ns = stream.duration_ns
    if newest_ns is None:
        newest_ns = ((await parts.archive.one("select_newest", session_id=session_id)) or {}).get("newest_ns")
    return max(newest_ns or 0, start_ns) + _END_NS


def _head(info: StreamInfo, *, start_ns: int, end_ns: int, placed: bool) -> dict[str, Any]:
    return {
        "stream_id": info.stream_id,
        "kind": info.kind.value,
        "unit": info.unit,
        "unit_per_count": info.unit_per_count,
        "start_ns": start_ns,
        "end_ns": end_ns,
        "placed": placed,
    }


def _numbers(counts: NDArray[np.int32], info: StreamInfo, *, form: Form) -> dict[str, NDArray[Any]]:
    if form is Form.VALUES:
        return {"value": (counts * info.unit_per_count).astype(np.float32)}
    return {"count": narrow(counts)}


# Past the framework's models: a window has thousands of numbers, and every one of them is our own.
def _json(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


def _bytes(head: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Response:
    return Response(pack(head, arrays), media_type=MEDIA_TYPE)

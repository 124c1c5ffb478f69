"""Every refusal as RFC 9457 problem details: one shape, one sentence that says what to do."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from becalm_protocol.errors import StorageError
from becalm_server.refusals import (
    ExportsBusyError,
    FormatUnavailableError,
    NoAgentError,
    NothingToExportError,
    ReportPendingError,
    SessionRunningError,
    UnknownSessionError,
)

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_STATUSES: dict[type[Exception], HTTPStatus] = {
    UnknownSessionError: HTTPStatus.NOT_FOUND,
    ReportPendingError: HTTPStatus.NOT_FOUND,
    NothingToExportError: HTTPStatus.NOT_FOUND,
    FormatUnavailableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExportsBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoAgentError: HTTPStatus.CONFLICT,
    SessionRunningError: HTTPStatus.CONFLICT,
    StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class ProblemDetails(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Conflict",
                "status": 409,
                "detail": "No sensors' agent is connected. Start it beside the body with: becalm agent",
            }
        }
    )
    type: str = "about:blank"
    title: str
    status: int
    detail: str


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of refusals."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {int(status): {"content": content, "description": status.phrase} for status in statuses}


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every refusal of the app as problem details."""
    for error in _STATUSES:
        app.add_exception_handler(error, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def problem(status: HTTPStatus, detail: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return problem details as a response."""
    body = ProblemDetails(title=status.phrase, status=int(status), detail=detail)
    return JSONResponse(body.model_dump(), status_code=int(status), media_type=CONTENT_TYPE, headers=headers)


async def _refused(_request: Request, exc: Exception) -> JSONResponse:
    status = next(status for error, status in _STATUSES.items() if isinstance(exc, error))
    return problem(status, str(exc), headers={"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None)


async def _http(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101  (registered for it)
    headers = dict(exc.headers) if exc.headers else None
    return problem(HTTPStatus(exc.status_code), str(exc.detail), headers=headers)


async def _invalid(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  (registered for it)
    sentences = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(sentences)[:500])


async def _unexpected(_request: Request, exc: Exception) -> JSONResponse:
    log.error("a request failed with a %s", type(exc).__name__)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The server made a mistake; its log has a line about it.")

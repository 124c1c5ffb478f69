"""Every refusal as RFC 9457 problem details: one shape, a type for programs, a sentence that says what to do."""

import logging
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from becalm_protocol.errors import StorageError
from becalm_server.bodies.problems import FieldProblem, ProblemDetails
from becalm_server.refusals import (
    ExportsBusyError,
    FormatUnavailableError,
    LoginTakenError,
    NoAgentError,
    NotAllowedError,
    NothingToExportError,
    NotReadyError,
    OwnerStaysError,
    ReportPendingError,
    SessionRunningError,
    TooManyAnnotationsError,
    TooManyTriesError,
    UnknownAccountError,
    UnknownAnnotationError,
    UnknownConsentError,
    UnknownDeviceError,
    UnknownGrantError,
    UnknownLoginError,
    UnknownPersonError,
    UnknownSessionError,
    UnknownStreamError,
    WhoError,
)

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
NO_STORE = {"Cache-Control": "no-store"}
"""Answers about a person are kept by nobody on the way."""
RETRY_AFTER_S = {HTTPStatus.SERVICE_UNAVAILABLE: 2, HTTPStatus.TOO_MANY_REQUESTS: 10}
_MAX_FIELDS = 10
STATUSES: dict[type[Exception], HTTPStatus] = {
    WhoError: HTTPStatus.UNAUTHORIZED,
    NotAllowedError: HTTPStatus.FORBIDDEN,
    UnknownSessionError: HTTPStatus.NOT_FOUND,
    UnknownPersonError: HTTPStatus.NOT_FOUND,
    UnknownAccountError: HTTPStatus.NOT_FOUND,
    UnknownDeviceError: HTTPStatus.NOT_FOUND,
    UnknownLoginError: HTTPStatus.NOT_FOUND,
    UnknownGrantError: HTTPStatus.NOT_FOUND,
    UnknownConsentError: HTTPStatus.NOT_FOUND,
    OwnerStaysError: HTTPStatus.CONFLICT,
    LoginTakenError: HTTPStatus.CONFLICT,
    TooManyTriesError: HTTPStatus.TOO_MANY_REQUESTS,
    UnknownStreamError: HTTPStatus.NOT_FOUND,
    UnknownAnnotationError: HTTPStatus.NOT_FOUND,
    ReportPendingError: HTTPStatus.NOT_FOUND,
    NothingToExportError: HTTPStatus.NOT_FOUND,
    FormatUnavailableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExportsBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoAgentError: HTTPStatus.CONFLICT,
    SessionRunningError: HTTPStatus.CONFLICT,
    TooManyAnnotationsError: HTTPStatus.CONFLICT,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
    RequestValidationError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The status of each refusal; its type is its name."""
BUSY = HTTPStatus.SERVICE_UNAVAILABLE
"""What every route that asks the database may answer."""
BODY = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
"""What every route that reads a body may answer, beside its errors of validation."""
_GENERAL = {
    HTTPStatus.BAD_REQUEST: ("bad-request", "The body is not JSON in UTF-8."),
    HTTPStatus.FORBIDDEN: ("forbidden", "The page, or the name under which it asks, is not this server's."),
    HTTPStatus.NOT_FOUND: ("not-found", "There is no such path. /docs has those there are."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method-not-allowed", "The path knows other methods; the header Allow has them."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too-large", "The body is larger than any that this interface takes."),
    HTTPStatus.TOO_MANY_REQUESTS: ("too-many-requests", "This address asks too often."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal-error", "The server made a mistake; its log has a line about it."),
}
"""Refusals of the web framework: the last part of their type, and what they mean."""


def problem_types() -> dict[str, tuple[HTTPStatus, str]]:
    """Return {type: (status, meaning)} of every refusal this server knows."""
    named = {_type_of(error): (status, (error.__doc__ or "").split("\n")[0]) for error, status in STATUSES.items()}
    named[_type_of(RequestValidationError)] = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A parameter or the body is not as documented; `errors` names each place.",
    )
    return named | {_general_type(status): (status, meaning) for status, (_, meaning) in _GENERAL.items()}


def problem_title(name: str) -> str:
    """Return the last part of a type in words."""
    return name.replace("-", " ").capitalize()


def responses(*refusals: HTTPStatus | type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of refusals: each status with an example of every type behind it."""
    documented: dict[int | str, dict[str, Any]] = {}
    for refusal in refusals:
        status = refusal if isinstance(refusal, HTTPStatus) else STATUSES[refusal]
        one_type = _type_for(refusal)
        entry = documented.setdefault(int(status), {"content": {CONTENT_TYPE: _empty()}, "description": status.phrase})
        _, meaning = problem_types()[one_type]
        value = _details(status, meaning, problem_type=one_type).model_dump(exclude_none=True)
        entry["content"][CONTENT_TYPE]["examples"][one_type.rpartition("/")[2]] = {"value": value}
    return documented


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every refusal of the app as problem details."""
    for error in STATUSES:
        app.add_exception_handler(error, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    problem_type: str | None = None,
    headers: dict[str, str] | None = None,
    errors: list[FieldProblem] | None = None,
    reasons: list[str] | None = None,
) -> JSONResponse:
    """Return problem details as a response; without a type it is the general one of the status."""
    told = NO_STORE | (headers or {})
    body = _details(status, detail, problem_type=problem_type or _general_type(status))
    body.errors, body.reasons = errors, reasons
    if status == HTTPStatus.UNAUTHORIZED:
        told["WWW-Authenticate"] = "Bearer"
    if body.retry_after_s is not None:
        told["Retry-After"] = str(body.retry_after_s)
    return JSONResponse(
        body.model_dump(exclude_none=True), status_code=int(status), media_type=CONTENT_TYPE, headers=told
    )


def _empty() -> dict[str, Any]:
    return {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": {}}


def _details(status: HTTPStatus, detail: str, *, problem_type: str) -> ProblemDetails:
    return ProblemDetails(
        type=problem_type,
        title=problem_title(problem_type.rpartition("/")[2]),
        status=int(status),
        detail=printable(detail),
        retry_after_s=RETRY_AFTER_S.get(status),
    )


def _type_for(refusal: HTTPStatus | type[Exception]) -> str:
    """A status alone stands for the refusal that usually has it."""
    if not isinstance(refusal, HTTPStatus):
        return _type_of(refusal)
    if refusal == HTTPStatus.UNPROCESSABLE_ENTITY:
        return _type_of(RequestValidationError)
    return _type_of(StorageError) if refusal == HTTPStatus.SERVICE_UNAVAILABLE else _general_type(refusal)


def _type_of(error: type[Exception]) -> str:
    if error is RequestValidationError:
        return "/problems/invalid-request"
    words = re.findall(r"[A-Z][a-z]*", error.__name__.removesuffix("Error"))
    return f"/problems/{'-'.join(words).lower()}"


def _general_type(status: HTTPStatus) -> str:
    name, _ = _GENERAL.get(status, (status.name.lower().replace("_", "-"), ""))
    return f"/problems/{name}"


def printable(text: str) -> str:
    """Return a text that every reader can show: what is no character, or would turn its neighbours, is escaped."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


async def _refused(_request: Request, exc: Exception) -> JSONResponse:
    error, status = next((error, status) for error, status in STATUSES.items() if isinstance(exc, error))
    return problem(status, str(exc), problem_type=_type_of(error), reasons=getattr(exc, "reasons", None))


async def _http(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101  (registered for it)
    headers = dict(exc.headers or {})
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(request.app.methods_of(request.url.path))
    status, detail = HTTPStatus(exc.status_code), str(exc.detail)
    if status in _GENERAL and detail == status.phrase:  # the framework's own words say nothing
        detail = _GENERAL[status][1]
    return problem(status, detail, headers=headers)


async def _invalid(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  (registered for it)
    errors = [
        FieldProblem(
            field=printable(".".join(str(part) for part in error["loc"]))[:100], problem=printable(error["msg"])[:300]
        )
        for error in exc.errors()[:_MAX_FIELDS]
    ]
    detail = "; ".join(f"{one.field}: {one.problem}" for one in errors)[:500]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, detail, problem_type=_type_of(RequestValidationError), errors=errors
    )


async def _unexpected(_request: Request, exc: Exception) -> JSONResponse:
    log.error("a request failed with a %s", type(exc).__name__)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, _GENERAL[HTTPStatus.INTERNAL_SERVER_ERROR][1])

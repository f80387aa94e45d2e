"""Errors as RFC 9457 problems: every 4xx and 5xx of the API has the same shape, and none a stack trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from sightline import metrics
from sightline.errors import (
    BadInput,
    Busy,
    Conflict,
    DatabaseUnavailable,
    NotAllowed,
    NotFound,
    NotSignedIn,
    SightlineError,
    TooLarge,
    TooMany,
)

logger = logging.getLogger("sightline.api")

STATUS: tuple[tuple[type[SightlineError], HTTPStatus], ...] = (
    (NotSignedIn, HTTPStatus.UNAUTHORIZED),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (BadInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (DatabaseUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (Busy, HTTPStatus.SERVICE_UNAVAILABLE),
    (SightlineError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""First match wins; the tree in `errors` decides the order."""

UNREADABLE = frozenset({"malformed_json", "malformed_gzip"})
"""Codes of bodies that are no message at all: 400 instead of 422."""

RETRY_AFTER = "5"
"""Seconds; a database that restarts is back within 4."""

BUSY_RETRY_AFTER = "1"
"""Seconds; what waits is half a second of work."""


def problem(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """One problem document; `instance` is the path without its query, which may hold secrets."""
    content: dict[str, Any] = {
        "type": f"https://sightline.invalid/problems/{code.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        "errors": list(errors),
        "trace_id": request.scope.get("trace_id", ""),
    }
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")


PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors", "trace_id"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "instance", "code", "trace_id")},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
            },
        },
    },
}


def described_problem(what: str) -> dict[str, Any]:
    """How OpenAPI shows a problem."""
    return {"description": what, "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}}}


async def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, SightlineError):
        raise error
    return answer_of(request, error)


def answer_of(request: Request, error: SightlineError) -> Response:
    """The problem document of one of our errors."""
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if error.code in UNREADABLE:
        status = HTTPStatus.BAD_REQUEST
    elif error.code == "unsupported_encoding":
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    headers: dict[str, str] = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = BUSY_RETRY_AFTER if isinstance(error, Busy) else RETRY_AFTER
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooMany):
        metrics.TURNED_AWAY.labels("limit").inc()
        headers.update(error.headers)
    if isinstance(error, DatabaseUnavailable):
        metrics.TURNED_AWAY.labels("database").inc()
    detail, code = error.detail, error.code
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed", request.scope.get("trace_id"), exc_info=error)
        detail, code = "something went wrong here; the trace id finds it in the log", "internal_error"
    errors = []
    if error.pointer is not None:
        errors = [{"pointer": error.pointer, "code": code, "detail": detail}]
    return problem(request, status, code=code, detail=detail, errors=errors, headers=headers)


async def _framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    words = {404: "there is nothing at this address", 405: "this address does not take that method"}
    phrase = HTTPStatus(error.status_code).phrase
    return problem(
        request,
        error.status_code,
        code=phrase.lower().replace(" ", "_").replace("-", "_"),
        detail=words.get(error.status_code, str(error.detail)),
        headers=error.headers,
    )


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        {
            "pointer": "/" + "/".join(str(part) for part in found["loc"][1:]),
            "code": str(found["type"]),
            "detail": f"{found['loc'][0]}: {found['msg']}",
        }
        for found in error.errors()
    ]
    return problem(
        request, 422, code="invalid_request", detail="the request is not as the contract says", errors=errors
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("request %s failed", request.scope.get("trace_id"), exc_info=error)
    return problem(
        request,
        500,
        code="internal_error",
        detail="something went wrong here; the trace id finds it in the log",
    )


def answer_problems(app: FastAPI) -> None:
    """Let the application answer every error as a problem."""
    app.add_exception_handler(SightlineError, _ours)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)

"""Turn what went wrong into problem documents (RFC 9457, ``application/problem+json``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from oxmq.errors import (
    BackendError,
    ConfigurationError,
    JobError,
    JobNotFoundError,
    OutcomeUnknownError,
    ParentNotFoundError,
    QueueStateError,
)
from oxmq.monitor.site import Site
from oxmq.ops.lookups import look_up

_log = logging.getLogger(__name__)

#: After how many seconds a client should ask again when Redis does not answer.
_RETRY_AFTER = 2


class FieldError(BaseModel):
    """Say what is wrong with one field."""

    field: str = Field(description="Where: the path of the field, with dots.", examples=["body.options.delay"])
    message: str = Field(description="What was expected.")


class Problem(BaseModel):
    """Say what went wrong."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.", examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(description="What went wrong here.")
    errors: list[FieldError] | None = Field(default=None, description="Of input that is not acceptable: each fault.")
    state: str | None = Field(default=None, description="Of a conflict: the job's state, which forbids it.")
    outcome: str | None = Field(
        default=None, description='"unknown" when the change was sent and its answer was lost: it may have happened.'
    )


#: What any call may answer, for the OpenAPI document.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words, "content": {"application/problem+json": {}}}
    for status, words in {
        400: "The body is no JSON.",
        401: "Nobody signed in.",
        403: "The role does not allow it.",
        404: "There is no such thing.",
        409: "A state forbids it, or Redis holds something else than it should.",
        413: "The body is too large.",
        415: "The body is not sent as JSON.",
        422: "Something in the request is not acceptable.",
        503: "Redis does not answer in time.",
    }.items()
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "The job's state forbids it.", "content": {"application/problem+json": {}}}
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> Response:
    """Return the answer that says what went wrong."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(
        body | {name: value for name, value in more.items() if value is not None},
        status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def invalid(message: str, *place: str | int) -> RequestValidationError:
    """Return the error that says what is wrong with one field, as if the framework had found it.

    Args:
        message: what was expected.
        place: where: ``"body"``, ``"query"`` or ``"header"``, and the names on the way to the field.
    """
    return RequestValidationError([{"type": "value_error", "loc": place, "msg": message}])


def tell_problems(api: FastAPI) -> None:
    """Have an application answer every error as a problem document."""
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(ConfigurationError, _unacceptable)
    api.add_exception_handler(HTTPException, _http)
    tell_refusals(api)


def tell_refusals(api: FastAPI) -> None:
    """Have an application answer what Redis or a job's state refuses as a problem document."""
    api.add_exception_handler(JobError, _refused)
    api.add_exception_handler(QueueStateError, _refused)
    api.add_exception_handler(BackendError, _unreachable)


async def _invalid(request: Request, error: Exception) -> Response:
    faults = cast("RequestValidationError", error).errors()
    return problem(422, "Something in the request is not acceptable.", errors=[_fault(fault) for fault in faults])


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    places: Sequence[str | int] = fault["loc"]
    # What pydantic puts before the words of an error of ours.
    message = str(fault["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(str(place) for place in places), "message": message}


async def _unacceptable(request: Request, error: Exception) -> Response:
    field = str(error).split(" ", 1)[0]
    return problem(422, str(error), errors=[{"field": field, "message": str(error)}])


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, JobNotFoundError | ParentNotFoundError):
        return problem(404, str(error))
    return problem(409, str(error), state=await _state_of(request, error))


async def _state_of(request: Request, error: Exception) -> str | None:
    """Return the state that a job is in, when that may be what forbids something."""
    web = getattr(request.app.state, "web", None)  # an application that is not ours has none
    if web is None or not isinstance(error, JobError) or not error.job_id:
        return None
    site: Site = web.site
    try:
        found = await site.runner.run(look_up(site.keys(error.queue), error.job_id, most=0))
    except BackendError:
        return None
    return None if found is None else found.state


async def _unreachable(request: Request, error: Exception) -> Response:
    _log.warning("%s %s: %s", request.method, request.url.path, error)
    if type(error) is BackendError:  # Redis did answer: it finds something else at a key than belongs there
        return problem(409, f"Redis holds something else there than it should: {error}")
    outcome = "unknown" if isinstance(error, OutcomeUnknownError) else None
    return problem(503, str(error), {"Retry-After": str(_RETRY_AFTER)}, outcome=outcome)


async def _http(request: Request, error: Exception) -> Response:
    error = cast("HTTPException", error)
    return problem(error.status_code, str(error.detail), error.headers)

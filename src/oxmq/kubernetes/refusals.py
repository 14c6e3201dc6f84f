"""Tell what the API server refused, and whether asking again may help."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct, field

from oxmq.kubernetes.cluster import (
    AlreadyExistsError,
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaError,
)

#: Characters of a server's message that are shown.
LONGEST_MESSAGE: Final = 1000
#: Seconds; a server that asks for more gets asked sooner.
LONGEST_WAIT: Final = 3600.0
#: What a refusal says that is over as soon as something else ends, or the cluster has counted what there is.
_PASSING_QUOTAS: Final = ("exceeded quota", "status unknown for quota")

_SERVER_ERROR: Final = 500
_PASSING: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_CLASSES: Final[dict[int, type[ClusterError]]] = {
    HTTPStatus.UNAUTHORIZED: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.GONE: ExpiredError,
}


class _Details(Struct):
    retry_after: float | None = field(name="retryAfterSeconds", default=None)


class Status(Struct):
    """Hold what a refusal looks like on the wire: an object of the kind Status."""

    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: _Details | None = None


def read_refusal(status: int, body: bytes, retry_after: str | None = None) -> ClusterError:
    """Return the error that an answer is.

    Args:
        status: of HTTP.
        body: a Status in JSON, or whatever a proxy in between says.
        retry_after: the header of that name.
    """
    try:
        told = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        told = Status(message=body.decode(errors="replace").strip())
    return refusal(status, told, retry_after)


def refusal(status: int, told: Status, retry_after: str | None = None) -> ClusterError:
    """Return the error that a status, and what the server says about it, stand for."""
    reason = told.reason or _phrase(status)
    message = (told.message or f"{reason} (HTTP {status})")[:LONGEST_MESSAGE]
    if status >= _SERVER_ERROR or status in _PASSING:
        wait = _seconds(retry_after, told.details)
        return ClusterUnavailableError(message, status=status, reason=reason, retry_after=wait)
    return _class_of(status, reason, message)(message, status=status, reason=reason)


def _class_of(status: int, reason: str, message: str) -> type[ClusterError]:
    if status == HTTPStatus.FORBIDDEN:
        return QuotaError if any(sign in message for sign in _PASSING_QUOTAS) else ForbiddenError
    if status == HTTPStatus.CONFLICT:
        return AlreadyExistsError if reason == "AlreadyExists" else ConflictError
    return _CLASSES.get(status, InvalidError)


def _seconds(header: str | None, details: _Details | None) -> float | None:
    """Return how long to wait; the header may hold a date, too, which API servers do not send."""
    if header is not None and header.isdecimal() and header.isascii():
        return min(float(header), LONGEST_WAIT)
    asked = details.retry_after if details else None
    return None if asked is None else min(max(asked, 0.0), LONGEST_WAIT)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"

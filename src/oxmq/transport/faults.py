"""Tell what a failure of the connection, or an error reply, means for the operation.

The question is always the same: was it done, was it not, or can nobody say?
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from oxmq.errors import BackendError, OutcomeUnknownError, OxmqError, UnavailableError
from oxmq.scripts import Retry

__all__ = ["NoScriptError", "NotSentError", "RedisError", "ReplyLostError", "ResponseError"]

#: Error replies after which the same command, sent again a little later, may well be taken.
_PASSING = ("LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED")
#: Error replies that say that the server takes no writes until somebody sees to it.
_REFUSING = ("OOM", "MISCONF", "NOREPLICAS")

#: The client drops the code of these errors from their message, and keeps it in others.
_CODES = {
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}


class NotSentError(Exception):
    """Say that a command never left: it was not done."""


class ReplyLostError(Exception):
    """Say that a command may have been done, and its answer will not come."""


def pauses() -> Iterator[float]:
    """Return the seconds to wait before each further try: doubling, drawn with full jitter, at most one second."""
    ceiling = 0.01
    while True:
        yield random.uniform(0, ceiling)
        ceiling = min(ceiling * 2, 1.0)


def is_passing(error: Exception) -> bool:
    """Tell whether trying again soon makes sense. The command was not done."""
    return isinstance(error, NotSentError) or (_code(error) in _PASSING)


def needs_other_server(error: Exception) -> bool:
    """Tell whether the server on this connection is no longer the one to write to."""
    return _code(error) in ("READONLY", "MASTERDOWN")


def refused(error: Exception, operation: str) -> OxmqError:
    """Return what a caller should see of an error that it is no use trying again."""
    if isinstance(error, NotSentError):
        return UnavailableError(f"{operation}: {error}")
    if isinstance(error, AuthenticationError | NoPermissionError) or _code(error) in _REFUSING + _PASSING:
        return UnavailableError(f"{operation}: the server refused it: {error}")
    return BackendError(f"{operation}: {error}")


def lost(retry: Retry, operation: str, cause: object) -> BackendError:
    """Return what a caller should see when the answer was lost and it was not to be repeated, or not in time."""
    if retry is Retry.READ:
        return UnavailableError(f"{operation}: no answer in time ({cause})")
    return OutcomeUnknownError(f"{operation}: it was sent and the answer was lost ({cause}); it may have been done")


def _code(error: Exception) -> str:
    return _CODES.get(type(error).__name__, str(error).partition(" ")[0])

"""Tell what a failure of the connection, or an error reply, means for an operation: done, not done, or who knows.

And so whether to try again: that is decided here for all runners.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from ssl import SSLCertVerificationError

from oxmq.errors import BackendError, OutcomeUnknownError, UnavailableError
from oxmq.scripts import Retry
from oxmq.transport import redis_errors

#: The longest that the first pause and any later one may be, in seconds.
_FIRST_PAUSE, _LAST_PAUSE = 0.01, 1.0
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
    """Say that a command never left: it was not done.

    Attributes:
        cause: what kept it.
    """

    def __init__(self, message: str, cause: Exception | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class ReplyLostError(Exception):
    """Say that a command may have been done, and its answer will not come."""


class Attempts:
    """Decide, after each failure of one operation, whether and when to try it again.

    Args:
        name: what errors call the operation.
        retry: its retry class.
        timeout: how long it may take in all, in seconds.
    """

    def __init__(self, name: str, retry: Retry, timeout: float) -> None:
        self._name = name
        self._retry = retry
        self._deadline = time.monotonic() + timeout
        self._longest_pause = _FIRST_PAUSE
        self._lost: Exception | None = None
        self._kept_from: NotSentError | None = None

    @property
    def remaining(self) -> float:
        """Return how many seconds are left."""
        return max(0.0, self._deadline - time.monotonic())

    def pause_after(self, error: NotSentError | ReplyLostError | redis_errors.ResponseError) -> float:
        """Return the seconds to wait before the next try.

        Raises:
            OutcomeUnknownError: it may have been done, and must not be or need not be tried again.
            UnavailableError: it was not done.
            BackendError: the server found fault with the command itself.
        """
        # Doubling, drawn with full jitter, so that many clients do not come back all at once.
        pause = random.uniform(0, self._longest_pause)
        self._longest_pause = min(self._longest_pause * 2, _LAST_PAUSE)
        over = time.monotonic() + pause > self._deadline
        if isinstance(error, NotSentError) and error.cause is not None:
            self._kept_from = error
        if isinstance(error, ReplyLostError):
            self._lost = error
            if over or self._retry not in (Retry.READ, Retry.SAFE):
                raise self._failure(error) from error
        elif over or not _is_passing(error):
            raise self._failure(error) from error
        return pause

    def _failure(self, error: Exception) -> BackendError:
        if isinstance(error, NotSentError) and error.cause is None and self._kept_from is not None:
            error = self._kept_from  # the last try was cut short: what kept an earlier one says more
        # An earlier try may have been done, whatever became of this one.
        if self._lost is None:
            return _refused(error, self._name)
        if self._retry is Retry.READ:
            return UnavailableError(f"{self._name}: no answer in time ({self._lost})")
        return OutcomeUnknownError(
            f"{self._name}: it was sent and the answer was lost ({self._lost}); it may have been done"
        )


def needs_other_server(error: Exception) -> bool:
    """Tell whether the server on this connection is no longer the one to write to."""
    return _code(error) in ("READONLY", "MASTERDOWN")


def is_missing_key(error: Exception) -> bool:
    """Tell whether the server says that the key that it was asked about does not exist."""
    return isinstance(error, redis_errors.ResponseError) and str(error) == "no such key"


def _is_passing(error: Exception) -> bool:
    if isinstance(error, NotSentError):
        # Credentials and certificates that are refused now will be refused in a second.
        return not any(
            isinstance(cause, redis_errors.AuthenticationError | SSLCertVerificationError)
            for cause in _chain(error.cause)
        )
    return _code(error) in _PASSING


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refused(error: Exception, operation: str) -> BackendError:
    if isinstance(error, NotSentError):
        return UnavailableError(f"{operation}: {error}")
    if (
        isinstance(error, redis_errors.AuthenticationError | redis_errors.NoPermissionError)
        or _code(error) in _REFUSING + _PASSING
    ):
        return UnavailableError(f"{operation}: the server refused it: {error}")
    return BackendError(f"{operation}: {error}")


def _code(error: Exception) -> str:
    return _CODES.get(type(error).__name__, str(error).partition(" ")[0])

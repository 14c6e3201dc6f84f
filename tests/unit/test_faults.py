"""What a failure means for an operation, and whether it is tried again."""

from __future__ import annotations

import ssl

import pytest
from redis.exceptions import AuthenticationError, ConnectionError

from oxmq.errors import UnavailableError
from oxmq.scripts import Retry
from oxmq.transport.faults import Attempts, NotSentError


def refused(cause: Exception) -> NotSentError:
    return NotSentError(f"cannot connect: {cause}", cause)


def wrapped(cause: Exception) -> ConnectionError:
    """Return an error as the client raises it for one of the system's."""
    try:
        try:
            raise cause
        except Exception as error:
            raise ConnectionError(str(error)) from error
    except ConnectionError as error:
        return error


@pytest.mark.parametrize(
    "cause", [AuthenticationError("WRONGPASS"), wrapped(ssl.SSLCertVerificationError("self-signed certificate"))]
)
def test_what_will_be_refused_again_is_not_tried_again(cause: Exception) -> None:
    with pytest.raises(UnavailableError, match=str(cause)):
        Attempts("add", Retry.SAFE, timeout=60).pause_after(refused(cause))


def test_a_connection_that_is_refused_is_tried_again() -> None:
    assert Attempts("add", Retry.SAFE, timeout=60).pause_after(refused(ConnectionRefusedError("refused"))) >= 0


def test_a_last_try_that_was_cut_short_does_not_hide_why_another_failed() -> None:
    attempts = Attempts("add", Retry.SAFE, timeout=60)
    attempts.pause_after(refused(ConnectionRefusedError("nobody listens")))
    attempts._deadline = 0.0  # pyright: ignore[reportPrivateUsage] - instead of waiting until it is over
    with pytest.raises(UnavailableError, match="nobody listens"):
        attempts.pause_after(NotSentError("cannot connect: no answer in time"))

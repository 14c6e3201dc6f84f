"""Put failures into spans, without what they may say about a job's data."""

from __future__ import annotations

import traceback
from typing import Final

from opentelemetry.trace import Span, Status, StatusCode

#: How much of a stack is kept, in characters: its end, where the cause is.
_MOST_STACK: Final = 16_384


def note_failure(span: Span, error: BaseException, *, messages: bool = False) -> None:
    """Mark a span as failed: with the error's type and its stack, and its message only where that is wanted."""
    if not span.is_recording():
        return
    kind = type_of(error)
    span.set_attribute("error.type", kind)
    attributes = {"exception.type": kind, "exception.stacktrace": _stack_of(error, messages)}
    if messages:
        attributes["exception.message"] = _message_of(error)
    span.add_event("exception", attributes)
    span.set_status(Status(StatusCode.ERROR, kind))


def type_of(error: BaseException) -> str:
    """Return the full name of an error's type."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _stack_of(error: BaseException, messages: bool) -> str:
    # The frames alone: a message, that of a cause too, may hold what the job's data say.
    lines = traceback.format_exception(error) if messages else traceback.format_tb(error.__traceback__)
    return "".join(lines)[-_MOST_STACK:]


def _message_of(error: BaseException) -> str:
    try:
        return str(error)[-_MOST_STACK:]
    except Exception:  # noqa: BLE001 - an error that cannot say what it is
        return ""

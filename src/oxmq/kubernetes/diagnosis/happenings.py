"""Read the events that a cluster keeps about a Job or a pod."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from oxmq.kubernetes.diagnosis.fields import Fields, entries, instant, text, whole
from oxmq.kubernetes.diagnosis.quotes import quote

#: How many events are told of at most.
_TOLD: Final = 2
#: What the Job controller says whenever a Job has failed; the Job's condition says it too.
_EMPTY: Final = frozenset({"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy"})
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


class Happening(Struct, frozen=True):
    """Hold one event, of either of the API's two forms.

    Attributes:
        reason: in one word, such as ``FailedScheduling``.
        message: in a sentence.
        at: when it was last seen; None when the event does not say.
        count: how often it was seen.
        is_warning: whether it tells of trouble.
    """

    reason: str
    message: str
    at: datetime | None
    count: int
    is_warning: bool


def happenings(events: object) -> list[Happening]:
    """Return the events of a list of the API, the newest first."""
    return sorted(map(_read, entries(events)), key=lambda event: event.at or _LONG_AGO, reverse=True)


def happened(events: object, reason: str, part: str = "") -> Happening | None:
    """Return the newest event of that reason whose message holds `part`."""
    return next((event for event in happenings(events) if event.reason == reason and part in event.message), None)


def trouble(events: object, known: str) -> str:
    """Return a sentence with the newest one or two warnings; empty when there are none.

    Args:
        known: what has been said already: events that say the same are left out.
    """
    told = list(_telling((event for event in happenings(events) if event.is_warning), known))
    return f" The cluster says: {'; '.join(told)}." if told else ""


def _telling(warnings: Iterable[Happening], known: str) -> Iterable[str]:
    told: set[str] = set()
    for event in warnings:
        message = quote(event.message)
        is_new = message not in known and message not in told and event.reason not in _EMPTY
        if is_new and len(told) < _TOLD:
            told.add(message)
            times = f" ({event.count} times)" if event.count > 1 else ""
            yield f"{quote(event.reason, 80)}: {message}{times}"


def _read(event: Fields) -> Happening:
    times = (
        instant(event, "series", "lastObservedTime"),
        instant(event, "lastTimestamp"),
        instant(event, "deprecatedLastTimestamp"),
        instant(event, "eventTime"),
        instant(event, "firstTimestamp"),
        instant(event, "metadata", "creationTimestamp"),
    )
    counts = (whole(event, "series", "count"), whole(event, "count"), whole(event, "deprecatedCount"))
    return Happening(
        reason=text(event, "reason"),
        message=text(event, "message") or text(event, "note"),
        at=next((at for at in times if at is not None), None),
        count=next((count for count in counts if count is not None), 1),
        is_warning=text(event, "type") == "Warning",
    )

"""Turn the times that are stored, in milliseconds since the epoch, into instants and lengths of time."""

from __future__ import annotations

from datetime import datetime

from oxmq.codec import instant


def moment(ms: int | None) -> datetime | None:
    """Return an instant; None when there is none, or when what is stored is no date."""
    try:
        return None if ms is None else instant(ms)
    except (ValueError, OverflowError, OSError):
        return None


def seconds_between(earlier_ms: int | None, later_ms: int | None) -> float | None:
    """Return how long it was from one moment to another; None when either is missing, or they are the wrong way."""
    if earlier_ms is None or later_ms is None or later_ms < earlier_ms:
        return None
    return (later_ms - earlier_ms) / 1000

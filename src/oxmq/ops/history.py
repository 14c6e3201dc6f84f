"""Describe how what goes on in a queue is written down minute by minute, and read again."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command, run_script

MINUTE_MS: Final = 60_000
#: About how many minutes are kept: two days.
_KEPT = 2_880
#: After so many milliseconds without a record nothing is left: a week.
_TTL_MS = 7 * 86_400_000


class Percentiles(Struct, frozen=True):
    """Hold how long the half, 95 % and 99 % of some jobs took at most, in milliseconds."""

    p50: int
    p95: int
    p99: int


class HistoryPoint(Struct, frozen=True, kw_only=True):
    """Hold what went on in one minute.

    Attributes:
        at_ms: when the minute began, in milliseconds since the epoch.
        completed: how many jobs completed in it. Where they are removed sooner, it is told from the pace of those
            that are left.
        failed: the same for failed ones.
        waiting: how many jobs could have run, soon after the minute's end; prioritized ones among them.
        active: how many were running then.
        delayed: how many were delayed.
        sampled: how many of the completed jobs were looked at, at most 200.
        added: how many jobs had ever been added.
        run: how long they ran; None where none was looked at.
        wait: how long they had waited since they could run; None where that is not known of any.
    """

    at_ms: int
    completed: int
    failed: int
    waiting: int
    active: int
    delayed: int
    sampled: int
    added: int
    run: Percentiles | None = None
    wait: Percentiles | None = None


def last_full_minute(now_ms: int) -> int:
    """Return when the last minute that is over began."""
    return now_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS


def record(keys: QueueKeys, minute_ms: int, now_ms: int) -> Call[bool]:
    """Write a minute down, unless somebody has or nothing is going on; the result says whether this call did.

    Args:
        minute_ms: when the minute began: `last_full_minute`.
        now_ms: the time now.
    """
    return run_script("record_history", keys.base, minute_ms, now_ms, _KEPT, _TTL_MS, decode=bool)


def get_history(keys: QueueKeys, since_ms: int, limit: int) -> Call[list[HistoryPoint]]:
    """Read the newest `limit` minutes that began at `since_ms` or later, oldest first.

    Minutes in which nothing went on, or in which nobody wrote, are missing.
    """
    words = ("XREVRANGE", keys.of("oxmq:history"), "+", max(since_ms, 0), "COUNT", limit)
    return command(*words, decode=_points)


def _points(reply: Reply) -> list[HistoryPoint]:
    found = [_point(entry_id, flat) for entry_id, flat in reversed(reply)]
    return [point for point in found if point is not None]


def _point(entry_id: bytes, flat: list[bytes]) -> HistoryPoint | None:
    fields = dict(zip(flat[::2], flat[1::2], strict=False))
    try:
        completed, failed, waiting, active, delayed, sampled, added = map(int, fields[b"v"].split(b","))
        return HistoryPoint(
            at_ms=int(entry_id.partition(b"-")[0]),
            completed=completed,
            failed=failed,
            waiting=waiting,
            active=active,
            delayed=delayed,
            sampled=sampled,
            added=added,
            run=_percentiles(fields.get(b"r", b"")),
            wait=_percentiles(fields.get(b"w", b"")),
        )
    except (KeyError, ValueError):
        return None  # somebody else wrote into the stream


def _percentiles(text: bytes) -> Percentiles | None:
    return Percentiles(*map(int, text.split(b",", 2))) if text else None

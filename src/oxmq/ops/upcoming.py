"""Describe how it is read which scheduler's next job is due first."""

from __future__ import annotations

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command


def get_first_due(keys: QueueKeys) -> Call[tuple[str, int] | None]:
    """Read whose next job is due first, and when, in milliseconds since the epoch; None where no scheduler runs."""
    words = ("ZRANGEBYSCORE", keys.of("repeat"), 1, "(inf", "WITHSCORES", "LIMIT", 0, 1)
    return command(*words, decode=_first)


def _first(reply: Reply) -> tuple[str, int] | None:
    if not reply:
        return None
    return reply[0].decode(errors="backslashreplace"), int(float(reply[1]))

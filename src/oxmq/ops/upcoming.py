"""Describe how it is read which jobs are due next."""

from __future__ import annotations

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command, text

#: A score holds a time in milliseconds, times this, and a number that keeps jobs of one time in order.
_SEQUENCES = 4096


def get_first_due(keys: QueueKeys) -> Call[tuple[str, int] | None]:
    """Read whose next job is due first, and when, in milliseconds since the epoch; None where no scheduler runs."""
    words = ("ZRANGEBYSCORE", keys.of("repeat"), 1, "(inf", "WITHSCORES", "LIMIT", 0, 1)
    return command(*words, decode=_first)


def get_delayed(keys: QueueKeys, count: int) -> Call[list[tuple[str, int]]]:
    """Read the ids of up to `count` delayed jobs, the first that is due first, and when each is due, in ms."""

    def decode(reply: Reply) -> list[tuple[str, int]]:
        return [(text(reply[i]), int(float(reply[i + 1])) // _SEQUENCES) for i in range(0, len(reply), 2)]

    return command("ZRANGE", keys.of("delayed"), 0, count - 1, "WITHSCORES", decode=decode)


def _first(reply: Reply) -> tuple[str, int] | None:
    if not reply:
        return None
    return reply[0].decode(errors="backslashreplace"), int(float(reply[1]))

"""Describe the operations on a whole queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command, ignore, number, run_script, text
from oxmq.ops.hashes import read_hash
from oxmq.records import JobRecord
from oxmq.scripts import Retry

#: What a limiter that was set by hand holds: more than any limit (2**53 - 1).
_HELD = 9_007_199_254_740_991


class Page(Struct, frozen=True):
    """Hold a page of a container: how many ids were looked at, and the jobs found behind them."""

    scanned: int
    records: list[JobRecord]


def pause(keys: QueueKeys) -> Call[None]:
    return run_script("pause", keys.base, decode=ignore)


def resume(keys: QueueKeys, *, first: bool) -> Call[int]:
    """Let the queue go on; the result is how many jobs are still set aside: repeat until it is 0."""
    return run_script("resume", keys.base, "1" if first else "", decode=number)


def is_paused(keys: QueueKeys) -> Call[bool]:
    return command("HEXISTS", keys.of("meta"), "paused", decode=bool)


def get_meta(keys: QueueKeys) -> Call[dict[str, str]]:
    """Read what the queue knows of itself: limits, version, whether it is paused."""
    return command("HGETALL", keys.of("meta"), decode=_mapping)


def set_meta(keys: QueueKeys, fields: dict[str, int]) -> Call[None]:
    words = (word for field in fields.items() for word in field)
    return command("HSET", keys.of("meta"), *words, decode=ignore, retry=Retry.SAFE)


def remove_meta(keys: QueueKeys, fields: Iterable[str]) -> Call[None]:
    return command("HDEL", keys.of("meta"), *fields, decode=ignore, retry=Retry.SAFE)


def get_counts(keys: QueueKeys, containers: Sequence[str]) -> Call[dict[str, int]]:
    """Count the jobs in each container, all at one moment."""
    return run_script(
        "get_counts", keys.base, *containers, decode=lambda reply: dict(zip(containers, reply, strict=True))
    )


def get_jobs(keys: QueueKeys, container: str, start: int, end: int, *, asc: bool) -> Call[Page]:
    """Read the jobs of a container from `start` to `end`, both included; oldest first when `asc`."""
    return run_script("get_jobs", keys.base, container, start, end, "1" if asc else "", decode=_page)


def hold(keys: QueueKeys, for_ms: int) -> Call[None]:
    """Let no job of the queue start for `for_ms` milliseconds."""
    return command("SET", keys.of("limiter"), _HELD, "PX", for_ms, decode=ignore, retry=Retry.SAFE)


def _mapping(reply: Reply) -> dict[str, str]:
    return {text(reply[i]): text(reply[i + 1]) for i in range(0, len(reply), 2)}


def _page(reply: Reply) -> Page:
    scanned, found = reply
    return Page(scanned, [read_hash(text(job_id), fields) for job_id, fields in found])

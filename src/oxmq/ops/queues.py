"""Describe the operations on a whole queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command, ignore, number, run_script, text, texts
from oxmq.ops.hashes import read_hash
from oxmq.options import RateLimit
from oxmq.records import JobRecord
from oxmq.scripts import Retry

#: What a limiter that was set by hand holds: more than any limit (2**53 - 1).
_HELD = 9_007_199_254_740_991
#: A score's room for one millisecond, in the set of delayed jobs.
_SEQUENCES = 4096


class Page(Struct, frozen=True):
    """Hold a page of a container: how many ids were looked at, and the jobs found behind them."""

    scanned: int
    records: list[JobRecord]


class QueueMeta(Struct, frozen=True):
    """Hold what a queue knows of itself.

    Attributes:
        paused: whether the whole queue is paused.
        version: which library set the queue up last, as ``library:version``.
        max_len_events: about how many events are kept.
        concurrency: how many jobs may run at once, over all workers.
        rate_limit: how many jobs may start in each window, over all workers.
        other: fields that oxmq does not know.
    """

    paused: bool = False
    version: str | None = None
    max_len_events: int | None = None
    concurrency: int | None = None
    rate_limit: RateLimit | None = None
    other: Mapping[str, str] = {}


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


def read_meta(fields: Mapping[str, str]) -> QueueMeta:
    """Return the fields of a queue's `meta` hash as what they mean."""
    return QueueMeta(
        paused="paused" in fields,
        version=fields.get("version"),
        max_len_events=_whole(fields.get("opts.maxLenEvents")),
        concurrency=_whole(fields.get("concurrency")),
        rate_limit=_rate_limit(_whole(fields.get("max")), _whole(fields.get("duration"))),
        other={name: value for name, value in fields.items() if name not in _META_FIELDS},
    )


_META_FIELDS = frozenset({"paused", "version", "opts.maxLenEvents", "concurrency", "max", "duration"})


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


def get_counts_per_priority(keys: QueueKeys, priorities: Sequence[int]) -> Call[dict[int, int]]:
    """Count the ready jobs of each priority, all at one moment; 0 stands for those without priority."""
    return run_script(
        "get_counts_per_priority",
        keys.base,
        *priorities,
        decode=lambda reply: dict(zip(priorities, reply, strict=True)),
    )


def count_due(keys: QueueKeys, before_ms: int) -> Call[int]:
    """Count the delayed jobs that are due before a moment."""
    return command("ZCOUNT", keys.of("delayed"), "-inf", f"({before_ms * _SEQUENCES}", decode=number)


def get_listed_ids(keys: QueueKeys, container: str, start: int, end: int) -> Call[list[str]]:
    """Read ids of a list (``wait``, ``paused``, ``active``) as they lie there: the last added first."""
    return command("LRANGE", keys.of(container), start, end, decode=texts)


def get_rate_limit_ttl(keys: QueueKeys, max_jobs: int | None) -> Call[int]:
    """Tell for how many milliseconds a rate limit lets no job start; 0 when none does."""
    words = ("" if max_jobs is None else max_jobs,)
    return run_script("get_rate_limit_ttl", keys.base, *words, decode=lambda reply: max(0, reply))


def get_deduplication_owner(keys: QueueKeys, deduplication_id: str) -> Call[str | None]:
    """Read which job owns a deduplication id."""
    return command(
        "GET", keys.of(f"de:{deduplication_id}"), decode=lambda reply: None if reply is None else text(reply)
    )


def get_jobs(keys: QueueKeys, container: str, start: int, end: int, *, asc: bool) -> Call[Page]:
    """Read the jobs of a container from `start` to `end`, both included; oldest first when `asc`."""
    return run_script("get_jobs", keys.base, container, start, end, "1" if asc else "", decode=_page)


def hold(keys: QueueKeys, for_ms: int) -> Call[None]:
    """Let no job of the queue start for `for_ms` milliseconds."""
    return command("SET", keys.of("limiter"), _HELD, "PX", for_ms, decode=ignore, retry=Retry.SAFE)


def _mapping(reply: Reply) -> dict[str, str]:
    return {text(reply[i]): text(reply[i + 1]) for i in range(0, len(reply), 2)}


def _whole(value: str | None) -> int | None:
    # A peer may have stored a fraction, or what is no number at all.
    try:
        return None if value is None else int(float(value))
    except (ValueError, OverflowError):
        return None


def _rate_limit(most: int | None, window_ms: int | None) -> RateLimit | None:
    if most is None or window_ms is None:
        return None
    try:
        return RateLimit(max=most, duration=window_ms / 1000)
    except ConfigurationError:
        return None


def _page(reply: Reply) -> Page:
    scanned, found = reply
    return Page(scanned, [read_hash(text(job_id), fields) for job_id, fields in found])

"""Hold a worker's options, checked."""

from __future__ import annotations

from msgspec import Struct

from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.options import Keep, KeepOption, RateLimit, check_whole

#: Completed jobs are kept for a day and at most 5,000 of them, where nobody says otherwise.
KEEP_COMPLETED = Keep(count=5_000, age="24h")
#: Failed jobs are kept for two weeks and at most 50,000 of them, where nobody says otherwise.
KEEP_FAILED = Keep(count=50_000, age="14d")


#: The most minutes of metrics: ten weeks.
_MAX_METRICS = 100_800


class WorkerOptions(Struct, frozen=True, kw_only=True):
    """Hold how a worker works; times in milliseconds."""

    concurrency: int
    lock_ms: int
    stalled_interval_ms: int
    max_stalled_count: int
    drain_delay_ms: int
    grace_ms: int
    max_loop_block_ms: int
    name: str
    limit_max: int | None
    limit_ms: int
    keep_completed: Keep | None
    keep_failed: Keep | None
    metrics: int
    max_started: int | None


def worker_options(
    *,
    concurrency: int,
    lock_duration: Duration,
    stalled_interval: Duration,
    max_stalled_count: int,
    drain_delay: Duration,
    grace: Duration,
    max_loop_block: Duration,
    name: str | None,
    limiter: RateLimit | None,
    remove_on_complete: KeepOption,
    remove_on_fail: KeepOption,
    metrics: int | None,
    max_started_attempts: int | None,
) -> WorkerOptions:
    """Return the options, or raise `ConfigurationError` naming the one that is not acceptable."""
    limit = _limit(limiter)
    return WorkerOptions(
        concurrency=check_whole(concurrency, "concurrency", least=1),
        lock_ms=positive_milliseconds(lock_duration, "lock_duration"),
        stalled_interval_ms=positive_milliseconds(stalled_interval, "stalled_interval"),
        max_stalled_count=check_whole(max_stalled_count, "max_stalled_count", least=0),
        drain_delay_ms=positive_milliseconds(drain_delay, "drain_delay"),
        grace_ms=milliseconds(grace, "grace"),
        max_loop_block_ms=positive_milliseconds(max_loop_block, "max_loop_block"),
        name=_name(name),
        limit_max=None if limit is None else limit.max,
        limit_ms=0 if limit is None else milliseconds(limit.duration, "limiter.duration"),
        keep_completed=_keep(remove_on_complete, "remove_on_complete"),
        keep_failed=_keep(remove_on_fail, "remove_on_fail"),
        metrics=0 if metrics is None else check_whole(metrics, "metrics", least=0, most=_MAX_METRICS),
        max_started=None
        if max_started_attempts is None
        else check_whole(max_started_attempts, "max_started_attempts", least=1),
    )


def _limit(limiter: object) -> RateLimit | None:
    if not (limiter is None or isinstance(limiter, RateLimit)):
        raise ConfigurationError(f"limiter must be a RateLimit, not {limiter!r}")
    return limiter


def _name(name: object) -> str:
    if name is None:
        return ""
    # The server lists the worker under this name, which cannot have blanks.
    if not isinstance(name, str) or not name.isprintable() or " " in name:
        raise ConfigurationError(f"worker name must be printable and without blanks, not {name!r}")
    return name


def _keep(value: object, field: str) -> Keep | None:
    if value is None or value is False:
        return None
    if isinstance(value, Keep):
        return value
    return Keep(count=0 if value is True else check_whole(value, field, least=0))

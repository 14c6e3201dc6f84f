"""Describe how jobs are looked at from outside: with their state, and whatever anybody may have written into them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import MAX_ROWS, Call, Reply, command, number, run_script
from oxmq.ops.hashes import read_any_hash
from oxmq.records import JobRecord

#: How far from each end lists are searched for a job.
_REACH = 25_000
#: How much of a reason, and of the stack traces, is read of each failure, in bytes.
_TRACE = 16_384


class Found(Struct, frozen=True):
    """Hold a job and where it is.

    Attributes:
        record: the job.
        state: its state; ``"unknown"`` when it is in none.
        score: its score in the sorted set of its state, if that is one.
        lock_ms: for how long a worker still holds its lock; negative when none does.
        processed, unprocessed, ignored, failed: how many children it has of each kind.
        logs: how many log lines it has.
    """

    record: JobRecord
    state: str
    score: float | None
    lock_ms: int
    processed: int
    unprocessed: int
    ignored: int
    failed: int
    logs: int

    @property
    def due_ms(self) -> int | None:
        """Return when a delayed job is due, in milliseconds since the epoch."""
        return due_of(self.score) if self.state == "delayed" and self.score is not None else None


def due_of(score: float) -> int:
    """Return the due time, in milliseconds since the epoch, that a score in the set of delayed jobs stands for."""
    return int(score) // 4096


def look_up(keys: QueueKeys, job_id: str, *, most: int = -1, reach: int = _REACH) -> Call[Found | None]:
    """Read a job and its state, at bounded cost; None when there is no such job.

    Args:
        most: leave out values that take more bytes than this; -1 for none.
        reach: how far lists are searched from each end. A job that is in none counts as waiting if there are more.
    """

    def decode(reply: Reply) -> Found | None:
        return _found(job_id, reply) if reply else None

    return run_script("look_up", keys.base, job_id, reach, most, decode=decode)


def get_due_times(keys: QueueKeys, job_ids: Sequence[str]) -> Call[list[int | None]]:
    """Read when delayed jobs are due, in milliseconds since the epoch; None of those that are not delayed."""

    def decode(reply: Reply) -> list[int | None]:
        return [None if score is None else due_of(float(score)) for score in reply]

    return command("ZMSCORE", keys.of("delayed"), *job_ids, decode=decode)


def get_parent_key(job_key: str) -> Call[str | None]:
    """Read the key of a job's parent; None when it has none."""
    return command("HGET", job_key, "parentKey", decode=lambda reply: None if reply is None else _text(reply))


class FailedJob(Struct, frozen=True):
    """Hold why a job failed.

    Attributes:
        traces: its stack traces as a JSON array, whose beginning may be missing.
        failed_ms: when it failed, in milliseconds since the epoch; 0 when that is not known.
    """

    id: str
    name: str
    reason: str
    traces: str
    failed_ms: int


class FailuresPage(Struct, frozen=True):
    """Hold some failed jobs, the newest first; `scanned` entries were looked at, of `total`."""

    total: int
    scanned: int
    jobs: list[FailedJob]


def get_failures(keys: QueueKeys, start: int, count: int) -> Call[FailuresPage]:
    """Read why jobs failed: up to `count` (at most 250) of them, after the `start` newest."""
    return run_script("get_failures", keys.base, start, min(count, MAX_ROWS), _TRACE, decode=_failures)


def _found(job_id: str, reply: Reply) -> Found:
    flat, state, score, lock_ms, children, logs = reply
    processed, unprocessed, ignored, failed = children
    return Found(
        record=read_any_hash(job_id, flat),
        state=_text(state),
        score=float(score) if score else None,
        lock_ms=lock_ms,
        processed=processed,
        unprocessed=unprocessed,
        ignored=ignored,
        failed=failed,
        logs=logs,
    )


def _failures(reply: Reply) -> FailuresPage:
    total, scanned, rows = reply
    return FailuresPage(total, scanned, [_failed_job(*row) for row in rows])


def _failed_job(job_id: bytes, name: bytes, reason: bytes, traces: bytes, failed_ms: bytes) -> FailedJob:
    try:
        moment = number(float(failed_ms))
    except (ValueError, OverflowError):
        moment = 0
    return FailedJob(_text(job_id), _text(name), _text(reason), _text(traces), moment)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")

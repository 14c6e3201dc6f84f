"""Describe the operations on single jobs, and the add of many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from operator import attrgetter
from typing import TypeVar

from msgspec import Struct

from oxmq.errors import job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import MAX_ROWS, Call, Reply, Word, command, ignore, number, run_script, text, texts
from oxmq.ops.hashes import read_hash
from oxmq.records import JobRecord
from oxmq.scripts import SCRIPTS, Retry

T = TypeVar("T")

_ADD, _ADD_RELATED = SCRIPTS["add"], SCRIPTS["add_related"]
_id, _relations = attrgetter("id"), attrgetter("relations")


class NewJob(Struct, frozen=True, gc=False):
    """Hold a job that is to be added, already in the wire's encoding.

    Attributes:
        id: the id made by the client; empty when the queue's counter shall give it.
        next_up: whether it runs before the jobs that are waiting (`lifo`).
        relations: its parent, children and deduplication, as JSON for the script; empty for none.
        parent_key: the parent's key, if it has one.
        deduplication_id: its deduplication id, if it has one.
        traceable: whether it may carry the context of a trace: its options do not say what it carries.
    """

    id: str
    name: str
    data: bytes
    opts: bytes
    timestamp: int
    delay: int = 0
    priority: int = 0
    next_up: bool = False
    relations: bytes = b""
    parent_key: str | None = None
    deduplication_id: str | None = None
    traceable: bool = True

    def record(self, job_id: str) -> JobRecord:
        """Return the job as it now is in Redis, under the id that it was given."""
        record = JobRecord(
            id=job_id,
            name=self.name,
            data=self.data,
            opts=self.opts,
            timestamp=self.timestamp,
            delay=self.delay,
            priority=self.priority,
        )
        if self.relations:
            record.parent_key, record.deduplication_id = self.parent_key, self.deduplication_id
        return record


def add(keys: QueueKeys, job: NewJob) -> Call[str]:
    """Add a job; the result is its id. An id that exists already adds nothing."""
    if job.relations:
        return _add_related(keys, (job,), lambda reply: _added(keys, job, reply[0]))
    return _add(keys, (job,), lambda reply: text(reply[0]))


def add_bulk(keys: QueueKeys, jobs: Sequence[NewJob]) -> Call[list[str]]:
    """Add jobs in the order given; the result is their ids. When one is refused the others are added all the same."""
    if not any(map(_relations, jobs)):
        return _add(keys, jobs, texts)

    def decode(reply: Reply) -> list[str]:
        return [_added(keys, job, answer) for job, answer in zip(jobs, reply, strict=True)]

    return _add_related(keys, jobs, decode)


def add_in_chunks(keys: QueueKeys, jobs: Sequence[NewJob]) -> Iterator[Call[list[str]]]:
    """Add any number of jobs, in calls that are each short enough not to hold up the server."""
    return (add_bulk(keys, jobs[start : start + MAX_ROWS]) for start in range(0, len(jobs), MAX_ROWS))


def get(keys: QueueKeys, job_id: str) -> Call[JobRecord | None]:
    """Read a job's hash; None when there is no such job."""

    def decode(reply: Reply) -> JobRecord | None:
        # Half a hash, and the queue's own ones, are no jobs.
        return read_hash(job_id, reply) if b"name" in reply[::2] else None

    return command("HGETALL", keys.job(job_id), decode=decode)


def get_options(keys: QueueKeys, job_id: str) -> Call[bytes | None]:
    """Read a job's options as they are stored; None when there is no such job."""
    return command("HGET", keys.job(job_id), "opts", decode=lambda reply: reply)


def exists(keys: QueueKeys, job_id: str) -> Call[bool]:
    """Tell whether there is such a job."""
    return command("HEXISTS", keys.job(job_id), "name", decode=bool)


def get_state(keys: QueueKeys, job_id: str) -> Call[str]:
    """Tell which state the job is in; ``"unknown"`` when no container holds it."""
    return run_script("get_state", keys.base, job_id, decode=text)


class Ended(Struct, frozen=True):
    """Hold how a job ended: its result as JSON, or its failure reason."""

    value: bytes | None = None
    reason: str | None = None


def is_finished(keys: QueueKeys, job_id: str) -> Call[Ended | str]:
    """Tell how the job ended; when it has not yet, the id of the newest event: its end will come after that one."""
    return run_script("is_finished", keys.base, job_id, decode=_checked(keys, job_id, "is_finished", _ended))


def update_data(keys: QueueKeys, job_id: str, data: bytes) -> Call[None]:
    return _on_job("update_data", keys, job_id, data)


def update_progress(keys: QueueKeys, job_id: str, progress: bytes) -> Call[None]:
    return _on_job("update_progress", keys, job_id, progress)


def add_log(keys: QueueKeys, job_id: str, row: str, keep: int | None) -> Call[int]:
    """Append a line to the job's log; the result is how many lines it now has."""
    return add_logs(keys, job_id, (row,), keep)


def add_logs(keys: QueueKeys, job_id: str, rows: Sequence[str], keep: int | None) -> Call[int]:
    """Append lines, 1 to 1,000, to the job's log; the result is how many it now has."""
    decode = _checked(keys, job_id, "add_log", number)
    return run_script("add_log", keys.base, job_id, "" if keep is None else keep, *rows, decode=decode)


def get_logs(keys: QueueKeys, job_id: str, start: int, end: int, *, asc: bool) -> Call[list[str]]:
    """Read log lines from `start` to `end`, both included; -1 is the last. Oldest first when `asc`."""
    if asc:
        return command("LRANGE", keys.logs(job_id), start, end, decode=_lines)
    return command("LRANGE", keys.logs(job_id), -(end + 1), -(start + 1), decode=lambda reply: _lines(reply)[::-1])


def _lines(reply: Sequence[bytes]) -> list[str]:
    # A peer may have written what is no text; the other lines are wanted all the same.
    return [line.decode(errors="backslashreplace") for line in reply]


def count_logs(keys: QueueKeys, job_id: str) -> Call[int]:
    return command("LLEN", keys.logs(job_id), decode=number)


def clear_logs(keys: QueueKeys, job_id: str, keep: int | None) -> Call[None]:
    """Remove the job's log lines, but the newest `keep`."""
    if not keep:
        return command("DEL", keys.logs(job_id), decode=ignore, retry=Retry.SAFE)
    return command("LTRIM", keys.logs(job_id), -keep, -1, decode=ignore, retry=Retry.SAFE)


def promote(keys: QueueKeys, job_id: str) -> Call[None]:
    """Make a delayed job ready now."""
    return _on_job("promote", keys, job_id, state="delayed")


def retry(
    keys: QueueKeys, job_id: str, state: str, *, next_up: bool, reset_made: bool, reset_started: bool
) -> Call[None]:
    """Run a finished job again."""
    flags = (_flag(next_up), _flag(reset_made), _flag(reset_started))
    return _on_job("retry", keys, job_id, state, *flags, state=state)


class Removal(IntEnum):
    """Say how far a removal has come: a worker holds a lock; all is done; another call must go on."""

    LOCKED = 0
    DONE = 1
    MORE = 2


def remove(keys: QueueKeys, job_id: str, *, children: bool = True) -> Call[Removal]:
    """Remove a job and its children, so many of them as one call may."""
    decode = _checked(keys, job_id, "remove", Removal)
    return run_script("remove", keys.base, job_id, _flag(children), decode=decode)


def cancel(keys: QueueKeys, job_id: str, reason: str, now_ms: int, keep_count: int) -> Call[bool]:
    """Fail a job that has not begun (the result is True), or ask the worker that runs it to stop."""
    decode = _checked(keys, job_id, "cancel", bool, "waiting or active")
    return run_script("cancel", keys.base, job_id, reason, now_ms, keep_count, decode=decode)


def remove_deduplication_key(keys: QueueKeys, deduplication_id: str, job_id: str) -> Call[bool]:
    """Let go of a deduplication id, if the job owns it; the result says whether it did."""
    return run_script("forget_deduplication", keys.base, deduplication_id, job_id, decode=bool)


def extend_lock(keys: QueueKeys, job_id: str, token: str, lock_ms: int) -> Call[bool]:
    """Renew one lock; the result says whether it was still held."""
    return run_script("extend_locks", keys.base, lock_ms, job_id, token, decode=lambda lost: not lost)


def _ended(reply: Reply) -> Ended | str:
    how, value = reply
    if how == 1:
        return Ended(value=value)
    return Ended(reason=text(value)) if how == 2 else text(value)


def _added(keys: QueueKeys, job: NewJob, answer: Reply) -> str:
    if isinstance(answer, int):
        raise job_error(answer, job_id=job.id, queue=keys.name, operation="add", parent=job.parent_key or "")
    return text(answer)


def _add(keys: QueueKeys, jobs: Sequence[NewJob], decode: Callable[[Reply], T]) -> Call[T]:
    return Call("add", ("1", keys.base), decode, _retry_of(jobs), _ADD, len(jobs), _rows(jobs))


def _add_related(keys: QueueKeys, jobs: Sequence[NewJob], decode: Callable[[Reply], T]) -> Call[T]:
    rows = tuple(word for job in jobs for word in row_of(job))
    return Call("add", ("1", keys.base), decode, _retry_of(jobs), _ADD_RELATED, len(jobs), rows)


def _retry_of(jobs: Sequence[NewJob]) -> Retry:
    # Without ids of our own a repeated add would add the jobs again.
    return Retry.SAFE if all(map(_id, jobs)) else Retry.NEVER


def _rows(jobs: Sequence[NewJob]) -> tuple[Word, ...]:
    rows: list[Word] = []
    # Spelled out here, for this is done for every job of a bulk add.
    for job in jobs:
        rows += (
            job.id,
            job.name,
            job.data,
            job.opts,
            job.timestamp,
            job.delay,
            job.priority,
            "1" if job.next_up else "",
        )
    return tuple(rows)


def row_of(job: NewJob) -> tuple[Word, ...]:
    """Return what the scripts take of a job that may have relations."""
    return (*_rows((job,)), job.relations)


def _on_job(name: str, keys: QueueKeys, job_id: str, *args: Word, state: str = "active") -> Call[None]:
    return run_script(name, keys.base, job_id, *args, decode=_checked(keys, job_id, name, ignore, state))


def _checked(
    keys: QueueKeys, job_id: str, operation: str, decode: Callable[[Reply], T], state: str = "active"
) -> Callable[[Reply], T]:
    """Return `decode`, behind a check for the negative codes that mean a refusal."""

    def checked(reply: Reply) -> T:
        if isinstance(reply, int) and reply < 0:
            raise job_error(reply, job_id=job_id, queue=keys.name, operation=operation, state=state)
        return decode(reply)

    return checked


def _flag(value: bool) -> str:
    return "1" if value else ""

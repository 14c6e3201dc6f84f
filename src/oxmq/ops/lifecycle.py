"""Describe what workers do to jobs: take, finish, renew, recover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from oxmq.errors import JobError, job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, Word, run_script, text, texts
from oxmq.ops.hashes import read_hash
from oxmq.records import JobRecord, Taken


class TakeTerms(Struct, frozen=True):
    """Hold on what terms a worker takes jobs.

    Attributes:
        lock_ms: how long a lock lives.
        limit_max: the worker's own rate limit, in starts per window; None for none.
        limit_ms: the length of that window.
        worker_name: what is noted on the job as its worker; empty for nothing.
        metrics: how many minutes of metrics the jobs that end are counted in; 0 for none.
    """

    lock_ms: int = 30_000
    limit_max: int | None = None
    limit_ms: int = 0
    worker_name: str = ""
    metrics: int = 0


class Outcome(Struct, gc=False):
    """Hold how the run of a job ended.

    Attributes:
        job_id: the job.
        token: the token under which it was locked.
        kind: ``completed``, ``failed``, ``retry``, ``delay``, ``postpone``, ``release``, ``park`` (see ``finish.lua``).
        value: the result as JSON, or the failure reason.
        stacktrace: the stack traces as a JSON array; empty when there is nothing to record.
        attempts: how many attempts the job is allowed.
        keep_count: how many finished jobs to keep; -1 for all.
        keep_age: for how many seconds to keep them; None for ever.
        keep_limit: how many of the too old ones to remove at once; None for the default.
        delay_ms: for ``delay`` and ``postpone``.
        next_up: for ``retry``: whether it runs before the jobs that are waiting.
        telemetry: for failures: the context of the trace of the attempt; empty for none.
    """

    job_id: str
    token: str
    kind: str
    value: bytes | str = b""
    stacktrace: bytes = b""
    attempts: int = 0
    keep_count: int = -1
    keep_age: float | None = None
    keep_limit: int | None = None
    delay_ms: int = 0
    next_up: bool = False
    telemetry: str = ""

    def words(self) -> tuple[Word, ...]:
        return (
            self.job_id,
            self.token,
            self.kind,
            self.value,
            self.stacktrace,
            self.attempts,
            self.keep_count,
            "" if self.keep_age is None else f"{self.keep_age:.3f}",
            "" if self.keep_limit is None else self.keep_limit,
            self.delay_ms,
            "1" if self.next_up else "",
            self.telemetry,
        )


class Finished(Struct, frozen=True):
    """Hold the reply of a finish: the refusal of each outcome that was refused, and the jobs taken."""

    refusals: list[JobError | None]
    taken: Taken


def take(keys: QueueKeys, now_ms: int, count: int, token: str, terms: TakeTerms) -> Call[Taken]:
    """Take up to `count` ready jobs under one token."""
    words = _terms(now_ms, count, token, terms)
    return run_script("take", keys.base, *words, decode=lambda reply: _taken(reply, now_ms))


def finish(
    keys: QueueKeys, now_ms: int, outcomes: Sequence[Outcome], count: int, token: str, terms: TakeTerms
) -> Call[Finished]:
    """End the runs of a batch of jobs, then take up to `count` ready ones."""

    def decode(reply: Reply) -> Finished:
        codes, *taken = reply
        refusals = [_refusal(keys, outcome, code) for outcome, code in zip(outcomes, codes, strict=True)]
        return Finished(refusals, _taken(taken, now_ms))

    words = [*_terms(now_ms, count, token, terms), terms.metrics]
    for outcome in outcomes:
        words += outcome.words()
    return run_script("finish", keys.base, *words, decode=decode)


def extend_locks(keys: QueueKeys, locks: Iterable[tuple[str, str]], lock_ms: int) -> Call[list[str]]:
    """Renew locks, given as job id and token; the result is the ids whose lock is lost."""
    return run_script("extend_locks", keys.base, lock_ms, *(word for lock in locks for word in lock), decode=texts)


def recover_stalled(keys: QueueKeys, now_ms: int, max_stalled: int, interval_ms: int) -> Call[list[str]]:
    """Give back the jobs whose lock ran out; the result is their ids."""
    return run_script("recover_stalled", keys.base, now_ms, max_stalled, interval_ms, decode=texts)


def hand_back(keys: QueueKeys, token: str) -> Call[list[str]]:
    """Return the jobs locked by `token` to the queue; the result is their ids."""
    return run_script("hand_back", keys.base, token, decode=texts)


def find_cancelled(keys: QueueKeys, job_ids: Sequence[str]) -> Call[dict[str, str]]:
    """Tell which of the jobs have been cancelled, and why."""

    def decode(reply: Reply) -> dict[str, str]:
        return {text(reply[i]): text(reply[i + 1]) for i in range(0, len(reply), 2)}

    return run_script("find_cancelled", keys.base, *job_ids, decode=decode)


def _terms(now_ms: int, count: int, token: str, terms: TakeTerms) -> tuple[Word, ...]:
    limit = "" if terms.limit_max is None else terms.limit_max
    return (now_ms, count, token, terms.lock_ms, limit, terms.limit_ms or "", terms.worker_name)


def _taken(reply: Reply, now_ms: int) -> Taken:
    limited, due, jobs = reply
    next_due = int(due)
    return Taken(int(limited), None if next_due < 0 else next_due, [_started(job, now_ms) for job in jobs])


def _started(job: Reply, now_ms: int) -> JobRecord:
    """Return a job that was taken: the hash is as it was before, so that what the script wrote is added."""
    job_id, fields = job
    record = read_hash(text(job_id), fields)
    record.attempts_started += 1
    record.processed_on = now_ms
    return record


def _refusal(keys: QueueKeys, outcome: Outcome, code: int) -> JobError | None:
    if code == 0:
        return None
    return job_error(code, job_id=outcome.job_id, queue=keys.name, operation="finish")

"""Say what workers do: take jobs, end their runs, keep their locks, and look for those that lost theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.model import deduplication, family
from tests.model.metrics import count_end
from tests.model.queue import ARRIVALS, SEQUENCES, Expiring, Queue, ranked

#: What a limiter that was set by hand holds.
HELD = 9_007_199_254_740_991
SWEPT_AT_ONCE = 1_000


@dataclass(frozen=True)
class Terms:
    """Hold on what terms a worker takes jobs."""

    token: str
    lock_ms: int
    limit_max: int | None = None
    limit_ms: int = 0
    worker: str = ""
    metrics: int = 0


@dataclass
class Taken:
    """Hold what a take found: why nothing came, or the ids."""

    limited_ms: int = 0
    next_due: int | None = None
    ids: list[str] = field(default_factory=list[str])
    is_closed: bool = False


@dataclass(frozen=True)
class Run:
    """Hold how the run of a job ended.

    `kind`: completed, failed, retry (now), delay (then retry); and, costing no attempt: postpone (delay), release (to
    wait), park (until its children have ended). `keep_count` -1 keeps all; `keep_age` is in seconds.
    """

    job_id: str
    token: str
    kind: str
    value: str = ""
    stack: str = ""
    attempts: int = 0
    keep_count: int = -1
    keep_age: int | None = None
    keep_limit: int | None = None
    delay: int = 0
    next_up: bool = False

    @property
    def is_end(self) -> bool:
        return self.kind in ("completed", "failed")


# ---- taking ------------------------------------------------------------------------------------------------------


def take(queue: Queue, now: int, count: int, terms: Terms) -> Taken:
    queue.promote_due(now)
    window = terms.limit_ms or queue.meta.get("duration")
    limit = queue.meta.get("max", terms.limit_max) if window else None
    used = int(queue.limiter.value) if queue.limiter else 0
    if queue.limiter and (used >= HELD or (limit and used >= limit)):
        return Taken(limited_ms=queue.limiter.left_ms or 0)
    if not queue.is_open:
        return Taken(is_closed=True)
    wanted = min(count, limit - used if limit else count)
    wanted = min(wanted, queue.meta.get("concurrency", len(queue.active) + wanted) - len(queue.active))
    ids = _next_in_line(queue, wanted)
    starts = [_activate(queue, job_id, now, terms) for job_id in ids]
    if ids:
        queue.marker["0"] = 0
    if limit and window and any(starts):
        queue.limiter = Expiring(used + sum(starts), queue.limiter.left_ms if queue.limiter else window)
    soonest = min(queue.delayed.values()) // SEQUENCES if queue.delayed and len(ids) < wanted else None
    return Taken(ids=ids, next_due=soonest)


def _next_in_line(queue: Queue, wanted: int) -> list[str]:
    """Take ids out of the line: those without priority come before those with any."""
    ids, queue.wait = queue.wait[:wanted], queue.wait[wanted:]
    scored = ranked(queue.prioritized)[: wanted - len(ids)]
    if len(ids) < wanted and not scored:
        queue.arrivals = 0
    for job_id in scored:
        del queue.prioritized[job_id]
    return ids + scored


def _activate(queue: Queue, job_id: str, now: int, terms: Terms) -> bool:
    """Lock a job; return whether it counts against a rate limit: one that is only to be failed does not."""
    job = queue.jobs[job_id]
    queue.active.append(job_id)
    job.lock = Expiring(terms.token, terms.lock_ms)
    job.set(processedOn=now, **({"pb": terms.worker} if terms.worker else {}))
    job.count("ats")
    queue.tell("active", jobId=job_id, prev="waiting")
    return "defa" not in job.fields


# ---- ending runs -------------------------------------------------------------------------------------------------


def finish(queue: Queue, now: int, runs: Sequence[Run], count: int, terms: Terms) -> tuple[list[int], Taken]:
    """End runs and take the next jobs; return a code for each run, 0 where it was accepted."""
    if any(run.kind == "retry" for run in runs):
        queue.promote_due(now)
    codes = [_check(queue, run) for run in runs]
    accepted = [run for run, code in zip(runs, codes, strict=True) if code == 0]
    for run in accepted:
        _END[run.kind](queue, run, now)
    for run in accepted:
        _sweep(queue, run, now)
        if run.is_end and terms.metrics:
            count_end(queue.metrics[run.kind], now, terms.metrics)
    taken = take(queue, now, count, terms) if count and accepted else Taken()
    if any(run.kind in ("delay", "postpone") for run in accepted) and not taken.ids:
        queue.mark_next_due()
    found = taken.ids or taken.limited_ms or taken.is_closed or taken.next_due is not None
    if any(run.is_end for run in accepted) and not (found or queue.wait or queue.active or queue.prioritized):
        queue.tell("drained")
    return codes, taken


def _check(queue: Queue, run: Run) -> int:
    """Return the code of a refusal; a run that is accepted leaves `active` and gives up its lock."""
    job = queue.jobs.get(run.job_id)
    if not job:
        return -1
    if run.kind == "completed" and job.dependencies:
        return -4
    if run.kind in ("completed", "park") and job.unsuccessful:
        return -9
    if not job.lock:
        return -2
    if job.lock.value != run.token:
        return -6
    job.lock = None
    queue.stalled.discard(run.job_id)
    if run.job_id not in queue.active:
        return -3
    queue.active.remove(run.job_id)
    return 0


def _finish(queue: Queue, run: Run, now: int) -> None:
    job = queue.jobs[run.job_id]
    deduplication.owner_ended(queue, run.job_id, now)
    if run.kind == "completed":
        family.child_completed(queue, run.job_id, run.value, now)
    else:
        family.child_failed(queue, run.job_id, run.value, now)
    made = job.count("atm")
    if run.keep_count == 0:
        family.forget_child(queue, run.job_id)
        del queue.jobs[run.job_id]
    elif run.kind == "completed":
        job.set(returnvalue=run.value, finishedOn=now)
        queue.completed[run.job_id] = now
    else:
        job.set(failedReason=run.value, stacktrace=run.stack, finishedOn=now)
        job.forget("defa", "cancelledOn")
        queue.failed[run.job_id] = now
    field = "returnvalue" if run.kind == "completed" else "failedReason"
    queue.tell(run.kind, jobId=run.job_id, prev="active", **{field: run.value})
    if run.kind == "failed" and made >= run.attempts:
        queue.tell("retries-exhausted", jobId=run.job_id, attemptsMade=made)


def _put_back(queue: Queue, run: Run, _: int) -> None:
    job = queue.jobs[run.job_id]
    _note_failure(queue, run)
    if run.kind == "release" and job.number("priority"):
        # In front of its priority, and nobody is woken for it.
        queue.prioritized[run.job_id] = job.number("priority") * ARRIVALS
    else:
        queue.make_ready(run.job_id, next_up=run.next_up)
        queue.wake()
    queue.tell("waiting", jobId=run.job_id, prev="active")


def _put_off(queue: Queue, run: Run, now: int) -> None:
    _note_failure(queue, run)
    queue.jobs[run.job_id].set(delay=run.delay)
    queue.hold_back(run.job_id, now + run.delay)


def _park(queue: Queue, run: Run, now: int) -> None:
    job = queue.jobs[run.job_id]
    # One that is to be failed need not wait for that.
    if not job.dependencies or "defa" in job.fields:
        _put_back(queue, replace(run, kind="release", next_up=True), now)
        return
    queue.waiting_children[run.job_id] = now
    queue.tell("waiting-children", jobId=run.job_id, prev="active")


def _note_failure(queue: Queue, run: Run) -> None:
    job = queue.jobs[run.job_id]
    if run.kind in ("retry", "delay"):
        job.count("atm")
    if run.stack:
        job.set(failedReason=run.value, stacktrace=run.stack)


_END = {
    "completed": _finish,
    "failed": _finish,
    "retry": _put_back,
    "release": _put_back,
    "delay": _put_off,
    "postpone": _put_off,
    "park": _park,
}


def _sweep(queue: Queue, run: Run, now: int) -> None:
    if run.is_end and run.keep_count != 0:
        ended = queue.completed if run.kind == "completed" else queue.failed
        sweep(queue, ended, now, run.keep_count, run.keep_age, run.keep_limit)


def sweep(
    queue: Queue, ended: dict[str, int], now: int, count: int, age: int | None = None, limit: int | None = None
) -> None:
    """Remove what is older than is to be kept, then what is more than is to be kept."""
    if age is not None:
        old = [job_id for job_id in reversed(ranked(ended)) if ended[job_id] <= now - age * 1000]
        _drop_ended(queue, ended, old[: limit or SWEPT_AT_ONCE])
    if count > 0:
        _drop_ended(queue, ended, ranked(ended)[: max(0, len(ended) - count)])


def _drop_ended(queue: Queue, ended: dict[str, int], ids: list[str]) -> None:
    for job_id in ids:
        family.forget_child(queue, job_id)
        del queue.jobs[job_id], ended[job_id]


# ---- locks -------------------------------------------------------------------------------------------------------


def extend_locks(queue: Queue, locks: Sequence[tuple[str, str]], lock_ms: int) -> list[str]:
    """Renew locks; return the ids whose lock is not held by that token any more."""
    lost: list[str] = []
    for job_id, token in locks:
        job = queue.jobs.get(job_id)
        if job and job.lock and job.lock.value == token:
            job.lock = Expiring(token, lock_ms)
            queue.stalled.discard(job_id)
        else:
            lost.append(job_id)
    return lost


def hand_back(queue: Queue, token: str) -> list[str]:
    """Return to the queue what a take locked whose reply was lost, the one taken last first."""
    found = [job_id for job_id in reversed(queue.active) if _is_locked_by(queue, job_id, token)]
    for job_id in found:
        queue.jobs[job_id].lock = None
        queue.stalled.discard(job_id)
        queue.active.remove(job_id)
        queue.make_ready(job_id, next_up=True)
        queue.tell("waiting", jobId=job_id, prev="active")
    if found:
        queue.wake()
    return found


def _is_locked_by(queue: Queue, job_id: str, token: str) -> bool:
    lock = queue.jobs[job_id].lock
    return lock is not None and lock.value == token


def recover_stalled(queue: Queue, now: int, max_stalled: int, interval: int, order: Sequence[str]) -> list[str]:
    """Give back the jobs that had no lock at two checks in a row, in whatever order the suspects are kept."""
    if queue.stalled_check:
        return []
    queue.stalled_check = Expiring(now, interval)
    lost = [job_id for job_id in queue.stalled if job_id in queue.active and not queue.jobs[job_id].lock]
    for job_id in sorted(lost, key=order.index):
        queue.active.remove(job_id)
        _recover(queue, job_id, max_stalled)
    if lost:
        queue.wake()
    queue.stalled = set(queue.active)
    return sorted(lost, key=order.index)


def _recover(queue: Queue, job_id: str, max_stalled: int) -> None:
    job = queue.jobs[job_id]
    scheduler = job.fields.get("rjk")
    # A scheduler's jobs are never failed for it: that would end the schedule.
    stalled_too_often = job.count("stc") > max_stalled and not (scheduler and scheduler in queue.schedule)
    if stalled_too_often and "cancelledOn" not in job.fields:
        job.set(defa="job stalled more than allowable limit")
    queue.wait.insert(0, job_id)
    queue.tell("waiting", jobId=job_id, prev="active")
    queue.tell("stalled", jobId=job_id)

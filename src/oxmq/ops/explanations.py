"""Say in words why a job does not run, or what it waits for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from oxmq.codec import read_options
from oxmq.keys import QueueKeys, split_job_key
from oxmq.ops.situations import ChildSituation, QueueSituation, Situation
from oxmq.ops.workers import is_worker_of

#: What a limiter that was set by hand holds, and more.
_HELD = 9_007_199_254_740_991
#: A due time's part of a delayed job's score.
_SEQUENCES = 4096
#: How many children are told of at most.
_CHILDREN = 5
#: A text of somebody else's is cut after so many characters.
_LONGEST = 200

Names = Collection[str] | None
"""The names under which clients are connected; None where the server does not say."""


def explain(situation: Situation | None, keys: QueueKeys, job_id: str, clients: Names, now_ms: int) -> str:
    """Return a few sentences that say why the job is not running, or what has become of it.

    Args:
        situation: what was read; None when there is no such job.
        clients: the names under which clients are connected; None when the server does not tell.
        now_ms: the time now.
    """
    if situation is None:
        return f"There is no job {job_id} in queue {keys.name!r}: it was removed, or never added."
    tell = _TELLERS.get(situation.state, _of_none)
    return " ".join(tell(situation, keys, clients, now_ms))


def _of_waiting(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    if situation.ahead is None:
        yield f"Job {situation.job.id} is waiting, in the middle of a very long line."
    else:
        yield f"Job {situation.job.id} is waiting: {_in_line(situation.ahead)}."
    yield from _hindrances(situation, keys, clients, now_ms)


def _of_prioritized(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    ahead, better = situation.ahead or 0, situation.better
    because = f", {better} of them because their priority is better or they have none" if better else ""
    yield f"Job {situation.job.id} is waiting with priority {situation.job.priority}: {_in_line(ahead)}{because}."
    yield from _hindrances(situation, keys, clients, now_ms)


def _of_delayed(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    due = int(situation.score) // _SEQUENCES
    job = situation.job
    if due > now_ms:
        yield f"Job {job.id} is delayed until {_moment(due)}, in {_span(due - now_ms)}."
    else:
        yield f"Job {job.id} was delayed until {_moment(due)}, {_span(now_ms - due)} ago; a worker has to notice."
    if job.scheduler_id:
        yield f"It is the next run of scheduler {job.scheduler_id!r}."
    if job.attempts_made and job.failed_reason is not None:
        failed = _times(job.attempts_made)
        yield f"It has failed {failed} and will be tried again. The latest reason: {_cut(job.failed_reason)}"
    if due <= now_ms:
        yield from _hindrances(situation, keys, clients, now_ms)
    else:
        yield from _standing_hindrances(situation, keys, clients)
        yield from _fate(situation, now_ms)


def _of_waiting_children(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    ended = situation.processed + situation.ignored + situation.unsuccessful
    pending = situation.pending
    if not pending:
        yield (
            f"Job {situation.job.id} waits for children and has none left to wait for: nobody released it. "
            "Remove it and add it again."
        )
        return
    yield f"Job {situation.job.id} waits for {pending} of its {_number(pending + ended, 'child', 'children')}."
    told = sorted(situation.children, key=lambda child: (_URGENCY.get(child.state, 0), child.key))[:_CHILDREN]
    for child in told:
        yield _of_child(child, clients)
    if pending > len(told):
        yield f"{pending - len(told)} more are not listed here."
    yield from _fate(situation, now_ms)


def _of_active(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    job = situation.job
    by = f" by worker {job.processed_by!r}" if job.processed_by else ""
    since = f" for {_span(now_ms - job.processed_on)}, since {_moment(job.processed_on)}" if job.processed_on else ""
    yield f"Job {job.id} is running{by}{since}; it is run number {job.attempts_started}."
    if situation.lock_ms < 0:
        yield (
            "But its lock has run out: its worker is gone or hangs. Unless that worker ends it after all, another "
            "gives it back to the queue at its next look for stalled jobs."
        )
        if clients is not None and not _workers(keys, clients):
            yield "No worker is connected that could."
    else:
        yield f"Its worker holds the lock for another {_span(situation.lock_ms)}, and renews it while it lives."
    if situation.cancelled:
        yield f"It was asked to stop: {_cut(job.deferred_failure or 'cancelled')}"
    if situation.pending:
        yield f"It cannot complete before {_number(situation.pending, 'child has', 'children have')} ended."


def _of_completed(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    yield f"Job {situation.job.id} completed at {_moment(int(situation.score))}, {_span(now_ms - situation.score)} ago."


def _of_failed(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    job = situation.job
    made = f" after {_number(job.attempts_made, 'attempt', 'attempts')}" if job.attempts_made else ""
    when = f"{_moment(int(situation.score))}, {_span(now_ms - situation.score)} ago"
    yield f"Job {job.id} failed{made} at {when}: {_cut(job.failed_reason or 'no reason is recorded.')}"
    yield "It is not tried again unless somebody retries it."


def _of_none(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    yield (
        f"Job {situation.job.id} exists, but is in no state of queue {keys.name!r}, so that no worker finds it: "
        "something other than a queue wrote or deleted keys. `Queue.remove_orphaned_jobs` removes such jobs."
    )


_TELLERS = {
    "waiting": _of_waiting,
    "prioritized": _of_prioritized,
    "delayed": _of_delayed,
    "waiting-children": _of_waiting_children,
    "active": _of_active,
    "completed": _of_completed,
    "failed": _of_failed,
}

#: The children that need somebody's help are told of first.
_URGENCY = {"failed": -4, "gone": -3, "unknown": -2, "active": -1}


def _of_child(child: ChildSituation, clients: Names) -> str:
    named = f"Child {child.key} ({child.name})" if child.name else f"Child {child.key}"
    if child.state == "failed":
        reason = _cut(child.failed_reason)
        return f"{named} has failed and has no failure policy: retry or remove it. Its reason: {reason}"
    if child.state == "gone":
        return f"{named} is gone, and nobody told its parent: remove the dependency or the parent."
    if child.state == "unknown":
        return f"{named} is in no state, so that no worker finds it: remove it."
    if child.state == "completed":
        return f"{named} has completed, and nobody told its parent: remove that child."
    if child.state == "active":
        return f"{named} is running{'' if child.lock_ms >= 0 else ', but its lock has run out'}."
    return f"{named} is {child.state}{_kept_by_its_queue(child, clients)}."


def _kept_by_its_queue(child: ChildSituation, clients: Names) -> str:
    if child.state == "waiting-children":
        return ""
    keys, _ = split_job_key(child.key)
    if child.paused:
        return f", and its queue {keys.name!r} is paused"
    if clients is not None and not _workers(keys, clients):
        return f", and no worker of its queue {keys.name!r} is connected"
    return ""


def _hindrances(situation: Situation, keys: QueueKeys, clients: Names, now_ms: int) -> Iterator[str]:
    """Say what keeps a job that is ready from running."""
    standing = [*_standing_hindrances(situation, keys, clients), *_limits(situation.queue)]
    if not standing and clients is not None:
        workers = _number(len(_workers(keys, clients)), "worker is", "workers are")
        standing.append(f"{workers} connected, and {_number(situation.queue.active, 'job is', 'jobs are')} active.")
    yield from standing
    yield from _fate(situation, now_ms)


def _standing_hindrances(situation: Situation, keys: QueueKeys, clients: Names) -> Iterator[str]:
    """Say what will keep a job from running until somebody does something."""
    if situation.queue.paused:
        yield f"The queue {keys.name!r} is paused."
    if clients is not None and not _workers(keys, clients):
        yield f"No worker of queue {keys.name!r} is connected."


def _limits(queue: QueueSituation) -> Iterator[str]:
    if queue.concurrency is not None and queue.active >= queue.concurrency:
        yield f"As many jobs are active as the queue allows at once: {queue.active} of {queue.concurrency}."
    if queue.started is None or queue.limited_ms <= 0:
        return
    wait = _span(queue.limited_ms)
    if queue.started >= _HELD:
        yield f"The queue is held back: no job starts for {wait}."
    elif queue.limit_max is None:
        began = _number(queue.started, "job has", "jobs have")
        yield f"A worker limits the rate: {began} started in the present window, which ends in {wait}."
    elif queue.started >= queue.limit_max:
        window = "" if queue.limit_ms is None else f" in {_span(queue.limit_ms)}"
        starts = _number(queue.limit_max, "start", "starts")
        yield f"The rate limit is used up ({starts}{window}): no job starts for {wait}."


def _fate(situation: Situation, now_ms: int) -> Iterator[str]:
    """Say what will happen to the job when it is its turn."""
    job = situation.job
    if job.deferred_failure is not None:
        yield f"When a worker takes it, it will be failed and not run: {_cut(job.deferred_failure)}"
    expires = read_options(job.opts).expires
    if expires and situation.state != "waiting-children" and not job.attempts_started:
        due = job.timestamp + job.delay if job.due_on is None else job.due_on
        at = due + int(expires)
        if at < now_ms:
            yield f"It expired at {_moment(at)}: it will be failed and not run."
        else:
            yield f"It expires when it has not started by {_moment(at)}, in {_span(at - now_ms)}."


def _workers(keys: QueueKeys, clients: Collection[str]) -> list[str]:
    return [name for name in clients if is_worker_of(keys, name)]


def _in_line(ahead: int) -> str:
    return f"{_number(ahead, 'job runs', 'jobs run')} before it" if ahead else "it is the next to run"


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _span(ms: float) -> str:
    """Return a length of time in its two largest units."""
    if ms < 10_000:
        return f"{max(0.0, ms) / 1000:.1f} s"
    seconds = round(ms / 1000)
    units = [("d", seconds // 86_400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60)]
    first = next(index for index, (_, count) in enumerate(units) if count)
    return " ".join(f"{count} {unit}" for unit, count in units[first : first + 2] if count)


def _cut(words: str) -> str:
    """Return somebody else's words on one line, not too long, as a sentence."""
    line = " ".join(words.split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
    return line if line.endswith((".", "!", "?")) else f"{line}."

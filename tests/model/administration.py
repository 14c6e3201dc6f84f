"""Say what is done to a queue as a whole: stop it, limit it, empty it, run many of its jobs again."""

from __future__ import annotations

from tests.model import family
from tests.model.queue import Expiring, Queue, Refused, ranked
from tests.model.removal import drop
from tests.model.work import HELD

#: The fields that tell a job's age, the first that it has; of a job that ended its place in line does.
AGES = {
    "wait": ("finishedOn", "processedOn", "timestamp"),
    "active": ("finishedOn", "processedOn", "timestamp"),
    "delayed": ("processedOn", "timestamp"),
    "prioritized": ("timestamp",),
}


def pause(queue: Queue) -> None:
    queue.meta["paused"] = 1
    queue.marker.clear()
    queue.tell("paused")


def resume(queue: Queue) -> int:
    queue.meta.pop("paused", None)
    if queue.wait or queue.prioritized:
        queue.marker["0"] = 0
    else:
        queue.mark_next_due()
    queue.tell("resumed")
    return 0


def hold(queue: Queue, ms: int) -> None:
    queue.limiter = Expiring(HELD, ms)


def let_go(queue: Queue) -> int:
    held, queue.limiter = queue.limiter, None
    return int(held is not None)


def line(queue: Queue, container: str) -> list[str]:
    """Return a container's jobs: the next to run, or the oldest, first."""
    lists = {"wait": queue.wait, "active": queue.active}
    return list(lists[container]) if container in lists else ranked(queue.sets()[container])


def _drop_from(queue: Queue, container: str, ids: list[str]) -> None:
    for job_id in ids:
        queue.take_out(job_id)
    for job_id in ids:
        drop(queue, job_id)


def drain(queue: Queue, container: str) -> int:
    """Delete what has not begun in one container."""
    ids = [job_id for job_id in line(queue, container) if not queue.is_upcoming(job_id)]
    _drop_from(queue, container, ids)
    return len(ids)


def clean(queue: Queue, container: str, cutoff: int, most: int) -> list[str]:
    """Delete what is old in one container."""
    old = [job_id for job_id in line(queue, container) if _is_old(queue, container, job_id, cutoff)][:most]
    _drop_from(queue, container, old)
    queue.tell("cleaned", count=len(old))
    return old


def _is_old(queue: Queue, container: str, job_id: str, cutoff: int) -> bool:
    if container not in AGES:
        return queue.sets()[container][job_id] <= cutoff
    job = queue.jobs[job_id]
    made = next(job.number(name) for name in AGES[container] if name in job.fields)
    return made <= cutoff and not queue.is_upcoming(job_id) and not (container == "active" and job.lock)


def obliterate(queue: Queue, *, force: bool) -> None:
    """Delete everything in a paused queue, and the queue."""
    if "paused" not in queue.meta:
        raise Refused(-1)
    if queue.active and not force:
        raise Refused(-2)
    for container in ("active", "delayed"):
        _drop_from(queue, container, line(queue, container))
    queue.schedule.clear()
    queue.records.clear()
    for container in ("completed", "wait", "prioritized", "failed", "waiting-children"):
        _drop_from(queue, container, line(queue, container))
    queue.forget_all()


def run_again(queue: Queue, state: str, upto: int | None, count: int) -> tuple[int, int]:
    """Make jobs ready that ended or are delayed, whatever their priority; return how many, and how many are left."""
    container = queue.sets()[state]
    meant = [job_id for job_id in ranked(container) if upto is None or container[job_id] <= upto]
    for job_id in meant[:count]:
        del container[job_id]
        if state != "delayed":
            value = "failedReason" if state == "failed" else "returnvalue"
            queue.jobs[job_id].forget("finishedOn", "processedOn", "defa", "cancelledOn", value)
            family.restore_child(queue, job_id, state)
        queue.wait.append(job_id)
        queue.tell("waiting", jobId=job_id, prev=state)
    if meant[:count]:
        queue.wake()
    return len(meant[:count]), len(meant[count:])

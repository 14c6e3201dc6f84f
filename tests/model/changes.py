"""Say what changes a job: its fields, its place in line, and whether it runs again."""

from __future__ import annotations

from tests.model import deduplication, family
from tests.model.queue import ARRIVALS, Queue, Refused
from tests.model.work import sweep


def update_data(queue: Queue, job_id: str, data: str) -> None:
    queue.find(job_id).set(data=data)


def update_progress(queue: Queue, job_id: str, progress: str) -> None:
    queue.find(job_id).set(progress=progress)
    queue.tell("progress", jobId=job_id, data=progress)


def add_log(queue: Queue, job_id: str, row: str, keep: int | None) -> int:
    job = queue.find(job_id)
    job.logs.append(row)
    if keep:
        job.logs = job.logs[-keep:]
    return len(job.logs)


def clear_logs(queue: Queue, job_id: str, keep: int | None) -> None:
    if job_id in queue.jobs:
        job = queue.jobs[job_id]
        job.logs = job.logs[-keep:] if keep else []


def promote(queue: Queue, job_id: str) -> None:
    if job_id not in queue.delayed:
        raise Refused(-3)
    del queue.delayed[job_id]
    queue.make_ready(job_id)
    queue.wake()
    queue.tell("waiting", jobId=job_id, prev="delayed")
    queue.jobs[job_id].set(delay=0)


def change_delay(queue: Queue, job_id: str, delay: int, now: int) -> None:
    job = queue.find(job_id)
    if job_id not in queue.delayed:
        raise Refused(-3)
    queue.hold_back(job_id, now + delay)
    job.set(delay=delay)
    queue.mark_next_due()


def change_priority(queue: Queue, job_id: str, priority: int, *, next_up: bool) -> None:
    job = queue.find(job_id)
    job.set(priority=priority)
    if job_id in queue.prioritized:
        del queue.prioritized[job_id]
    elif job_id in queue.wait:
        queue.wait.remove(job_id)
    else:
        return
    if priority and next_up:
        # In front of its priority, and nobody is woken for it.
        queue.prioritized[job_id] = priority * ARRIVALS
    else:
        queue.make_ready(job_id, next_up=next_up)
        queue.wake()


def retry(queue: Queue, job_id: str, state: str, *, next_up: bool, reset_made: bool, reset_started: bool) -> None:
    """Run a finished job again."""
    job = queue.find(job_id)
    ended, value = (queue.failed, "failedReason") if state == "failed" else (queue.completed, "returnvalue")
    if job_id not in ended:
        raise Refused(-3)
    del ended[job_id]
    job.forget("finishedOn", "processedOn", "defa", "cancelledOn", value)
    job.forget(*(["atm"] if reset_made else []), *(["ats"] if reset_started else []))
    queue.make_ready(job_id, next_up=next_up)
    queue.wake()
    family.restore_child(queue, job_id, state)
    queue.tell("waiting", jobId=job_id, prev=state)


def cancel(queue: Queue, job_id: str, reason: str, now: int, keep_count: int) -> bool:
    """Fail a job that has not begun; one that runs is only told, and False returned."""
    job = queue.find(job_id)
    if job_id in queue.completed or job_id in queue.failed:
        raise Refused(-3)
    if job_id in queue.active:
        job.set(defa=reason, cancelledOn=now)
        return False
    if queue.is_upcoming(job_id):
        raise Refused(-8)
    previous = queue.take_out(job_id)
    deduplication.owner_ended(queue, job_id, now)
    family.child_failed(queue, job_id, reason, now)
    if keep_count == 0:
        family.forget_child(queue, job_id)
        del queue.jobs[job_id]
    else:
        job.set(failedReason=reason, finishedOn=now)
        job.forget("defa", "cancelledOn")
        queue.failed[job_id] = now
        sweep(queue, queue.failed, now, keep_count)
    queue.tell("failed", jobId=job_id, failedReason=reason, prev="waiting" if previous == "wait" else previous)
    return True


def wait_for_children(queue: Queue, job_id: str, token: str, now: int, child: str = "") -> bool:
    """Park an active job until its children have ended; return False when there is nothing to wait for."""
    job = queue.find(job_id)
    if job.unsuccessful:
        raise Refused(-9)
    if not (child in job.dependencies if child else job.dependencies):
        return False
    if not job.lock:
        raise Refused(-2)
    if job.lock.value != token:
        raise Refused(-6)
    if job_id not in queue.active:
        raise Refused(-3)
    job.lock = None
    queue.active.remove(job_id)
    queue.stalled.discard(job_id)
    queue.waiting_children[job_id] = now
    queue.tell("waiting-children", jobId=job_id, prev="active")
    return True

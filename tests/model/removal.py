"""Say what goes with a job that is removed, and what its parent then does."""

from __future__ import annotations

from tests.model import deduplication, family
from tests.model.queue import Job, Queue, Refused


def remove(queue: Queue, job_id: str, *, children: bool) -> int:
    """Remove a job, and all of its children; return 0 and do nothing when a worker holds one that is pending."""
    job = queue.jobs.get(job_id)
    if job is None:
        queue.take_out(job_id)
        return 1
    if queue.is_upcoming(job_id):
        raise Refused(-8)
    if _is_locked(queue, job, children=children):
        return 0
    _remove(queue, job_id, children=children)
    return 1


def _is_locked(queue: Queue, job: Job, *, children: bool) -> bool:
    pending = [queue.world.job(key) for key in job.dependencies] if children else []
    return bool(job.lock) or any(child and _is_locked(queue, child, children=True) for child in pending)


def _remove(queue: Queue, job_id: str, *, children: bool) -> None:
    family.forget_child(queue, job_id)
    job = queue.jobs[job_id]
    if children:
        for key in [*job.processed, *job.failed, *job.unsuccessful, *sorted(job.dependencies)]:
            home, child_id = queue.world.place(key)
            if child_id in home.jobs:
                _remove(home, child_id, children=True)
    _erase(queue, job_id)


def _erase(queue: Queue, job_id: str) -> None:
    previous = queue.take_out(job_id)
    deduplication.owner_removed(queue, job_id)
    del queue.jobs[job_id]
    queue.tell("removed", jobId=job_id, prev=previous)


def remove_unprocessed_children(queue: Queue, job_id: str) -> None:
    """Remove the children of a job that have not begun, and theirs; those that run or have failed stay."""
    for key in sorted(queue.find(job_id).dependencies):
        home, child_id = queue.world.place(key)
        child = home.jobs[child_id]
        if not child.lock and child_id not in home.failed:
            family.forget_child(home, child_id)
            remove_unprocessed_children(home, child_id)
            _erase(home, child_id)


def cut(queue: Queue, job_id: str, parent_key: str) -> int:
    """Cut the tie between a child and its parent; return 1 when that did not wait for it."""
    job = queue.find(job_id)
    parent = queue.world.job(parent_key) if parent_key else None
    if parent is None:
        raise Refused(-5)
    if queue.key(job_id) not in parent.dependencies:
        return 1
    family.forget_child(queue, job_id)
    job.forget("parentKey", "parent")
    return 0


def drop(queue: Queue, job_id: str) -> None:
    """Delete a job whose id its container has given up. A parent in this queue that waited for it alone goes too."""
    released = family.last_child_gone(queue, job_id)
    if released:
        home, parent_id = released
        if home is queue:
            drop(queue, parent_id)
        else:
            home.wait.insert(0, parent_id)
            home.wake()
    deduplication.owner_removed(queue, job_id)
    del queue.jobs[job_id]

"""Say what a parent, in whatever queue, learns of its children."""

from __future__ import annotations

import json

from tests.model.queue import SEQUENCES, Job, Queue


def parent_of(queue: Queue, job_id: str) -> tuple[str, Job] | None:
    """Return the key of a job's parent and the parent; None when it has none, or none that lives."""
    key = queue.jobs[job_id].fields.get("parentKey")
    parent = queue.world.job(key) if key else None
    return (key, parent) if key and parent else None


def let_go(queue: Queue, job_id: str) -> tuple[str, Job] | None:
    """Take a job off the list of those that its parent counts on; return the parent, None if it did not."""
    found = parent_of(queue, job_id)
    if found is None or queue.key(job_id) not in found[1].dependencies:
        return None
    found[1].dependencies.remove(queue.key(job_id))
    return found


def child_completed(queue: Queue, job_id: str, value: str, now: int) -> None:
    found = let_go(queue, job_id)
    if found:
        key, parent = found
        parent.processed[queue.key(job_id)] = value
        release_if_complete(queue, key, now)


def child_failed(queue: Queue, job_id: str, reason: str, now: int) -> None:
    """Apply the policy that the child was given: without one, the parent goes on waiting."""
    policy = json.loads(queue.jobs[job_id].fields.get("parent", "{}"))
    found = let_go(queue, job_id) if policy.keys() & {"fpof", "cpof", "idof", "rdof"} else None
    if found is None:
        return
    key, parent = found
    child_key = queue.key(job_id)
    if "fpof" in policy:
        fail_parent(queue, key, parent, child_key, now)
    elif "cpof" in policy:
        parent.failed[child_key] = reason
        release(queue, key, now)
    else:
        release_if_complete(queue, key, now)
        if "idof" in policy:
            parent.failed[child_key] = reason


def fail_parent(queue: Queue, key: str, parent: Job, child_key: str, now: int) -> None:
    """Have the parent failed by whichever worker takes it next; bring it to where one takes it."""
    parent.unsuccessful[child_key] = now
    home, job_id = queue.world.place(key)
    if job_id in home.failed:
        return
    if "cancelledOn" not in parent.fields:
        parent.set(defa=f"child {child_key} failed")
    if job_id in home.delayed:
        del home.delayed[job_id]
        parent.set(delay=0)
        enqueue_parent(home, job_id, now)
    else:
        release(queue, key, now)


def release_if_complete(queue: Queue, key: str, now: int) -> None:
    parent = queue.world.job(key)
    if parent and not parent.dependencies:
        release(queue, key, now)


def release(queue: Queue, key: str, now: int) -> None:
    """Let a parent run that waits for children; `now` is when the last of them ended."""
    home, job_id = queue.world.place(key)
    if job_id in home.waiting_children:
        del home.waiting_children[job_id]
        enqueue_parent(home, job_id, now)


def enqueue_parent(queue: Queue, job_id: str, now: int) -> None:
    delay = queue.jobs[job_id].number("delay")
    if delay:
        queue.delayed[job_id] = (now + delay) * SEQUENCES
        queue.tell("delayed", jobId=job_id, delay=now + delay)
        queue.mark_next_due()
    else:
        queue.make_ready(job_id, next_up=True)
        queue.wake()
        queue.tell("waiting", jobId=job_id, prev="waiting-children")


def forget_child(queue: Queue, job_id: str) -> None:
    """Stop waiting for a child that goes away. A parent whose last one it was runs next, whatever its priority."""
    released = last_child_gone(queue, job_id)
    if released:
        home, parent_id = released
        home.wait.insert(0, parent_id)
        home.wake()
        home.tell("waiting", jobId=parent_id, prev="waiting-children")


def last_child_gone(queue: Queue, job_id: str) -> tuple[Queue, str] | None:
    """Take a child off its parent's list; return the parent when that waited for this child alone."""
    found = let_go(queue, job_id)
    if found is None or found[1].dependencies:
        return None
    home, parent_id = queue.world.place(found[0])
    if parent_id not in home.waiting_children:
        return None
    del home.waiting_children[parent_id]
    return home, parent_id


def restore_child(queue: Queue, job_id: str, state: str) -> None:
    """Have the parent count again on a child that is to run again, if the end that it had was counted."""
    child_key, found = queue.key(job_id), parent_of(queue, job_id)
    if found:
        parent = found[1]
        ends = (parent.processed,) if state == "completed" else (parent.failed, parent.unsuccessful)
        counted = [ended.pop(child_key) for ended in ends if child_key in ended]
        if counted:
            parent.dependencies.add(child_key)

"""Say what adding a job does: alone, under a parent, or as a flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.model import deduplication, family
from tests.model.draft import Draft, place, store
from tests.model.queue import Queue, Refused, World


def add(queue: Queue, drafts: Sequence[Draft]) -> list[str | int]:
    """Add jobs one by one; return for each its id, that of the job that stands in for it, or the code of a refusal."""
    return [_add_one(queue, draft) for draft in drafts]


def add_flow(world: World, nodes: Sequence[tuple[Queue, Draft]]) -> list[str]:
    """Add parents, each before its children, all or none; return their ids."""
    here: set[str] = set()
    for queue, draft in nodes:
        if draft.parent and draft.parent not in here and not world.job(draft.parent):
            raise Refused(-5)
        _check_parent(queue, draft)
        here.add(queue.key(draft.job_id))
    ended: list[tuple[Queue, Draft]] = []
    ids: list[str] = []
    for queue, draft in nodes:
        queue.counter += 1
        ids.append(_add_new(queue, draft, ended))
    # Not earlier: a child that has ended already must not release its parent before its siblings are in.
    for queue, draft in ended:
        _tell_parent(queue, draft)
    return ids


def _add_one(queue: Queue, draft: Draft) -> str | int:
    if draft.parent and not queue.world.job(draft.parent):
        return -5
    queue.counter += 1
    numbered = replace(draft, job_id=draft.job_id or str(queue.counter))
    try:
        _check_parent(queue, numbered)
    except Refused as refusal:
        return refusal.code
    return _add_new(queue, numbered, None)


def _check_parent(queue: Queue, draft: Draft) -> None:
    """Refuse to take a job from another parent that lives."""
    job = queue.jobs.get(draft.job_id)
    old = job.fields.get("parentKey") if job else None
    if draft.parent and old and old != draft.parent and queue.world.job(old):
        raise Refused(-7)


def _add_new(queue: Queue, draft: Draft, ended: list[tuple[Queue, Draft]] | None) -> str:
    if draft.job_id in queue.jobs:
        _attach(queue, draft, ended)
        return draft.job_id
    if draft.deduplication:
        stand_in = deduplication.find_stand_in(queue, draft, draft.deduplication)
        if stand_in:
            return stand_in
        store(queue, draft, deid=draft.deduplication["id"])
    else:
        store(queue, draft)
    place(queue, draft)
    if draft.parent:
        queue.world.living(draft.parent).dependencies.add(queue.key(draft.job_id))
    return draft.job_id


def _attach(queue: Queue, draft: Draft, ended: list[tuple[Queue, Draft]] | None) -> None:
    """Make a job that exists a child of the parent given now; without `ended` the parent learns at once of its end."""
    job, child_key = queue.jobs[draft.job_id], queue.key(draft.job_id)
    if draft.parent:
        parent = queue.world.living(draft.parent)
        if draft.job_id in queue.completed:
            parent.processed[child_key] = job.fields["returnvalue"]
        else:
            parent.dependencies.add(child_key)
        job.set(parentKey=draft.parent, parent=draft.parent_record)
        if draft.job_id in queue.completed or draft.job_id in queue.failed:
            if ended is None:
                _tell_parent(queue, draft)
            else:
                ended.append((queue, draft))
    queue.tell("duplicated", jobId=draft.job_id)


def _tell_parent(queue: Queue, draft: Draft) -> None:
    if draft.job_id in queue.completed:
        family.release_if_complete(queue, draft.parent, draft.timestamp)
    else:
        family.child_failed(queue, draft.job_id, queue.jobs[draft.job_id].fields["failedReason"], draft.timestamp)

"""Say how jobs of one deduplication id are kept from being in a queue twice."""

from __future__ import annotations

import json
from typing import Any

from tests.model import family
from tests.model.draft import Draft, place, store
from tests.model.queue import Expiring, Queue


def find_stand_in(queue: Queue, draft: Draft, options: dict[str, Any]) -> str | None:
    """Return the job that stands in for the draft; None when the draft is to be added, which now owns the id."""
    name: str = options["id"]
    owner = queue.owners.get(name)
    if owner and options.get("replace") and owner.value in queue.delayed:
        _replace(queue, options, str(owner.value), draft.job_id)
        return None
    if owner is None or (owner.left_ms is None and owner.value not in queue.jobs):
        # Nobody would ever free a claim without end whose owner is gone.
        if owner:
            queue.parked.pop(name, None)
        _claim(queue, options, draft.job_id)
        return None
    if options.get("keepLastIfActive") and owner.value in queue.active:
        _park(queue, options, str(owner.value), draft)
    elif not options.get("replace"):
        _drop(queue, options, str(owner.value), draft)
    return str(owner.value)


def owner_ended(queue: Queue, job_id: str, now: int) -> None:
    """Let go of what a job held that ends, and add the newest of those that came while it ran."""
    name = queue.jobs[job_id].fields.get("deid", "")
    owner = queue.owners.get(name)
    if owner and owner.left_ms is None and owner.value == job_id:
        del queue.owners[name]
    parked = queue.parked.pop(name, None)
    if parked is None:
        return
    queue.counter += 1
    if parked["jid"] not in queue.jobs:
        options: dict[str, Any] = json.loads(parked["opts"])
        draft = Draft(
            parked["jid"], parked["name"], parked["data"], parked["opts"], now,
            options.get("delay", 0), options.get("priority", 0), options.get("lifo", False),
        )  # fmt: skip
        _claim(queue, options["de"], draft.job_id)
        store(queue, draft, deid=name)
        place(queue, draft)


def owner_removed(queue: Queue, job_id: str) -> None:
    """Free what a job owned that is removed, and forget who was parked behind it."""
    name = queue.jobs[job_id].fields.get("deid", "")
    if name in queue.owners and queue.owners[name].value == job_id:
        del queue.owners[name]
        queue.parked.pop(name, None)


def _claim(queue: Queue, options: dict[str, Any], job_id: str) -> None:
    ttl = None if options.get("keepLastIfActive") else options.get("ttl")
    queue.owners[options["id"]] = Expiring(job_id, ttl)


def _replace(queue: Queue, options: dict[str, Any], owner: str, job_id: str) -> None:
    """Put the new job in the place of one that is still delayed."""
    left = queue.owners[options["id"]].left_ms
    family.forget_child(queue, owner)
    del queue.delayed[owner], queue.jobs[owner]
    queue.tell("removed", jobId=owner, prev="delayed")
    _tell(queue, options, job_id, owner)
    queue.parked.pop(options["id"], None)
    _claim(queue, options, job_id)
    if options.get("ttl") and not options.get("extend") and not options.get("keepLastIfActive"):
        queue.owners[options["id"]].left_ms = left


def _park(queue: Queue, options: dict[str, Any], owner: str, draft: Draft) -> None:
    """Keep the draft until its owner ends, in the place of any earlier one."""
    queue.parked[options["id"]] = {
        "name": draft.name,
        "data": draft.data,
        "opts": draft.opts,
        "jid": draft.job_id,
    }
    queue.owners[options["id"]].left_ms = None
    _tell(queue, options, owner, draft.job_id)


def _drop(queue: Queue, options: dict[str, Any], owner: str, draft: Draft) -> None:
    if options.get("extend") and options.get("ttl"):
        _claim(queue, options, owner)
    _tell(queue, options, owner, draft.job_id)
    if options.get("reschedule") and owner in queue.delayed:
        queue.jobs[owner].set(delay=draft.delay)
        queue.hold_back(owner, draft.timestamp + draft.delay)
        queue.mark_next_due()


def _tell(queue: Queue, options: dict[str, Any], survivor: str, other: str) -> None:
    queue.tell("deduplicated", jobId=survivor, deduplicationId=options["id"], deduplicatedJobId=other)

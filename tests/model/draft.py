"""Hold a job that is to be added, and say where its options put it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.model.queue import Job, Queue


@dataclass(frozen=True)
class Draft:
    """Hold a job to be added. An empty id is given by the counter; `policy` is the flag for the parent."""

    job_id: str
    name: str
    data: str
    opts: str
    timestamp: int
    delay: int = 0
    priority: int = 0
    next_up: bool = False
    parent: str = ""
    policy: str = ""
    deduplication: dict[str, Any] | None = None
    has_children: bool = False

    @property
    def parent_record(self) -> str:
        queue, _, job_id = self.parent.rpartition(":")
        return json.dumps({"id": job_id, "queueKey": queue} | ({self.policy: True} if self.policy else {}))


def store(queue: Queue, draft: Draft, **also: str) -> None:
    job = Job({"name": draft.name, "data": draft.data, "opts": draft.opts})
    job.set(timestamp=draft.timestamp, delay=draft.delay, priority=draft.priority, **also)
    if draft.parent:
        job.set(parentKey=draft.parent, parent=draft.parent_record)
    queue.jobs[draft.job_id] = job
    queue.tell("added", jobId=draft.job_id, name=draft.name)


def place(queue: Queue, draft: Draft) -> None:
    """Put a new job where its options say."""
    if draft.has_children:
        queue.waiting_children[draft.job_id] = draft.timestamp
        queue.tell("waiting-children", jobId=draft.job_id)
    elif draft.delay:
        queue.hold_back(draft.job_id, draft.timestamp + draft.delay)
        queue.mark_next_due()
    else:
        queue.make_ready(draft.job_id, next_up=draft.next_up)
        queue.wake()
        queue.tell("waiting", jobId=draft.job_id)

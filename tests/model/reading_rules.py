"""Read what there is to read about jobs and queues, and compare it with what the model says."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from oxmq.ops import families, jobs, queues
from tests.model.administration import line
from tests.model.machine import Machine, any_job, bases, needs, which
from tests.model.queue import Queue

CONTAINERS = ("wait", "active", "delayed", "prioritized", "completed", "failed", "waiting-children")


def state_of(queue: Queue, job_id: str) -> str:
    place = next((name for name in CONTAINERS if job_id in line(queue, name)), "unknown")
    return "waiting" if place == "wait" else place


def end_of(queue: Queue, job_id: str) -> str | None:
    """Return the value or reason with which a job ended; None when it has not."""
    job = queue.find(job_id)
    if job_id in queue.completed:
        return job.fields["returnvalue"]
    return job.fields["failedReason"] if job_id in queue.failed else None


class ReadingRules(Machine):
    """Read."""

    @needs(any_job)
    @rule(base=bases, number=which, container=st.sampled_from(CONTAINERS), asc=st.booleans())
    def read(self, base: str, number: int, container: str, asc: bool) -> None:
        base, job_id = self.choose(base, number, any_job)
        queue, keys = self.queue(base), self.keys(base)
        self.both(lambda: state_of(queue, job_id), jobs.get_state(keys, job_id))
        self.both(lambda: end_of(queue, job_id), jobs.is_finished(keys, job_id), _as_end)
        self.both(lambda: {name: len(line(queue, name)) for name in CONTAINERS}, queues.get_counts(keys, CONTAINERS))
        self.both(lambda: self._count_children(queue, job_id), families.count(keys, job_id))
        ids = line(queue, container)
        self.both(
            lambda: ids if asc else ids[::-1],
            queues.get_jobs(keys, container, 0, -1, asc=asc),
            lambda page: [record.id for record in page.records],
        )

    @staticmethod
    def _count_children(queue: Queue, job_id: str) -> dict[str, int]:
        job = queue.jobs.get(job_id)
        ends = (job.processed, job.dependencies, job.failed, job.unsuccessful) if job else ((),) * 4
        return dict(zip(("processed", "unprocessed", "ignored", "failed"), map(len, ends), strict=True))


def _as_end(reply: jobs.Ended | str) -> str | None:
    if isinstance(reply, str):
        return None
    return reply.reason if reply.value is None else reply.value.decode()

"""Change single jobs, run them again, cancel and remove them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from oxmq.ops import changes as change_ops
from oxmq.ops import families, jobs
from tests.model import changes, removal
from tests.model.machine import Machine, any_job, bases, needs, which
from tests.model.queue import Queue

flags = st.booleans()
NOTES = ("data", "progress", "log", "clear log")
REMOVALS = ("remove", "remove alone", "remove children", "cut", "cut another")


def parents(queue: Queue) -> list[str]:
    return [job_id for job_id, job in queue.jobs.items() if job.dependencies]


def children(queue: Queue) -> list[str]:
    return [job_id for job_id, job in queue.jobs.items() if "parentKey" in job.fields]


def ended(queue: Queue) -> list[str]:
    return [*queue.failed, *queue.completed]


class ChangingRules(Machine):
    """Do what is done to single jobs."""

    @needs(any_job)
    @rule(base=bases, number=which, keep=st.sampled_from([None, 1, 2]), what=st.sampled_from(NOTES))
    def note(self, base: str, number: int, keep: int | None, what: str) -> None:
        queue, keys = self.queue(base), self.keys(base)
        job_id = self.pick(base, number, queue.active or queue.jobs)
        match what:
            case "data":
                self.both(lambda: changes.update_data(queue, job_id, "[1]"), jobs.update_data(keys, job_id, b"[1]"))
            case "progress":
                self.both(lambda: changes.update_progress(queue, job_id, "5"), jobs.update_progress(keys, job_id, b"5"))
            case "log":
                self.both(lambda: changes.add_log(queue, job_id, "row", keep), jobs.add_log(keys, job_id, "row", keep))
            case _:
                self.both(lambda: changes.clear_logs(queue, job_id, keep), jobs.clear_logs(keys, job_id, keep))

    @needs(lambda queue: queue.delayed)
    @rule(base=bases, number=which, delay=st.sampled_from([None, None, 0, 1, 5, 1_000]))
    def change_delay(self, base: str, number: int, delay: int | None) -> None:
        """Change a job's delay, or end it."""
        base, job_id = self.choose(base, number, lambda queue: queue.delayed)
        queue, keys = self.queue(base), self.keys(base)
        if delay is None:
            self.both(lambda: changes.promote(queue, job_id), jobs.promote(keys, job_id))
        else:
            self.both(
                lambda: changes.change_delay(queue, job_id, delay, self.now),
                change_ops.change_delay(keys, job_id, self.now, delay),
            )

    @needs(any_job)
    @rule(base=bases, number=which, priority=st.integers(0, 2), next_up=flags)
    def change_priority(self, base: str, number: int, priority: int, next_up: bool) -> None:
        base, job_id = self.choose(base, number, lambda queue: [*queue.wait, *queue.prioritized])
        self.both(
            lambda: changes.change_priority(self.queue(base), job_id, priority, next_up=next_up),
            change_ops.change_priority(self.keys(base), job_id, priority, lifo=next_up),
        )

    @needs(ended)
    @rule(base=bases, number=which, next_up=flags, reset=flags, is_wrong=st.sampled_from([False] * 5 + [True]))
    def retry(self, base: str, number: int, next_up: bool, reset: bool, is_wrong: bool) -> None:
        base, job_id = self.choose(base, number, ended)
        queue = self.queue(base)
        # One that has never started counts as its scheduler's next.
        reset = reset and not job_id.startswith("repeat:")
        state = "failed" if (job_id in queue.failed) is not is_wrong else "completed"
        self.both(
            lambda: changes.retry(queue, job_id, state, next_up=next_up, reset_made=reset, reset_started=reset),
            jobs.retry(self.keys(base), job_id, state, next_up=next_up, reset_made=reset, reset_started=reset),
        )

    @needs(any_job)
    @rule(base=bases, number=which, keep_count=st.sampled_from([-1, -1, 0, 1]))
    def cancel(self, base: str, number: int, keep_count: int) -> None:
        base, job_id = self.choose(base, number, any_job)
        self.both(
            lambda: changes.cancel(self.queue(base), job_id, "cancelled", self.now, keep_count),
            jobs.cancel(self.keys(base), job_id, "cancelled", self.now, keep_count),
        )

    @needs(any_job)
    @rule(base=bases, number=which, what=st.sampled_from(REMOVALS))
    def remove(self, base: str, number: int, what: str) -> None:
        wanted = parents if what == "remove children" else children if "cut" in what else any_job
        if not self.has(wanted):
            return
        match what:
            case "remove children":
                self._remove_unprocessed_children(*self.choose(base, number, parents))
            case "cut" | "cut another":
                self._cut(*self.choose(base, number, children), is_right=what == "cut")
            case _:
                self._remove(*self.choose(base, number, any_job), children=what == "remove")

    def _remove(self, base: str, job_id: str, *, children: bool) -> None:
        self.both(
            lambda: removal.remove(self.queue(base), job_id, children=children),
            jobs.remove(self.keys(base), job_id, children=children),
        )

    def _remove_unprocessed_children(self, base: str, job_id: str) -> None:
        self.both(
            lambda: removal.remove_unprocessed_children(self.queue(base), job_id),
            families.remove_unprocessed(self.keys(base), job_id, 0),
            lambda cursor: None if cursor == 0 else cursor,
        )

    def _cut(self, base: str, job_id: str, *, is_right: bool) -> None:
        """Cut the tie between a child and its parent, or a job that is not."""
        job = self.queue(base).jobs.get(job_id)
        parent = job.fields.get("parentKey", "") if job and is_right else "bull:q:gone"
        self.both(
            lambda: removal.cut(self.queue(base), job_id, parent),
            families.remove_dependency(self.keys(base), job_id, parent),
            lambda found: int(not found),
        )

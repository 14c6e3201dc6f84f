"""Make, change and remove schedulers, and have their jobs follow one another."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import rule

from oxmq.ops import schedulers
from oxmq.options import JobOptions
from oxmq.schedules import Schedule
from tests.model import schedules
from tests.model.machine import Machine, bases, needs, which
from tests.model.queue import Queue
from tests.model.schedules import MINUTELY, Plan

plans = st.builds(
    Plan,
    every=st.sampled_from([None, 1_000, 1_000, 60_000]),
    offset=st.sampled_from([None, None, 0, 7]),
    limit=st.sampled_from([None, None, None, 0, 1, 2]),
    start=st.sampled_from([None, None, None, -5, 5, 90_000]),
    end=st.sampled_from([None, None, None, -5, 5_000, 120_000]),
    missed=st.sampled_from(["one", "one", "skip", "all"]),
    overlap=st.sampled_from(["allow", "allow", "skip"]),
    priority=st.sampled_from([0, 0, 0, 1]),
    next_up=st.booleans(),
    data=st.sampled_from(["{}", "[1]"]),
)


def iterations_running(queue: Queue) -> list[str]:
    return [job_id for job_id in queue.active if "rjk" in queue.jobs[job_id].fields]


def paused_schedulers(queue: Queue) -> list[str]:
    return [scheduler for scheduler in queue.schedule if "paused" in queue.records[scheduler]]


class SchedulerRules(Machine):
    """Do what is done to schedulers, and what workers do with their jobs."""

    @rule(base=bases, scheduler=st.sampled_from(["s", "s", "t"]), plan=plans)
    def upsert(self, base: str, scheduler: str, plan: Plan) -> None:
        plan = self._dated(plan)
        if "paused" in self.queue(base).meta:
            self._leave_over(base, scheduler)
        options = JobOptions(priority=plan.priority, lifo=plan.next_up)
        template = schedulers.template("job", [1] if plan.data == "[1]" else {}, options, JobOptions())
        wanted = schedulers.definition(as_schedule(plan), template, declared=False)
        self.both(
            lambda: schedules.upsert(self.queue(base), scheduler, self.now, plan),
            schedulers.upsert(self.keys(base), scheduler, self.now, as_schedule(plan), template, wanted),
            lambda record: record and record.id,
        )

    def _dated(self, plan: Plan) -> Plan:
        """Return the plan with its bounds counted from now, and without an offset where there is no interval."""
        return Plan(
            plan.every,
            plan.offset if plan.every else None,
            plan.limit,
            None if plan.start is None else self.now + plan.start,
            None if plan.end is None else self.now + plan.end,
            plan.missed,
            plan.overlap,
            plan.priority,
            plan.next_up,
            plan.data,
            {"priority": plan.priority, "lifo": plan.next_up},
        )

    @needs(iterations_running)
    @rule(base=bases, number=which)
    def advance(self, base: str, number: int) -> None:
        base = self.busiest(base, iterations_running)
        running = iterations_running(self.queue(base))
        self.follow_up(base, running[number % len(running)])

    @needs(lambda queue: queue.schedule)
    @rule(base=bases, number=which)
    def remove_scheduler(self, base: str, number: int) -> None:
        base, scheduler = self._some_scheduler(base, number)
        self._leave_over(base, scheduler)
        self.both(lambda: schedules.remove(self.queue(base), scheduler), schedulers.remove(self.keys(base), scheduler))

    @needs(lambda queue: queue.schedule)
    @rule(base=bases, number=which)
    def pause_scheduler(self, base: str, number: int) -> None:
        base, scheduler = self._some_scheduler(base, number)
        self.both(lambda: schedules.pause(self.queue(base), scheduler), schedulers.pause(self.keys(base), scheduler))

    @needs(paused_schedulers)
    @rule(base=bases, number=which)
    def resume_scheduler(self, base: str, number: int) -> None:
        base = self.busiest(base, paused_schedulers)
        paused = paused_schedulers(self.queue(base))
        scheduler = paused[number % len(paused)]
        stored = self.runner.run(schedulers.get_record(self.keys(base), scheduler))
        assert stored is not None
        self.both(
            lambda: schedules.resume(self.queue(base), scheduler, self.now),
            schedulers.resume(self.keys(base), scheduler, self.now, stored),
            lambda said: said == 1,
        )

    def _some_scheduler(self, base: str, number: int) -> tuple[str, str]:
        base = self.busiest(base, lambda queue: queue.schedule)
        known = [*self.queue(base).schedule, "gone"]
        return base, known[number % len(known)]

    def _leave_over(self, base: str, scheduler: str) -> None:
        """Note the job that stays in line though it is not its scheduler's next one any more."""
        self.left_over.add(f"repeat:{scheduler}:{schedules.last_due(self.queue(base), scheduler)}")


def as_schedule(plan: Plan) -> Schedule:
    return Schedule(
        every_ms=plan.every,
        offset_ms=plan.offset,
        pattern=None if plan.every else MINUTELY,
        tz=None if plan.every else "UTC",
        limit=plan.limit,
        start=instant(plan.start),
        end=instant(plan.end),
        missed=plan.missed,  # type: ignore[arg-type]  # drawn from the words that there are
        overlap=plan.overlap,  # type: ignore[arg-type]  # likewise
    )


def instant(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)

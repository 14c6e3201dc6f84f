"""Walk over job schedulers: making, changing and removing them while their jobs run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.compat.recording import QUEUE, START_MS, Recording
from tests.compat.wandering import ERROR, FATAL, Choices, Walk
from tests.golden.keyspace import Json


class SchedulerWalk(Walk):
    """Let two schedulers make jobs."""

    def __init__(self, recording: Recording, seed: int) -> None:
        super().__init__(recording, seed)
        self.now = START_MS

    def calls(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        return [
            (5, self.upsert),
            (1, self.remove_scheduler),
            (2, self.look),
            (1, self.add),
            (10, self.fetch),
            (7, self.complete),
            (3, self.fail),
            (1, self.postpone),
            (1, self.give_back),
            (1, self.lose_lock_and_check),
            (10, self.advance),
            (1, self.on_next_job),
            (1, self.drain),
            (1, self.clean),
            (1, self.drop_marker),
        ]

    async def complete(self) -> None:
        # What BullMQ's call hands over with it is no job yet: the worker makes one of it, and the next iteration.
        await self.finish("job.moveToCompleted", self.random.choice([1, None]), fetch_next=False, wrong_tokens=0.1)

    async def fail(self) -> None:
        await self.finish("job.moveToFailed", self.random.choice([ERROR, ERROR, FATAL]), fetch_next=False)

    async def upsert(self) -> None:
        scheduler = self.random.choice(sorted(INTERVALS))
        template = self.options(TEMPLATE)
        if "opts" in template:
            template["opts"] = self.options(TEMPLATE_OPTIONS)
        repeat = await self._repeat(scheduler)
        await self.recording.do("queue.upsertJobScheduler", scheduler, repeat, template)

    async def _repeat(self, scheduler: str) -> dict[str, Json]:
        if self.random.random() < 0.5 or await self._runs_ahead(scheduler):
            return {"every": INTERVALS[scheduler]} | self.options(EVERY)
        repeat = self.options(CRON)
        if "immediately" in repeat:
            repeat.pop("startDate", None)
        return repeat

    async def _runs_ahead(self, scheduler: str) -> bool:
        """Tell whether a job exists whose time is yet to come, or has come just now, other than the next one.

        With a pattern BullMQ would write the new job over it; we take the time after that.
        """
        due = await self.peek("ZSCORE", f"bull:{QUEUE}:repeat", scheduler)
        keys = await self.peek("KEYS", f"bull:{QUEUE}:repeat:{scheduler}:*[0-9]")
        return any(self.now <= int(key.rpartition(":")[2]) != due for key in keys)

    async def remove_scheduler(self) -> None:
        await self.recording.do("queue.removeJobScheduler", self.random.choice(sorted(INTERVALS)))

    async def look(self) -> None:
        op, *args = self.random.choice(READS)
        await self.recording.do(op, *args)

    async def on_next_job(self) -> None:
        """Do something to the next job of a scheduler, which is not to be removed by hand."""
        scheduler = self.random.choice(sorted(INTERVALS))
        due = await self.peek("ZSCORE", f"bull:{QUEUE}:repeat", scheduler)
        if not isinstance(due, str | int | float):
            return
        alias = f"n{self.next_number()}"
        found = await self.recording.do("queue.getJob", f"repeat:{scheduler}:{int(float(due))}", alias=alias)
        if found and "$job" in found:
            op, *args = self.random.choice(ON_NEXT_JOB)
            await self.recording.do(op, *args, on=alias)

    async def advance(self) -> None:
        step = self.random.choice([1, 900, 5000, 10_000, 61_000])
        self.now += step
        await self.recording.do("clock.advance", step)

    async def _next_jobs_are_ready(self) -> bool:
        ready = await self.peek("LRANGE", f"bull:{QUEUE}:wait", 0, -1)
        return any(job_id.startswith("repeat:") for job_id in ready)

    async def drain(self) -> None:
        # BullMQ cuts the list by a count and may leave the wrong jobs when one of them belongs to a scheduler.
        if not await self._next_jobs_are_ready():
            await self.recording.do("queue.drain", True)

    async def clean(self) -> None:
        state = self.random.choice(["completed", "failed", "delayed", "prioritized", "wait"])
        await self.recording.do("queue.clean", 0, 100, state)


#: The schedulers, and the intervals that they have when they have no pattern. With a shorter one than before, BullMQ
#: may leave times out, because it keeps the distance from whole multiples of the longer one.
INTERVALS: Final = {"tick": 5000, "tock": 7500}

EVERY: Final[Choices] = [
    (0.2, "offset", [300, 4000]),
    (0.3, "limit", [1, 2, 5]),
    (0.15, "startDate", [START_MS + 20_000, START_MS - 20_000]),
]

#: Only these end, because BullMQ makes one job more than it should of an interval.
CRON: Final[Choices] = [
    (1, "pattern", ["*/5 * * * * *", "0 * * * * *", "30 */2 * * *", "0 9 * * 1-5"]),
    (1, "tz", ["UTC", "Europe/Berlin"]),
    (0.2, "immediately", [True]),
    (0.3, "limit", [1, 2, 5]),
    (0.15, "startDate", [START_MS + 20_000, START_MS - 20_000]),
    (0.15, "endDate", [START_MS + 40_000, START_MS + 400_000]),
]

TEMPLATE: Final[Choices] = [
    (0.7, "name", ["job", "other"]),
    (0.6, "data", [{"t": 1}, {"t": 2}, []]),
    (0.6, "opts", [{}]),
]

TEMPLATE_OPTIONS: Final[Choices] = [
    (0.4, "attempts", [1, 3]),
    (0.3, "backoff", [{"type": "fixed", "delay": 100}]),
    (0.3, "priority", [1, 2]),
    (0.2, "lifo", [True]),
    (0.3, "removeOnComplete", [True, 1]),
    (0.2, "keepLogs", [3]),
]

ON_NEXT_JOB: Final[list[list[Json]]] = [
    ["job.remove"],
    ["job.promote"],
    ["job.changeDelay", 2000],
    ["job.changePriority", {"priority": 1}],
    ["job.updateData", {"by": "hand"}],
]

READS: Final[list[list[Json]]] = [
    ["queue.getJobScheduler", "tick"],
    ["queue.getJobScheduler", "tock"],
    ["queue.getJobSchedulers", 0, -1, True],
    ["queue.getJobSchedulers"],
    ["queue.getJobSchedulersCount"],
]

"""Chosen cases of deduplication, schedulers and administration."""

from __future__ import annotations

from typing import Final

from tests.compat.recording import QUEUE, START_MS, Recording
from tests.compat.wandering import ERROR, NOW, look_at_marker
from tests.golden.keyspace import Json

BASE: Final = f"bull:{QUEUE}"


async def add(to: Recording, alias: str, **opts: Json) -> None:
    await to.do("queue.add", "w", {"by": alias}, opts, alias=alias)


async def fetch(to: Recording, alias: str) -> None:
    await to.do("worker.getNextJob", alias, NOW, alias=alias)


# ---- deduplication -------------------------------------------------------------------------------------------------


async def a_key_is_taken_over_when_its_owner_is_gone(to: Recording) -> None:
    for modes in (
        {},
        {"keepLastIfActive": True},
        {"replace": True},
        {"ttl": 600_000},
        {"replace": True, "ttl": 600_000},
    ):
        await add(to, "owner", deduplication={"id": "d"} | modes)
        await to.do("raw", "DEL", f"{BASE}:{to.steps[-1]['returns']['$job']}", f"{BASE}:wait")
        await add(to, "next", deduplication={"id": "d"} | modes)
        await to.do("raw", "DEL", f"{BASE}:de:d")


async def the_newest_of_those_that_were_kept_out_runs_when_the_owner_has_ended(to: Recording) -> None:
    newest: dict[str, Json] = {"id": "d", "keepLastIfActive": True}
    await add(to, "owner", deduplication={"id": "d", "ttl": 600_000})
    await fetch(to, "a1")
    await add(to, "j2", deduplication=newest, priority=3)
    await add(to, "j3", deduplication=newest | {"ttl": 900_000}, delay=1000, jobId="own-id", attempts=2)
    await to.do("job.moveToFailed", ERROR, "a1", False, on="a1")
    await look_at_marker(to)
    await to.do("clock.advance", 1000)
    await fetch(to, "a2")
    await add(to, "j4", deduplication=newest)
    await to.do("job.moveToFailed", ERROR, "a2", False, on="a2")
    await fetch(to, "a3")
    await to.do("job.moveToCompleted", 1, "a3", True, on="a3")


async def the_owner_is_removed_with_the_one_that_waits_for_its_end(to: Recording) -> None:
    newest: dict[str, Json] = {"id": "d", "keepLastIfActive": True}
    await add(to, "j1", deduplication=newest)
    await fetch(to, "a1")
    await add(to, "j2", deduplication=newest)
    await to.do("job.moveToWait", "a1", on="a1")
    await to.do("job.remove", on="j1")


async def a_delayed_owner_is_put_off_again(to: Recording) -> None:
    again: dict[str, Json] = {"id": "d", "reschedule": True}
    await add(to, "j1", deduplication=again, delay=5000)
    await to.do("clock.advance", 1000)
    await add(to, "j2", deduplication=again, delay=5000)
    await look_at_marker(to)
    await add(to, "j3", deduplication=again)
    await add(to, "j4", deduplication=again | {"ttl": 600_000, "extend": True}, delay=3000, timestamp=START_MS)
    await look_at_marker(to)


# ---- administration ------------------------------------------------------------------------------------------------


async def delays_and_priorities_are_changed(to: Recording) -> None:
    for name, opts in (
        ("plain", {}),
        ("ranked", {"priority": 5}),
        ("later", {"delay": 9000}),
        ("both", {"delay": 9000, "priority": 2}),
    ):
        await add(to, name, jobId=name, **opts)
    for name in ("plain", "ranked", "later", "both"):
        await look_at_marker(to)
        await to.do("job.changeDelay", 700, on=name)
        await to.do("job.changePriority", {"priority": 3}, on=name)
        await to.do("job.changePriority", {"priority": 4, "lifo": True}, on=name)
    for name in ("both", "plain"):
        await to.do("job.changePriority", {"priority": 0, "lifo": True}, on=name)
        await look_at_marker(to)
    await to.do("queue.promoteJobs")
    await look_at_marker(to)
    for number in range(4):
        await fetch(to, f"a{number}")
    await to.do("job.changePriority", {"priority": 1}, on="a0")
    await to.do("job.changeDelay", 5, on="a0")


async def everything_is_obliterated_in_small_steps(to: Recording) -> None:
    for number in range(12):
        await add(
            to, f"j{number}", **[{}, {"delay": 5}, {"priority": 1}][number % 3], deduplication={"id": f"d{number}"}
        )
    for number, error in enumerate((None, ERROR, None)):
        await fetch(to, f"a{number}")
        op, value = ("job.moveToFailed", error) if error else ("job.moveToCompleted", 1)
        await to.do(op, value, f"a{number}", False, on=f"a{number}")
    await fetch(to, "running")
    await to.do("queue.setGlobalConcurrency", 5)
    await to.do("queue.upsertJobScheduler", "tick", {"every": 1000}, {"name": "tick"})
    await to.do("queue.obliterate", {})
    await to.do("queue.obliterate", {"force": True, "count": 2})


# ---- schedulers ----------------------------------------------------------------------------------------------------


async def a_slot_is_taken_by_a_job_that_was_kept(to: Recording) -> None:
    """The first job is run before its time and kept; when the scheduler is made anew, its slot is not free."""
    soon: dict[str, Json] = {"every": 10_000, "startDate": START_MS + 10_000}
    for repeat in (soon, {"pattern": "*/10 * * * * *", "tz": "UTC"}):
        name = f"s{len(to.steps)}"
        await to.do("queue.upsertJobScheduler", name, repeat, {"name": name}, alias=name)
        await to.do("job.promote", on=name)
        await fetch(to, f"a-{name}")
        await to.do("job.moveToCompleted", 1, f"a-{name}", False, on=f"a-{name}")
        await to.do("queue.removeJobScheduler", name)
        for _ in range(2):
            await to.do("queue.upsertJobScheduler", name, repeat, {"name": name})


async def a_scheduler_of_an_interval_becomes_one_of_a_pattern_and_back(to: Recording) -> None:
    for repeat in (
        {"every": 4000},
        {"pattern": "0 * * * * *", "tz": "UTC"},
        {"every": 6000, "offset": 500},
        {"every": 6000},
    ):
        await to.do("queue.upsertJobScheduler", "s", repeat, {"name": "s", "data": repeat, "opts": {"attempts": 2}})
        await to.do("clock.advance", 1500)
        await to.do("queue.getJobScheduler", "s")
        await fetch(to, f"a{len(to.steps)}")
    await look_at_marker(to)


async def a_job_of_a_scheduler_comes_late_and_is_retried(to: Recording) -> None:
    await to.do("queue.upsertJobScheduler", "s", {"every": 4000}, {"name": "s", "opts": {"attempts": 2}})
    for _ in range(3):
        await fetch(to, "a1")
        await to.do("clock.advance", 9300)
        await to.do("job.moveToFailed", ERROR, "a1", False, on="a1")


QUEUE_CASES: Final = (
    a_key_is_taken_over_when_its_owner_is_gone,
    the_newest_of_those_that_were_kept_out_runs_when_the_owner_has_ended,
    the_owner_is_removed_with_the_one_that_waits_for_its_end,
    a_delayed_owner_is_put_off_again,
    delays_and_priorities_are_changed,
    everything_is_obliterated_in_small_steps,
    a_slot_is_taken_by_a_job_that_was_kept,
    a_scheduler_of_an_interval_becomes_one_of_a_pattern_and_back,
    a_job_of_a_scheduler_comes_late_and_is_retried,
)

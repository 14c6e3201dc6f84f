"""Schedules that an app's code declares are brought in line when a worker starts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oxmq import ConfigurationError, Oxmq, cron, every
from tests.integration.bed import Bed
from tests.support.waiting import eventually

NIGHTLY = cron("0 3 * * *", tz="Europe/Berlin")


async def schedules_of(app: Oxmq) -> dict[str, Any]:
    return {scheduler.id: scheduler.schedule for scheduler in await app.queue().get_job_schedulers()}


async def start_worker(bed: Bed, app: Oxmq) -> None:
    """Start a worker of the app, and stop it once it has looked at the schedules."""
    worker = bed.app_worker(app)
    working = asyncio.ensure_future(worker.run(handle_signals=False))
    await eventually(lambda: bool(worker.health()) and worker.schedules_reconciled)
    await worker.close()
    await working


async def test_a_declared_schedule_is_added_changed_and_removed(bed: Bed) -> None:
    first = bed.app()

    async def clean_up() -> None: ...

    first.task(schedule=NIGHTLY)(clean_up)
    await start_worker(bed, first)
    assert await schedules_of(first) == {"clean_up": NIGHTLY}

    second, later = bed.app(), cron("0 4 * * *", tz="Europe/Berlin")
    second.task(schedule=later)(clean_up)
    await start_worker(bed, second)
    assert await schedules_of(second) == {"clean_up": later}

    third = bed.app()
    third.task(clean_up)
    await start_worker(bed, third)
    assert await schedules_of(third) == {}


async def test_a_schedule_that_is_paused_stays_so(bed: Bed) -> None:
    app, later = bed.app(), bed.app()

    async def poll() -> None: ...

    app.task(schedule=every("1h"))(poll)
    await start_worker(bed, app)
    queue = app.queue()
    assert await queue.pause_job_scheduler("poll")
    await start_worker(bed, app)
    later.task(schedule=every("2h"))(poll)
    await start_worker(bed, later)
    (found,) = await queue.get_job_schedulers()
    assert (found.paused, found.schedule and found.schedule.every_ms) == (True, 7_200_000)
    assert not await queue.get_delayed()
    assert await queue.resume_job_scheduler("poll")
    assert len(await queue.get_delayed()) == 1


async def test_a_schedule_that_is_so_already_is_left_alone(bed: Bed) -> None:
    app = bed.app()

    @app.task(schedule=every("1h", overlap="skip"), attempts=3, deduplication="args")
    async def poll(deep: bool = False) -> None: ...

    await start_worker(bed, app)
    (before,) = await app.queue().get_job_schedulers()
    await start_worker(bed, app)
    (after,) = await app.queue().get_job_schedulers()
    assert before.options.attempts == 3
    assert (after.id, after.next, after.iteration_count) == ("poll", before.next, before.iteration_count)
    assert poll.schedule is not None


async def test_a_schedule_that_was_made_at_run_time_is_not_touched(bed: Bed) -> None:
    app = bed.app()

    @app.task
    async def report(month: int) -> None: ...

    await app.upsert_schedule(report.call(month=7), every("1h"), id="july")
    await start_worker(bed, app)
    (scheduler,) = await app.queue().get_job_schedulers()
    assert (scheduler.id, scheduler.name, scheduler.data) == ("july", "report", {"month": 7})
    assert await app.remove_schedule("july")
    assert not await app.remove_schedule("july")


async def test_a_scheduled_task_runs_again_and_again(bed: Bed) -> None:
    app, runs = bed.app(), asyncio.Queue[int]()

    @app.task(schedule=every("200ms"))
    async def beat() -> None:
        runs.put_nowait(1)

    worker = bed.app_worker(app)
    working = asyncio.ensure_future(worker.run(handle_signals=False))
    for _ in range(3):
        await asyncio.wait_for(runs.get(), timeout=10)
    await worker.close()
    await working
    assert beat.schedule == every("200ms")


async def test_a_task_that_needs_arguments_cannot_be_scheduled_by_declaration(bed: Bed) -> None:
    app = bed.app()
    with pytest.raises(ConfigurationError, match=r"month.*a scheduled task is called without arguments"):

        @app.task(schedule=NIGHTLY)
        async def report(month: int) -> None: ...  # pyright: ignore[reportUnusedFunction] - it is refused


async def test_what_is_no_schedule_is_refused(bed: Bed) -> None:
    wrong: Any = "0 3 * * *"
    with pytest.raises(ConfigurationError, match=r"schedule must be made with cron\(\) or every\(\)"):
        bed.app().task(schedule=wrong)(lambda: None)

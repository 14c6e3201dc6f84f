"""What inline mode leaves on jobs is what a worker leaves on a server."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from oxmq import Job, ManualClock, Oxmq
from oxmq.testing import enqueued, inline, run_until_idle
from tests.testing import shop

PATIENCE = 60

Scenario = Callable[[], Awaitable[object]]


async def plain() -> None:
    await shop.send_mail.options(priority=2, keep_logs=1).enqueue(1, subject="Hello")
    await shop.price.enqueue("tea", count=2)
    await shop.app.enqueue_many([shop.heavy.call(1), shop.price.call("milk")])


async def retries() -> None:
    await shop.send_mail.enqueue(1, fail_until=2)
    await shop.send_mail.options(stack_trace_limit=1).enqueue(2, fail_until=9)


async def flow() -> None:
    children = [shop.price.call("tea"), shop.send_mail.options(ignore_dependency_on_failure=True).call(1, fail_until=9)]
    await shop.app.flow(shop.good_morning.call(), children=children)
    await shop.app.flow(shop.total.call(), children=[shop.price.call("a"), shop.price.call("bc")])


async def failing_flow() -> None:
    failing = shop.send_mail.options(attempts=1).call(1, fail_until=9)
    await shop.app.flow(shop.total.call(), children=[failing])


async def growing_family() -> None:
    await shop.gather.enqueue(["tea", "milk"])


async def data_that_does_not_fit() -> None:
    await shop.mail.add("send_mail", {"user": "nobody"})
    await shop.mail.add("unheard_of", attempts=3)


async def the_same_id_again() -> None:
    for user in (1, 2):
        await shop.send_mail.options(job_id="once").enqueue(user)


@pytest.mark.parametrize(
    "scenario", [plain, retries, flow, failing_flow, growing_family, data_that_does_not_fit, the_same_id_again]
)
async def test_jobs_are_left_alike(app: Oxmq, clock: ManualClock, scenario: Scenario) -> None:
    await scenario()
    await run_until_idle(app, skip_delays=True, timeout=PATIENCE)
    on_server = await traces(app)
    async with inline(app, raises=False):
        await scenario()
        assert await traces(app) == on_server
    assert on_server


async def traces(app: Oxmq) -> list[Any]:
    """Return what is to be seen of all jobs, but for ids and times, and for the jobs of schedules."""
    jobs = [job for job in await enqueued(app) if job.scheduler_id is None]
    return sorted([await trace(job) for job in jobs], key=repr)


async def trace(job: Job[Any]) -> list[Any]:
    record = job.record
    return [
        record.name,
        record.data,
        record.opts if record.parent_key is None else without_ids(record.opts.decode()),
        str(await job.get_state()),
        (record.attempts_made, record.attempts_started, record.priority, record.progress),
        record.return_value if record.name != "good_morning" else None,
        without_ids(record.failed_reason or ""),
        without_ids(record.deferred_failure or ""),
        len(job.stacktrace),
        await job.get_logs(),
        await job.get_dependencies_count(),
        sorted((await job.get_children_values()).values()),
        list((await job.get_ignored_children_failures()).values()),
    ]


def without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)

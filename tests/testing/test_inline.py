"""Inline mode: jobs run where they are enqueued, without a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from msgspec import Struct

import oxmq.sync
from oxmq import (
    ConfigurationError,
    Deduplication,
    JobFailedError,
    JobNotFoundError,
    JobState,
    ManualClock,
    Oxmq,
    Unrecoverable,
    current_job,
)
from oxmq.errors import OxmqError
from oxmq.integrations.fastapi import lifespan
from oxmq.testing import Inline, NotInlineError, assert_enqueued, assert_enqueued_sync, inline
from tests.testing import shop


@pytest.fixture
def inlined(clock: ManualClock) -> Iterator[Inline]:
    """Run the shop's jobs inline; its address is one at which nobody listens."""
    shop.sent.clear()
    with inline(shop.app, clock=clock) as block:
        yield block


async def test_a_job_has_run_when_enqueue_returns(inlined: Inline, clock: ManualClock) -> None:
    job = await shop.send_mail.options(delay="2h", priority=3).enqueue(7)
    assert shop.sent == [(7, "Welcome")]
    assert await job.result() == "WELCOME TO 7"  # the middleware's doing
    assert await job.get_state() is JobState.COMPLETED
    await job.refresh()
    assert (job.options.delay, job.priority, job.attempts_made) == (7200, 3, 1)
    assert job.finished_on == clock.now()
    assert [job.id for job in inlined.jobs] == [job.id]


async def test_attempts_follow_each_other_at_once(inlined: Inline) -> None:
    job = await shop.send_mail.enqueue(7, fail_until=2)
    assert await job.get_logs() == ["attempt 1", "attempt 2", "attempt 3"]
    assert await job.get_logs(1, 2, asc=False) == ["attempt 2", "attempt 1"]
    await job.refresh()
    assert (job.attempts_made, len(job.stacktrace)) == (3, 2)


async def test_what_fails_a_job_for_good_is_raised_where_it_was_enqueued(inlined: Inline) -> None:
    with pytest.raises(ConnectionError, match="down") as raised:
        await shop.send_mail.enqueue(7, fail_until=9)
    assert "run inline" in raised.value.__notes__[0]
    assert [job.failed_reason for job in inlined.jobs] == ["the mail server is down"]


async def test_or_the_job_has_failed_and_that_is_all() -> None:
    async with inline(shop.app, raises=False) as block:
        job = await shop.send_mail.enqueue(7, fail_until=9)
        assert await job.is_failed()
        with pytest.raises(JobFailedError, match="the mail server is down"):
            await job.result()
        assert block.jobs[0].attempts_made == 4


def test_blocking_code_runs_functions_in_its_own_thread(inlined: Inline) -> None:
    shop.sent.clear()
    app = Oxmq("redis://127.0.0.1:1")

    @app.task
    def thread() -> str:
        return threading.current_thread().name

    with inline(app):
        assert thread.enqueue_sync().result() == threading.current_thread().name
    assert shop.send_mail.enqueue_sync(1).result() == "WELCOME TO 1"
    job = shop.price.enqueue_sync("tea", count=2)
    job.refresh()
    assert (job.return_value, job.progress) == (6, 50)


async def test_blocking_code_may_be_called_on_a_loop(inlined: Inline) -> None:
    assert shop.send_mail.enqueue_sync(1).result() == "WELCOME TO 1"
    assert shop.price.enqueue_sync("tea").result() == 3


async def test_children_run_before_their_parents(inlined: Inline) -> None:
    job = await shop.app.flow(shop.total.call(), children=[shop.price.call("tea"), shop.price.call("milk")])
    assert await job.result() == 7
    assert await job.get_dependencies_count() == {"processed": 2, "unprocessed": 0, "ignored": 0, "failed": 0}


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_running_job_can_wait_for_children_that_it_adds(inlined: Inline, blocking: bool) -> None:
    if blocking:
        assert await asyncio.to_thread(lambda: shop.gather.enqueue_sync(["tea", "milk"]).result()) == 7
    else:
        assert await (await shop.gather.enqueue(["tea", "milk"])).result() == 7


class Order(Struct):
    id: int
    items: list[str] = []


def family() -> tuple[Oxmq, Any, Any]:
    """Return an application with a parent that tells of its children, and a child that fails."""
    app = Oxmq("redis://127.0.0.1:1")

    @app.task
    async def parent() -> Any:
        job = current_job()
        return [await job.children_values(), list((await job.get_ignored_children_failures()).values())]

    @app.task
    async def child(order: Order) -> Order:
        if not order.items:
            raise ValueError("nothing to do")
        return Order(order.id + 1, order.items)

    return app, parent, child


async def test_a_failed_child_fails_its_parent() -> None:
    app, parent, child = family()
    with inline(app, raises=False) as block:
        job = await app.flow(parent.call(), children=[child.call(Order(1)), child.call(Order(2, ["tea"]))])
        with pytest.raises(JobFailedError, match=r"child .* failed"):
            await job.result()
        assert [job.attempts_started for job in block.jobs] == [1, 1, 1]
        assert len(await job.get_failed_children()) == 1
    with inline(app), pytest.raises(ValueError, match="nothing to do"):
        await app.flow(parent.call(), children=[child.call(Order(1))])


@pytest.mark.parametrize("policy", ["ignore_dependency_on_failure", "continue_parent_on_failure"])
async def test_a_child_whose_failure_is_expected_raises_nothing(policy: Any) -> None:
    app, parent, child = family()
    with inline(app):
        job = await app.flow(parent.call(), children=[child.options(**{policy: True}).call(Order(1))])
        assert await job.result() == [{}, ["nothing to do"]]


async def test_arguments_and_results_make_their_way_through_json() -> None:
    app, _, child = family()
    with inline(app) as block:
        job = await child.enqueue(Order(1, ["tea"]))
        assert block.jobs[0].data == {"order": {"id": 1, "items": ["tea"]}}
        assert await job.result() == Order(2, ["tea"])
        with pytest.raises(ConfigurationError, match="order"):
            await child.enqueue("no order")


async def test_a_result_that_is_no_json_fails_the_job() -> None:
    app = Oxmq("redis://127.0.0.1:1")

    @app.task(attempts=3)
    async def strange() -> Any:
        return object()

    with inline(app) as block, pytest.raises(Unrecoverable, match="cannot be written as JSON"):
        await strange.enqueue()
    assert block.jobs[0].attempts_made == 1


async def test_an_id_is_run_once(inlined: Inline) -> None:
    first, again = [await shop.send_mail.options(job_id="once").enqueue(user) for user in (1, 2)]
    assert (first.id, again.id, shop.sent) == ("once", "once", [(1, "Welcome")])
    one, two = [await shop.send_mail.options(deduplication=Deduplication("d", ttl=5)).enqueue(user) for user in (3, 4)]
    assert (one.id == two.id, len(inlined.jobs)) == (True, 2)


async def test_many_are_run_in_order(inlined: Inline) -> None:
    jobs = await shop.app.enqueue_many(shop.send_mail.call(user) for user in range(5))
    assert [await job.result() for job in jobs] == [f"WELCOME TO {user}" for user in range(5)]
    assert await shop.mail.get_job_counts("completed", "waiting") == {"completed": 5, "waiting": 0}
    assert [job.data["user"] for job in await shop.mail.get_jobs("completed", 1, 2, asc=True)] == [1, 2]
    with pytest.raises(JobNotFoundError):
        await jobs[0].__class__(shop.app.context("mail"), jobs[0].record.__class__(id="none")).result()


async def test_tasks_that_ask_for_a_process_run_in_this_one(inlined: Inline) -> None:
    assert await (await shop.heavy.enqueue(1)).result() == 2
    assert shop.sent == ["heavy"]


async def test_handlers_see_the_job_that_they_run(inlined: Inline) -> None:
    app = Oxmq("redis://127.0.0.1:1")

    @app.task
    async def inner() -> str:
        return current_job().name

    @app.task
    async def outer() -> list[str]:
        result = await (await inner.enqueue()).result()
        await current_job().update_data({"changed": True})
        return [result, current_job().name]

    with inline(app) as block:
        job = await outer.enqueue()
        assert await job.result() == ["inner", "outer"]
        await job.refresh()
        assert (job.data, len(block.jobs)) == ({"changed": True}, 2)
    with pytest.raises(OxmqError, match="no job is running here"):
        oxmq.sync.current_job()


async def test_a_job_that_puts_itself_off_for_ever_is_stopped(inlined: Inline) -> None:
    with pytest.raises(OxmqError, match="did not end in 100 runs"):
        await shop.put_off.enqueue()


async def test_what_needs_a_server_says_so(inlined: Inline) -> None:
    with pytest.raises(NotInlineError, match=r"inline mode has no 'pause'.*oxmq_app"):
        await shop.mail.pause()
    with pytest.raises(NotInlineError, match="has not ended"):
        await shop.waiting_for_itself()


async def test_a_worker_has_nothing_to_do(inlined: Inline) -> None:
    assert shop.app.is_inline
    with pytest.raises(ConfigurationError, match="in inline mode there is nothing to run"):
        shop.app.worker()
    api = FastAPI(lifespan=lifespan(shop.app, worker=True))
    async with api.router.lifespan_context(api):
        job = await shop.ship.enqueue(shop.Parcel(1, Decimal("1.10")), datetime.now(UTC), shop.Speed.FAST)
        assert await job.result() == Decimal("2.20")


async def test_assertions_work_inline(inlined: Inline) -> None:
    await shop.send_mail.options(delay="2h").enqueue(7)
    job = await assert_enqueued(shop.app, shop.send_mail, user=7, delay="120m", times=1)
    assert job.return_value == "WELCOME TO 7"
    await asyncio.to_thread(assert_enqueued_sync, shop.app, shop.send_mail, user=7)


async def test_afterwards_the_app_is_as_it_was(inlined: Inline) -> None:
    own = shop.app.runner
    with pytest.raises(ConnectionError), inline(shop.app):
        assert shop.app.runner is not own
        await shop.send_mail.enqueue(7, fail_until=9)
    assert shop.app.runner is own

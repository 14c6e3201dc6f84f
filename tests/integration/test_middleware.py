"""What is put around jobs: middleware, and listeners of an application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from oxmq import ConfigurationError, Job, JobFailedError
from oxmq.worker.events import WorkerEvent
from oxmq.worker.middleware import CallNext
from tests.integration.bed import Bed
from tests.support.waiting import eventually


def named(name: str, heard: list[str]) -> Callable[[Job[Any], CallNext], Awaitable[object]]:
    async def middleware(job: Job[Any], call_next: CallNext) -> object:
        heard.append(f"{name} before {job.name}")
        try:
            return await call_next(job)
        finally:
            heard.append(f"{name} after {job.name}")

    return middleware


async def test_the_first_middleware_is_outermost(bed: Bed) -> None:
    heard: list[str] = []

    async def process(job: Job[Any]) -> object:
        heard.append("handler")
        return job.data

    job = await bed.queue().add("a", 7)
    bed.working(process, middleware=[named("outer", heard), named("inner", heard)])
    assert await job.result(timeout=20) == 7
    assert heard == ["outer before a", "inner before a", "handler", "inner after a", "outer after a"]


async def test_a_middleware_may_change_the_result_refuse_the_job_or_answer_itself(bed: Bed) -> None:
    async def middleware(job: Job[Any], call_next: CallNext) -> object:
        if job.name == "refused":
            raise ValueError("not this one")
        return "from the cache" if job.name == "cached" else [await call_next(job)]

    async def process(job: Job[Any]) -> object:
        assert job.name == "plain"
        return job.data

    queue = bed.queue()
    bed.working(process, middleware=[middleware])
    assert await (await queue.add("plain", 1)).result(timeout=20) == [1]
    assert await (await queue.add("cached", 1)).result(timeout=20) == "from the cache"
    with pytest.raises(JobFailedError, match="not this one"):
        await (await queue.add("refused", 1)).result(timeout=20)


async def test_what_is_no_middleware_is_refused(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None: ...

    with pytest.raises(ConfigurationError, match="middleware must be async functions of a job and call_next, not 5"):
        bed.worker(process, middleware=[5])


async def test_an_apps_middleware_is_around_coroutines_and_threads_which_see_its_context(bed: Bed) -> None:
    app = bed.app()
    tenant: ContextVar[str] = ContextVar("tenant")

    @app.middleware
    async def know_the_tenant(job: Job[Any], call_next: CallNext) -> object:
        tenant.set(f"tenant of {job.name}")
        return await call_next(job)

    @app.task
    async def on_the_loop() -> str:
        return tenant.get()

    @app.task
    def in_a_thread() -> str:
        return tenant.get()

    async with bed.working_app(app):
        assert await (await on_the_loop.enqueue()).result(timeout=20) == "tenant of on_the_loop"
        assert await (await in_a_thread.enqueue()).result(timeout=20) == "tenant of in_a_thread"


async def test_an_apps_listeners_may_be_coroutines_and_harm_nobody(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    app = bed.app()
    heard: list[str] = []

    @app.on("failed")
    async def note(job: Job[Any], reason: str) -> None:
        await asyncio.sleep(0)
        heard.append(f"{job.name}: {reason}")
        raise RuntimeError("the listener is broken")

    @app.on("failed")
    def note_too(job: Job[Any], reason: str) -> None:
        heard.append(f"{job.name}: {reason}")

    @app.task
    async def bad() -> None:
        raise ValueError("no")

    async with bed.working_app(app):
        with pytest.raises(JobFailedError, match="no"):
            await (await bad.enqueue()).result(timeout=20)
        await eventually(lambda: heard == ["bad: no", "bad: no"], 20)
        await eventually(lambda: "a listener to 'failed' failed" in caplog.text, 20)


async def test_an_event_that_no_worker_has_is_refused(bed: Bed) -> None:
    unknown: Any = "exploded"
    event: WorkerEvent = unknown
    with pytest.raises(ConfigurationError, match=r"event must be one of ready, active, .*, not 'exploded'"):
        bed.app().on(event)

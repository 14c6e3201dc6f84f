"""Applications: tasks enqueued and run on the loop, in threads and in child processes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oxmq import ConfigurationError, Job, JobFailedError, OxmqError, current_job
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually

KINDS = {"on_loop": "on the loop", "in_thread": "in a thread", "in_child": "in a child"}


@pytest.fixture
async def tasks(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Return the module of tasks, on the test's server and prefix."""
    monkeypatch.setenv("OXMQ_URL", redis_url)
    monkeypatch.setenv("OXMQ_TEST_PREFIX", prefix)
    module = importlib.reload(importlib.import_module("tests.integration.app_tasks"))
    yield module
    await module.app.close()


@pytest.fixture
async def worker(tasks: Any) -> AsyncIterator[Any]:
    """Run a worker of the app's tasks."""
    made = tasks.app.worker(concurrency=4)
    running = asyncio.create_task(made.run(handle_signals=False))
    yield made
    await made.close(grace=0)
    await running


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("name", KINDS)
async def test_a_task_runs_with_typed_arguments_and_a_typed_result(tasks: Any, name: str) -> None:
    job = await getattr(tasks, name).enqueue(tasks.Point(4), text="ünï")
    assert (job.name, job.data) == (name, {"point": {"x": 4, "y": 0}, "text": "ünï"})
    assert await job.result(timeout=20) == tasks.Point(5)
    await job.refresh()
    assert (job.progress, await job.get_logs()) == (KINDS[name], ["ünï"])
    assert job.return_value == {"x": 5, "y": 0}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("name", KINDS)
async def test_a_job_of_a_foreign_producer_is_run_by_its_name(tasks: Any, name: str) -> None:
    queue = tasks.app.queue(getattr(tasks, name).queue)
    job = await queue.add(name, {"point": {"x": 1}})
    assert await job.result(timeout=20) == {"x": 2, "y": 0}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("name", KINDS)
async def test_data_that_does_not_fit_fails_for_good_and_names_the_field(tasks: Any, name: str) -> None:
    queue = tasks.app.queue(getattr(tasks, name).queue)
    job = await queue.add(name, {"point": {"x": "one"}}, attempts=5)
    with pytest.raises(JobFailedError, match=rf"data does not fit task '{name}': .*`point\.x`"):
        await job.result(timeout=20)
    await job.refresh()
    assert job.attempts_made == 1


@pytest.mark.usefixtures("worker")
async def test_a_job_of_no_task_fails_for_good_and_says_which_there_are(tasks: Any) -> None:
    job = await tasks.app.queue("loop").add("on_lop", attempts=5)
    with pytest.raises(JobFailedError, match="no task is called 'on_lop' in queue 'loop'; there are: on_loop"):
        await job.result(timeout=10)


@pytest.mark.usefixtures("worker")
async def test_a_task_is_enqueued_without_an_event_loop(tasks: Any) -> None:
    job = await asyncio.to_thread(tasks.on_loop.enqueue_sync, tasks.Point(1))
    assert await asyncio.to_thread(job.result, 10) == tasks.Point(2)


async def test_options_of_the_task_and_of_the_call(bed: Bed) -> None:
    app = bed.app()

    @app.task(attempts=3, priority=5)
    def task() -> None: ...

    plain, other = await task.enqueue(), await task.options(priority=0, delay="1m").enqueue()
    assert (plain.options.attempts, plain.priority, plain.queue_name) == (3, 5, "default")
    assert (other.options.attempts, other.priority, other.delay) == (3, 0, 60)


@pytest.mark.usefixtures("worker")
async def test_a_coroutine_runs_in_a_child_too(tasks: Any) -> None:
    assert await (await tasks.coroutine_in_child.enqueue(4)).result(timeout=20) == 5


@pytest.mark.usefixtures("worker")
async def test_a_child_is_another_process_and_is_kept_for_the_next_job(tasks: Any) -> None:
    first = await (await tasks.pid.enqueue()).result(timeout=20)
    second = await (await tasks.pid.enqueue()).result(timeout=20)
    assert first == second
    assert first[0] != os.getpid() == first[1]


@pytest.mark.usefixtures("worker")
async def test_several_children_work_at_once(tasks: Any) -> None:
    jobs = [await tasks.pid.enqueue() for _ in range(8)]
    pids = {(await job.result(timeout=30))[0] for job in jobs}
    assert 1 <= len(pids) <= 4


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.usefixtures("worker")
async def test_a_child_is_killed_at_the_timeout(tasks: Any) -> None:
    await (await tasks.pid.enqueue()).result(timeout=20)
    job = await tasks.hang.enqueue()
    await reaches(job, "failed", 10)
    assert job.failed_reason == "the job ran longer than its timeout of 1 s and was stopped"
    await eventually(lambda: not is_alive(job.progress))
    assert await (await tasks.coroutine_in_child.enqueue(4)).result(timeout=20) == 5


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_childs_death_fails_its_job_alone_and_is_told(tasks: Any, number: signal.Signals) -> None:
    job, other = await tasks.die.enqueue(int(number)), await tasks.coroutine_in_child.enqueue(4)
    with pytest.raises(JobFailedError, match=f"the job's process was killed by {number.name}"):
        await job.result(timeout=20)
    assert await other.result(timeout=20) == 5


@pytest.mark.usefixtures("worker")
async def test_a_child_that_leaves_fails_its_job(tasks: Any) -> None:
    with pytest.raises(JobFailedError, match="the job's process ended with exit code 3"):
        await (await tasks.leave.enqueue(3)).result(timeout=20)


@pytest.mark.usefixtures("worker")
async def test_an_error_in_a_child_comes_with_its_trace(tasks: Any) -> None:
    job = await tasks.fail.enqueue("error")
    await reaches(job, "failed", 20)
    assert (job.failed_reason, job.attempts_made) == ("no luck", 2)
    assert "app_tasks.py" in job.stacktrace[0]
    assert "raise errors[how]" in job.stacktrace[0]
    assert "ValueError: no luck" in job.stacktrace[0]


@pytest.mark.usefixtures("worker")
async def test_unrecoverable_in_a_child(tasks: Any) -> None:
    job = await tasks.fail.enqueue("unrecoverable")
    await reaches(job, "failed", 20)
    assert (job.failed_reason, job.attempts_made) == ("never", 1)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("how", ["delay", "rate limited"])
async def test_a_child_steers_its_job_at_no_cost(tasks: Any, how: str) -> None:
    job = await tasks.fail.enqueue(how)
    assert await job.result(timeout=20) == "done"
    await job.refresh()
    assert (job.attempts_made, job.attempts_started) == (1, 2)


@pytest.mark.usefixtures("worker")
async def test_a_child_process_adds_jobs_and_waits_for_them(tasks: Any) -> None:
    job = await tasks.gather.enqueue([1, 2, 3])
    assert await job.result(timeout=20) == [2, 3, 4]
    await job.refresh()
    assert (job.attempts_made, job.attempts_started) == (1, 2)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("how", "reason"), [("exit", "3"), ("surrogate", "ud800")])
async def test_odd_endings_in_a_child(tasks: Any, how: str, reason: str) -> None:
    job = await tasks.fail.enqueue(how)
    await reaches(job, "failed", 20)
    assert reason in (job.failed_reason or "")


@pytest.mark.usefixtures("worker")
async def test_a_result_that_cannot_be_written_fails_the_job_in_a_child(tasks: Any) -> None:
    with pytest.raises(JobFailedError, match=r"result of job .* cannot be written as JSON"):
        await (await tasks.noisy.enqueue()).result(timeout=20)


async def test_no_child_is_left_when_the_worker_has_closed(tasks: Any) -> None:
    worker = tasks.app.worker(["child"], concurrency=2)
    running = asyncio.create_task(worker.run(handle_signals=False))
    pids = [(await (await tasks.pid.enqueue()).result(timeout=20))[0]]
    job = await tasks.hang.options(timeout=60).enqueue()
    await eventually(lambda: has_progress(job))
    pids.append(job.progress)
    await worker.close(grace=0)
    await running
    assert [is_alive(pid) for pid in pids] == [False] * len(pids)
    assert await job.is_waiting()


async def has_progress(job: Job[Any]) -> bool:
    await job.refresh()
    return bool(job.progress)


async def test_a_worker_of_some_queues_leaves_the_others_alone(tasks: Any) -> None:
    worker = tasks.app.worker(["loop"])
    assert worker.queue_names == ["loop"]
    other = await tasks.in_thread.enqueue(tasks.Point(1))
    running = asyncio.create_task(worker.run(handle_signals=False))
    await (await tasks.on_loop.enqueue(tasks.Point(1))).result(timeout=10)
    assert [health.queue for health in worker.health()] == ["loop"]
    await worker.close()
    await running
    assert await other.is_waiting()


async def test_hooks_frame_the_workers_life(bed: Bed) -> None:
    app, seen = bed.app(), list[str]()

    @app.on_startup
    async def first() -> None:
        seen.append("first up")

    @app.on_startup
    def second() -> None:
        seen.append("second up")

    @app.on_shutdown
    def third() -> None:
        seen.append("third down")

    @app.on_shutdown
    async def fourth() -> None:
        seen.append("fourth down")

    @app.task
    async def work() -> None:
        seen.append("job")

    job = await work.enqueue()
    worker = app.worker()
    running = asyncio.create_task(worker.run(handle_signals=False))
    await job.result(timeout=10)
    await worker.close()
    await running
    assert seen == ["first up", "second up", "job", "fourth down", "third down"]


async def test_listeners_of_an_app_worker_hear_of_all_queues(bed: Bed) -> None:
    app, heard = bed.app(), list[str]()

    def note(job: Job[Any], value: bytes) -> None:
        heard.append(job.name)

    @app.task(queue="one")
    async def first() -> None: ...

    @app.task(queue="two")
    def second() -> None: ...

    worker = bed.app_worker(app)
    worker.on("completed", note)
    jobs = await app.enqueue_many([first.call(), second.call()])
    running = asyncio.create_task(worker.run(handle_signals=False))
    for job in jobs:
        await job.result(timeout=10)
    await eventually(lambda: sorted(heard) == ["first", "second"])
    await worker.close()
    await running


async def test_a_startup_hook_that_fails_takes_no_job(bed: Bed) -> None:
    app = bed.app()

    @app.on_startup
    def broken() -> None:
        raise RuntimeError("no database")

    @app.task
    def work() -> None: ...

    job = await work.enqueue()
    with pytest.raises(RuntimeError, match="no database"):
        await app.worker().run(handle_signals=False)
    assert await job.is_waiting()


async def test_the_running_job_of_each_task_is_its_own(bed: Bed) -> None:
    app = bed.app()

    @app.task
    async def on_loop(number: int) -> bool:
        await asyncio.sleep(0)
        return bool(current_job().data == {"number": number})

    jobs = await app.enqueue_many(on_loop.call(number) for number in range(50))
    worker = bed.app_worker(app, concurrency=50)
    running = asyncio.create_task(worker.run(handle_signals=False))
    assert await asyncio.gather(*(job.result(timeout=10) for job in jobs)) == [True] * 50
    await worker.close()
    await running
    with pytest.raises(OxmqError, match="no job is running here"):
        current_job()


async def test_an_app_is_closed_by_its_context_and_opens_again(bed: Bed) -> None:
    async with bed.app() as app:

        @app.task
        def work() -> None: ...

        await work.enqueue()
    await work.enqueue()
    assert await app.queue().count() == 2


async def test_many_calls_with_one_that_does_not_fit_send_none(bed: Bed) -> None:
    app = bed.app()

    @app.task
    def work(number: int) -> None: ...

    numbers: list[Any] = [1, 2, "three"]
    with pytest.raises(ConfigurationError, match="number"):
        await app.enqueue_many(work.call(number) for number in numbers)
    assert await app.queue().count() == 0

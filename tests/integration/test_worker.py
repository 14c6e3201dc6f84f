"""Workers: taking jobs, running handlers of each kind, honouring order and limits, telling listeners."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any

import pytest

from oxmq import ConfigurationError, Job, JobFailedError, RateLimit, WorkerClosedError, current_job
from oxmq.sync import Job as SyncJob
from oxmq.sync import current_job as sync_current_job
from oxmq.worker.events import WorkerEvent
from tests.integration.bed import Bed, at_once
from tests.support.waiting import eventually


async def echo(job: Job[Any]) -> object:
    return job.data


async def test_a_job_is_run_and_its_result_stored(bed: Bed) -> None:
    job = await bed.queue().add("a", {"x": 1})
    bed.working(echo, worker_name="w1")
    assert await job.result(timeout=5) == {"x": 1}
    await job.refresh()
    assert (job.return_value, job.attempts_made, job.attempts_started) == ({"x": 1}, 1, 1)
    assert job.processed_by == "w1"


async def test_a_job_added_while_the_worker_waits_is_run_at_once(bed: Bed) -> None:
    queue = bed.queue()
    bed.working(echo)
    await (await queue.add("a", 1)).result(timeout=5)
    job = await queue.add("b", 2)
    assert await job.result(timeout=2) == 2


async def test_a_plain_function_runs_in_a_thread_with_a_blocking_job(bed: Bed) -> None:
    kinds: list[object] = []

    def process(job: SyncJob[Any]) -> str:
        kinds.extend([type(job), threading.current_thread() is threading.main_thread()])
        job.update_progress(50)
        job.log("in a thread")
        return str(job.data)

    queue = bed.queue()
    job = await queue.add("a", 5)
    bed.working(process)
    assert await job.result(timeout=5) == "5"
    assert kinds == [SyncJob, False]
    await job.refresh()
    assert job.progress == 50
    assert await job.get_logs() == ["in a thread"]


async def test_progress_and_logs_of_a_coroutine(bed: Bed) -> None:
    async def process(job: Job[Any]) -> None:
        await job.update_progress({"half": True})
        await job.log("on the loop")

    job = await bed.queue().add("a")
    bed.working(process)
    await job.result(timeout=5)
    await job.refresh()
    assert (job.progress, await job.get_logs()) == ({"half": True}, ["on the loop"])


async def test_the_running_job_is_known_where_it_runs(bed: Bed) -> None:
    async def on_loop(job: Job[Any]) -> bool:
        return current_job() is job

    def in_thread(job: SyncJob[Any]) -> bool:
        return sync_current_job() is job

    queues = [bed.queue("loop"), bed.queue("thread")]
    jobs = [await queue.add("a") for queue in queues]
    bed.working(on_loop, "loop")
    bed.working(in_thread, "thread")
    assert [await job.result(timeout=5) for job in jobs] == [True, True]


class Echo:
    async def __call__(self, job: Job[Any]) -> object:
        return job.data


async def partially(extra: int, job: Job[Any]) -> int:
    return extra + int(job.data)


@pytest.mark.parametrize(("process", "result"), [(Echo(), 1), (functools.partial(partially, 10), 11)])
async def test_anything_that_can_be_called_is_a_handler(bed: Bed, process: Any, result: int) -> None:
    job = await bed.queue().add("a", 1)
    bed.working(process)
    assert await job.result(timeout=5) == result


async def test_with_a_concurrency_of_one_jobs_run_in_order(bed: Bed) -> None:
    seen: list[int] = []

    async def process(job: Job[Any]) -> None:
        seen.append(job.data)
        await asyncio.sleep(0)

    queue = bed.queue()
    jobs = await queue.add_bulk([("a", number) for number in range(100)])
    bed.working(process)
    await jobs[-1].result(timeout=10)
    assert seen == list(range(100))


async def test_priorities_order_the_runs(bed: Bed) -> None:
    seen: list[str] = []

    async def process(job: Job[Any]) -> None:
        seen.append(job.name)

    queue = bed.queue()
    jobs = await queue.add_bulk(
        [("low", 0, {"priority": 9}), ("high", 0, {"priority": 1}), ("first", 0), ("next", 0, {"lifo": True})]
    )
    bed.working(process)
    await jobs[0].result(timeout=5)
    assert seen == ["next", "first", "high", "low"]


@pytest.mark.parametrize("concurrency", [1, 3, 10])
@pytest.mark.parametrize("in_thread", [False, True])
async def test_as_many_jobs_run_at_once_as_allowed_and_no_more(bed: Bed, concurrency: int, in_thread: bool) -> None:
    running, most, gate = 0, 0, threading.Event()
    lock = threading.Lock()

    def count(change: int) -> None:
        nonlocal running, most
        with lock:
            running += change
            most = max(most, running)

    async def on_loop(_: Job[Any]) -> None:
        count(1)
        await eventually(gate.is_set)
        count(-1)

    def thread(_: SyncJob[Any]) -> None:
        count(1)
        gate.wait(10)
        count(-1)

    jobs = await bed.queue().add_bulk([("a", number) for number in range(2 * concurrency + 5)])
    worker = bed.working(thread if in_thread else on_loop, concurrency=concurrency)
    await eventually(lambda: running == concurrency)
    assert worker.health().running == concurrency
    gate.set()
    await asyncio.gather(*(job.result(timeout=10) for job in jobs))
    assert most == concurrency


async def test_the_queues_concurrency_holds_over_all_workers(bed: Bed) -> None:
    gate = asyncio.Event()
    queue = bed.queue()
    await queue.set_global_concurrency(3)
    jobs = await queue.add_bulk([("a", number) for number in range(9)])

    async def process(_: Job[Any]) -> None:
        await gate.wait()

    for _ in range(3):
        bed.working(process, concurrency=5)
    await eventually(lambda: is_active(bed, 3))
    gate.set()
    await asyncio.gather(*(job.result(timeout=15) for job in jobs))


async def is_active(bed: Bed, count: int) -> bool:
    return (await bed.queue().get_job_counts("active"))["active"] == count


async def test_a_rate_limit_lets_so_many_start_in_a_window(bed: Bed) -> None:
    started: list[float] = []

    async def process(_: Job[Any]) -> None:
        started.append(asyncio.get_running_loop().time())

    jobs = await bed.queue().add_bulk([("a", number) for number in range(6)])
    bed.working(process, concurrency=10, limiter=RateLimit(max=2, duration=0.3))
    await asyncio.gather(*(job.result(timeout=10) for job in jobs))
    assert all(later - earlier >= 0.28 for earlier, later in zip(started, started[2:], strict=False))


async def test_a_paused_queue_is_worked_on_when_it_is_resumed(bed: Bed) -> None:
    queue = bed.queue()
    await queue.pause()
    job = await queue.add("a", 1)
    bed.working(echo)
    with pytest.raises(TimeoutError):
        await job.result(timeout=0.2)
    await queue.resume()
    assert await job.result(timeout=3) == 1


async def test_a_delayed_job_runs_when_it_is_due_and_not_before(bed: Bed) -> None:
    times: list[float] = []

    async def process(job: Job[Any]) -> None:
        times.append(asyncio.get_running_loop().time())

    queue = bed.queue()
    began = asyncio.get_running_loop().time()
    job = await queue.add("a", delay=0.3)
    bed.working(process)
    await job.result(timeout=5)
    assert 0.29 <= times[0] - began < 2


async def test_a_sooner_job_is_not_held_up_by_a_later_one(bed: Bed) -> None:
    queue = bed.queue()
    await queue.add("late", delay=60)
    bed.working(echo)
    await (await queue.add("now", 0)).result(timeout=3)
    job = await queue.add("soon", 1, delay=0.2)
    assert await job.result(timeout=3) == 1


async def test_a_promoted_job_is_run_at_once(bed: Bed) -> None:
    job = await bed.queue().add("a", 1, delay=60)
    bed.working(echo)
    await job.promote()
    assert await job.result(timeout=3) == 1


async def test_listeners_hear_of_a_jobs_life(bed: Bed) -> None:
    heard: list[Any] = []

    async def process(job: Job[Any]) -> int:
        if job.attempts_made == 0:
            raise ValueError("not yet")
        return 5

    def note(event: str, *details: object) -> None:
        heard.append((event, *(read(detail) for detail in details)))

    events: tuple[WorkerEvent, ...] = ("active", "completed", "failed", "retrying", "closed")
    worker = bed.worker(process)
    for event in events:
        worker.on(event, functools.partial(note, event))
    job = await bed.queue().add("a", attempts=2)
    worker.start()
    await job.result(timeout=5)
    await worker.close()
    assert heard == [
        ("active", job.id),
        ("retrying", job.id, "not yet"),
        ("active", job.id),
        ("completed", job.id, b"5"),
        ("closed",),
    ]


def read(detail: object) -> object:
    return detail.id if isinstance(detail, Job) else detail


async def test_listeners_hear_of_a_final_failure(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None:
        raise ValueError("no luck")

    heard: list[Any] = []
    worker = bed.worker(process)
    worker.on("failed", at_once(heard))
    job = await bed.queue().add("a")
    worker.start()
    with pytest.raises(JobFailedError):
        await job.result(timeout=5)
    (failed, reason) = (await eventually(lambda: heard))[0]
    assert (failed.id, reason) == (job.id, "no luck")


async def test_a_listener_that_fails_harms_nobody(bed: Bed) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a listener's own fault")

    heard: list[Any] = []
    worker = bed.worker(echo)
    worker.on("active", broken)
    worker.on("completed", broken)
    worker.on("completed", at_once(heard))
    jobs = await bed.queue().add_bulk([("a", 1), ("b", 2)])
    worker.start()
    assert await jobs[1].result(timeout=5) == 2
    await eventually(lambda: len(heard) == 2)


async def test_an_event_that_does_not_exist_is_refused(bed: Bed) -> None:
    with pytest.raises(ConfigurationError, match="complete"):
        bed.worker(echo).on("complete", print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_health_of_a_worker_at_every_stage(bed: Bed) -> None:
    gate = asyncio.Event()

    async def process(_: Job[Any]) -> None:
        await gate.wait()

    worker = bed.worker(process, concurrency=7)
    assert (worker.health().healthy, worker.health().reason) == (False, "not started")
    job = await bed.queue().add("a")
    worker.start()
    await eventually(lambda: worker.health().running == 1)
    health = worker.health()
    assert (health.queue, health.healthy, health.reason, health.concurrency) == ("q", True, "", 7)
    assert (health.unconfirmed, health.abandoned) == (0, 0)
    gate.set()
    await job.result(timeout=5)
    await eventually(lambda: worker.health().running == 0)


async def test_a_worker_is_listed_under_its_name(bed: Bed, redis_client: Any) -> None:
    bed.working(echo, worker_name="w1")

    def names() -> list[str]:
        return [client["name"] for client in redis_client.client_list()]

    await eventually(lambda: names().count(f"{bed.prefix}:cQ==:w:w1") == 1)


async def test_workers_share_a_queue_and_run_each_job_once(bed: Bed) -> None:
    seen: list[int] = []

    async def process(job: Job[Any]) -> None:
        seen.append(job.data)

    jobs = await bed.queue().add_bulk([("a", number) for number in range(500)])
    for _ in range(4):
        bed.working(process, concurrency=20)
    await asyncio.gather(*(job.result(timeout=20) for job in jobs))
    assert sorted(seen) == list(range(500))


async def test_a_ghost_in_the_queue_holds_nobody_up(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    job = await queue.add("a", 1)
    redis_client.rpush(f"{bed.prefix}:q:wait", *["gone"] * 30, "0:0")
    bed.working(echo)
    assert await job.result(timeout=3) == 1


async def test_a_worker_that_was_closed_does_not_start_again(bed: Bed) -> None:
    worker = bed.working(echo)
    await worker.close()
    with pytest.raises(WorkerClosedError, match="the worker of queue 'q' is closed"):
        worker.start()

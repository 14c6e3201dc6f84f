"""Workers: what becomes of a job by what its handler does, however odd."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from oxmq import (
    Delay,
    Job,
    JobFailedError,
    Keep,
    RateLimited,
    Unrecoverable,
    exponential,
    fixed,
)
from oxmq.options import Backoff
from oxmq.sync import Job as SyncJob
from tests.integration.bed import Bed, at_once, reaches
from tests.support.waiting import eventually


def handler(kind: str, act: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a handler of the given kind that does this."""

    async def on_loop(job: Job[Any]) -> object:
        return act(job)

    def in_thread(job: SyncJob[Any]) -> object:
        return act(job)

    return on_loop if kind == "loop" else in_thread


kinds = pytest.mark.parametrize("kind", ["loop", "thread"])


@kinds
async def test_an_error_fails_the_job_with_reason_and_trace(bed: Bed, kind: str) -> None:
    def act(_: Any) -> None:
        raise ValueError("no luck")

    job = await bed.queue().add("a")
    bed.working(handler(kind, act))
    await reaches(job, "failed")
    assert (job.failed_reason, job.attempts_made) == ("no luck", 1)
    assert job.stacktrace[0].startswith("Traceback")
    assert job.stacktrace[0].endswith("ValueError: no luck")
    assert 'raise ValueError("no luck")' in job.stacktrace[0]


@kinds
async def test_a_job_is_tried_as_often_as_allowed(bed: Bed, kind: str) -> None:
    attempts: list[int] = []

    def act(job: Any) -> None:
        attempts.append(job.attempts_made)
        raise ValueError(f"no luck {job.attempts_made}")

    job = await bed.queue().add("a", attempts=3)
    bed.working(handler(kind, act))
    await reaches(job, "failed")
    assert attempts == [0, 1, 2]
    assert (job.attempts_made, job.attempts_started, job.failed_reason) == (3, 3, "no luck 2")
    assert [trace.rsplit(" ", 1)[-1] for trace in job.stacktrace] == ["0", "1", "2"]


async def test_a_later_attempt_may_succeed(bed: Bed) -> None:
    def act(job: Any) -> int:
        if job.attempts_made < 2:
            raise ValueError("not yet")
        return 5

    job = await bed.queue().add("a", attempts=3, backoff=fixed(0.05))
    bed.working(handler("loop", act))
    assert await job.result(timeout=5) == 5
    await job.refresh()
    assert (job.attempts_made, job.failed_reason) == (3, "not yet")


async def test_backoff_waits_between_attempts(bed: Bed) -> None:
    times: list[float] = []

    async def process(_: Job[Any]) -> None:
        times.append(asyncio.get_running_loop().time())
        raise ValueError("no luck")

    job = await bed.queue().add("a", attempts=3, backoff=exponential(0.1))
    bed.working(process)
    await reaches(job, "failed")
    assert times[1] - times[0] >= 0.095
    assert times[2] - times[1] >= 0.195


async def test_a_backoff_of_the_workers_own(bed: Bed) -> None:
    asked: list[tuple[int, str, str]] = []

    def strategy(attempt: int, name: str, error: BaseException) -> float:
        asked.append((attempt, name, str(error)))
        return -1 if attempt == 2 else 0.01

    def act(_: Any) -> None:
        raise ValueError("no luck")

    job = await bed.queue().add("a", attempts=9, backoff=Backoff("mine"))
    bed.working(handler("loop", act), backoff_strategy=strategy)
    await reaches(job, "failed")
    assert asked == [(1, "mine", "no luck"), (2, "mine", "no luck")]


@kinds
async def test_unrecoverable_leaves_attempts_unused(bed: Bed, kind: str) -> None:
    def act(_: Any) -> None:
        raise Unrecoverable("never")

    job = await bed.queue().add("a", attempts=5)
    bed.working(handler(kind, act))
    await reaches(job, "failed")
    assert (job.failed_reason, job.attempts_made) == ("never", 1)


@kinds
async def test_delay_runs_the_job_later_at_no_cost(bed: Bed, kind: str) -> None:
    starts: list[int] = []

    def act(job: Any) -> str:
        starts.append(job.attempts_started)
        if len(starts) == 1:
            raise Delay(0.1)
        return "done"

    job = await bed.queue().add("a")
    bed.working(handler(kind, act))
    assert await job.result(timeout=5) == "done"
    await job.refresh()
    assert starts == [1, 2]
    assert (job.attempts_made, job.failed_reason, job.stacktrace) == (1, None, [])


@kinds
async def test_rate_limited_holds_the_queue_and_runs_the_job_again_first(bed: Bed, kind: str) -> None:
    seen: list[str] = []

    def act(job: Any) -> None:
        seen.append(job.name)
        if len(seen) == 1:
            raise RateLimited(0.3)

    queue = bed.queue()
    jobs = await queue.add_bulk([("a", 1), ("b", 2)])
    loop = asyncio.get_running_loop()
    began = loop.time()
    bed.working(handler(kind, act))
    await jobs[1].result(timeout=5)
    assert loop.time() - began >= 0.29
    assert seen == ["a", "a", "b"]
    await jobs[0].refresh()
    assert (jobs[0].attempts_made, jobs[0].attempts_started) == (1, 2)


async def test_a_coroutine_is_stopped_at_its_timeout(bed: Bed) -> None:
    stopped: list[str] = []

    async def process(job: Job[Any]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(job.id)
            raise

    job = await bed.queue().add("a", timeout=0.1)
    bed.working(process)
    await reaches(job, "failed")
    assert job.failed_reason == "the job ran longer than its timeout of 0.1 s and was stopped"
    assert stopped == [job.id]


async def test_a_thread_is_given_up_at_its_timeout(bed: Bed) -> None:
    gate = threading.Event()

    def process(job: SyncJob[Any]) -> object:
        return gate.wait(20) if job.data == "slow" else job.data

    queue = bed.queue()
    slow = await queue.add("a", "slow", timeout=0.1)
    worker = bed.working(process)
    await reaches(slow, "failed")
    assert "ran longer than its timeout" in (slow.failed_reason or "")
    assert worker.health().abandoned == 1
    assert await (await queue.add("b", "quick")).result(timeout=5) == "quick"
    gate.set()
    await eventually(lambda: worker.health().abandoned == 0)


async def test_a_timeout_is_a_failure_that_is_tried_again(bed: Bed) -> None:
    async def process(job: Job[Any]) -> str:
        if job.attempts_made == 0:
            await asyncio.Event().wait()
        return "done"

    job = await bed.queue().add("a", timeout=0.1, attempts=2)
    bed.working(process)
    assert await job.result(timeout=5) == "done"


async def test_a_job_that_ends_in_time_is_left_alone(bed: Bed) -> None:
    async def process(job: Job[Any]) -> str:
        return "done"

    job = await bed.queue().add("a", timeout=30)
    bed.working(process)
    assert await job.result(timeout=5) == "done"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words for it")


def spin() -> None:
    """Recurse without end."""
    spin()


def throw(error: BaseException) -> Callable[[Any], object]:
    def act(_: Any) -> None:
        raise error

    return act


ODD: dict[str, tuple[Callable[[Any], object], str]] = {
    "sys.exit": (throw(SystemExit(3)), "3"),
    "interrupt": (throw(KeyboardInterrupt()), "KeyboardInterrupt"),
    "generator exit": (throw(GeneratorExit()), "GeneratorExit"),
    "stop iteration": (throw(StopIteration(5)), "5|StopIteration"),
    "no message": (throw(ValueError()), "ValueError"),
    "half a character": (throw(ValueError("\ud800")), "ud800"),
    "unprintable": (throw(Unprintable()), "Unprintable"),
    "long": (throw(ValueError("x" * 5_000_000)), "x"),
    "group": (throw(ExceptionGroup("both", [ValueError(1), KeyError(2)])), "both"),
    "recursion": (lambda _: spin(), "recursion"),
    "negative delay": (throw(Delay(-1)), "Delay must be"),
    "delay of text": (throw(Delay("soon")), "Delay must be"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "negative limit": (throw(RateLimited(-1)), "RateLimited must be"),
    "not a number": (lambda _: float("nan"), "result of job .* cannot be written as JSON"),
    "an object": (lambda _: object(), "result of job .* cannot be written as JSON"),
    "a large result": (lambda _: "x" * 2_000_000, "result of job .* takes"),
    "a generator": (lambda _: (number for number in range(3)), "result of job .* cannot be written as JSON"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", ODD)
@kinds
async def test_whatever_a_handler_does_fails_its_own_job_and_no_other(bed: Bed, kind: str, name: str) -> None:
    act, reason = ODD[name]
    queue = bed.queue()
    odd, good = await queue.add_bulk([("odd", 1), ("good", 2)])
    bed.working(handler(kind, lambda job: act(job) if job.name == "odd" else "fine"))
    assert await good.result(timeout=5) == "fine"
    with pytest.raises(JobFailedError, match=f"(?i){reason}"):
        await odd.result(timeout=5)
    assert not await queue.get_active()


async def test_a_handler_that_cancels_itself_fails_its_job(bed: Bed) -> None:
    async def process(job: Job[Any]) -> str:
        if job.name == "odd":
            raise asyncio.CancelledError
        return "fine"

    odd, good = await bed.queue().add_bulk([("odd", 1), ("good", 2)])
    bed.working(process)
    assert await good.result(timeout=5) == "fine"
    with pytest.raises(JobFailedError, match="the handler was cancelled"):
        await odd.result(timeout=5)


async def test_a_backoff_strategy_that_fails_does_not_hold_the_job(bed: Bed) -> None:
    def strategy(attempt: int, name: str, error: BaseException) -> float:
        raise RuntimeError("a strategy's own fault")

    queue = bed.queue()
    odd, good = await queue.add_bulk([("odd", 1, {"attempts": 3, "backoff": Backoff("mine")}), ("good", 2)])

    async def process(job: Job[Any]) -> str:
        if job.name == "odd":
            raise ValueError("no luck")
        return "fine"

    bed.working(process, backoff_strategy=strategy)
    assert await good.result(timeout=5) == "fine"
    await reaches(odd, "failed")


async def test_data_that_is_not_json_fails_its_job(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    odd, good = await queue.add_bulk([("odd", 1), ("good", 2)])
    redis_client.hset(f"{bed.prefix}:q:{odd.id}", "data", "{")

    async def process(job: Job[Any]) -> object:
        return job.data

    bed.working(process)
    assert await good.result(timeout=5) == 2
    await reaches(odd, "failed")


async def test_damage_in_redis_is_kept_from_the_other_jobs(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    jobs = await queue.add_bulk([("a", number) for number in range(6)])
    broken = f"{bed.prefix}:q:{jobs[2].id}"
    parent = f"{bed.prefix}:q:p"
    redis_client.hset(broken, mapping={"parentKey": parent, "parent": '{"fpof": true}'})
    redis_client.set(f"{parent}:dependencies", "a set should be here")
    errors: list[Any] = []

    async def process(job: Job[Any]) -> int:
        if job.data == 2:
            raise ValueError("no luck")
        return int(job.data)

    worker = bed.worker(process, concurrency=6)
    worker.on("error", at_once(errors))
    worker.start()
    good = [job for job in jobs if job is not jobs[2]]
    assert await asyncio.gather(*(job.result(timeout=5) for job in good)) == [0, 1, 3, 4, 5]
    await eventually(lambda: errors)


async def test_a_job_whose_lock_was_lost_is_not_settled_twice(bed: Bed, redis_client: Any) -> None:
    gate = asyncio.Event()

    async def process(_: Job[Any]) -> str:
        await gate.wait()
        return "late"

    errors: list[Any] = []
    job = await bed.queue().add("a")
    worker = bed.worker(process)
    worker.on("error", at_once(errors))
    worker.start()
    await reaches(job, "active")
    redis_client.set(f"{bed.prefix}:q:{job.id}:lock", "another worker's", px=60_000)
    gate.set()
    await eventually(lambda: errors)
    assert "Lock mismatch for job" in str(errors[0])
    assert await job.is_active()


@pytest.mark.parametrize(
    ("option", "left"), [(True, 0), (False, 5), (2, 2), (Keep(count=3), 3), (Keep(age=60), 5), (None, 5)]
)
async def test_a_job_says_what_is_kept_of_it(bed: Bed, option: Any, left: int) -> None:
    queue = bed.queue()
    bed.working(handler("loop", lambda job: job.data))
    for number in range(5):
        job = await queue.add("a", number, remove_on_complete=option)
        await eventually(partial(is_over, job))
    assert (await queue.get_job_counts("completed"))["completed"] == left


async def is_over(job: Job[Any]) -> bool:
    return await job.get_state() in ("completed", "unknown")


async def test_where_the_job_does_not_say_the_worker_does(bed: Bed) -> None:
    queue = bed.queue()
    jobs = await queue.add_bulk([("a", number) for number in range(5)])
    bed.working(handler("loop", lambda job: job.data), remove_on_complete=2)
    await eventually(lambda: is_over(jobs[-1]))
    assert [job.data for job in await queue.get_completed()] == [4, 3]


async def test_a_job_that_may_not_complete_fails_and_frees_its_slot_once(bed: Bed, redis_client: Any) -> None:
    """Its children are pending: the completion is refused, and the failure that takes its place is one outcome."""
    most, running = 0, 0

    async def process(job: Job[Any]) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)  # long enough for another to be seen beside it
        if job.name == "parent":
            redis_client.sadd(f"{bed.prefix}:q:{job.id}:dependencies", f"{bed.prefix}:q:a-child")
        running -= 1

    queue = bed.queue()
    parent = await queue.add("parent")
    others = await queue.add_bulk([("other", number) for number in range(20)])
    bed.working(process, concurrency=1)
    with pytest.raises(JobFailedError, match="pending dependencies"):
        await parent.result(timeout=5)
    await eventually(lambda: is_over(others[-1]))
    assert most == 1

"""Flow control: however many workers there are, and however they fetch, no limit is ever exceeded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from oxmq import FlowJob, Job, RateLimit, RateLimited
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually

#: So many workers work together, each of which would take everything at once.
WORKERS = 3
CONCURRENCY = 100


async def quick(job: Job[Any]) -> object:
    return job.data


class Crowd:
    """Handle jobs, and note how many ran at once at most."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0

    async def __call__(self, job: Job[Any]) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.002)  # so that others may come meanwhile
        self.running -= 1


def starts(client: Any, bed: Bed) -> list[int]:
    """Return when jobs were started, in milliseconds of the server's clock, from the events of the queue."""
    entries = client.xrange(f"{bed.prefix}:q:events")
    return [int(entry.partition("-")[0]) for entry, fields in entries if fields["event"] == "active"]


def windows(times: Sequence[int], length_ms: int) -> list[int]:
    """Return how many starts fell into each window; a window begins with the first start after the last one's end."""
    counts: list[int] = []
    begun = -length_ms
    for time in times:
        if time - begun >= length_ms:
            begun, counts = time, [*counts, 0]
        counts[-1] += 1
    return counts


async def all_completed(bed: Bed, count: int) -> None:
    queue = bed.queue()

    async def are() -> bool:
        return (await queue.get_job_counts("completed"))["completed"] == count

    await eventually(are, 15, f"not all of {count} jobs complete")


# ---- rate limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maximum", [1, 7, 50])
@pytest.mark.parametrize("by", ["workers", "queue", "queue over workers"])
async def test_no_window_has_more_starts_than_allowed(bed: Bed, redis_client: Any, by: str, maximum: int) -> None:
    queue, limit = bed.queue(), RateLimit(max=maximum, duration=0.2)
    jobs = maximum * 4 + 1
    options: dict[str, Any] = {}
    if by != "queue":
        options["limiter"] = limit if by == "workers" else RateLimit(max=1000, duration=0.2)
    if by != "workers":
        await queue.set_global_rate_limit(limit)
    for _ in range(WORKERS):
        bed.working(quick, concurrency=CONCURRENCY, **options)
    await queue.add_bulk([("a", number) for number in range(jobs)])
    await all_completed(bed, jobs)
    counts = windows(starts(redis_client, bed), 200)
    assert sum(counts) == jobs
    assert max(counts) <= maximum
    # Nor is anybody held up for longer than it takes.
    assert len(counts) <= 8


async def test_jobs_that_come_one_by_one_are_limited_too(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    for _ in range(WORKERS):
        bed.working(quick, concurrency=CONCURRENCY, limiter=RateLimit(max=5, duration=0.15))
    for number in range(40):
        await queue.add("a", number, priority=number % 3, delay=0.01 * (number % 2))
        await asyncio.sleep(0.005)  # so that they come in many calls
    await all_completed(bed, 40)
    assert max(windows(starts(redis_client, bed), 150)) <= 5


async def test_further_attempts_count_as_starts(bed: Bed, redis_client: Any) -> None:
    async def process(job: Job[Any]) -> None:
        if job.attempts_made < 2:
            raise ValueError("not yet")

    queue = bed.queue()
    for _ in range(WORKERS):
        bed.working(process, concurrency=CONCURRENCY, limiter=RateLimit(max=6, duration=0.15))
    await queue.add_bulk([("a", number, {"attempts": 3}) for number in range(10)])
    await all_completed(bed, 10)
    counts = windows(starts(redis_client, bed), 150)
    assert sum(counts) == 30
    assert max(counts) <= 6


async def test_what_is_only_taken_to_be_failed_does_not_count(bed: Bed) -> None:
    async def process(job: Job[Any]) -> None:
        if job.name == "child":
            raise ValueError("no luck")

    for queue in ("children", "q"):
        await bed.queue(queue).pause()
    flows = [FlowJob("parent", "q", children=[FlowJob("child", "children")]) for _ in range(20)]
    parents = [node.job for node in await bed.producer().add_bulk(flows)]
    await bed.queue("children").resume()
    bed.working(process, "children", concurrency=20)
    await eventually(lambda: no_more_wait(bed))
    bed.working(process, limiter=RateLimit(max=1, duration=3600), concurrency=5)
    await bed.queue().resume()
    for parent in parents:
        await reaches(parent, "failed")
    good = await bed.queue().add("good")
    await good.result(timeout=5)


async def no_more_wait(bed: Bed) -> bool:
    return await bed.queue().get_waiting_children_count() == 0


async def test_a_limit_that_is_lifted_is_gone(twin: Any, bed: Bed) -> None:
    queue = twin.queue()
    await queue.set_global_rate_limit(RateLimit(max=1, duration=0.3))
    assert await queue.get_global_rate_limit() == RateLimit(max=1, duration=0.3)
    await queue.add_bulk([("a", number) for number in range(2)])
    bed.working(quick)
    await eventually(lambda: has_completed(queue, 1))
    await queue.remove_global_rate_limit()
    assert await queue.get_global_rate_limit() is None
    await queue.add_bulk([("a", number) for number in range(100)])
    await all_completed(bed, 102)


async def has_completed(queue: Any, count: int) -> bool:
    return bool((await queue.get_job_counts("completed"))["completed"] >= count)


async def test_how_long_a_limit_still_holds(twin: Any, bed: Bed) -> None:
    queue = twin.queue()
    assert await queue.get_rate_limit_ttl() == 0
    assert await queue.get_rate_limit_ttl(1) == 0
    await queue.set_global_rate_limit(RateLimit(max=2, duration=60))
    await queue.add_bulk([("a", number) for number in range(3)])
    bed.working(quick)
    await eventually(lambda: has_completed(queue, 2))
    assert 50 < await queue.get_rate_limit_ttl() <= 60
    assert 50 < await queue.get_rate_limit_ttl(2) <= 60
    assert await queue.get_rate_limit_ttl(3) == 0
    assert await queue.remove_rate_limit_key() == 1
    assert await queue.remove_rate_limit_key() == 0
    assert await queue.get_rate_limit_ttl() == 0


# ---- holding a queue -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limiter", [None, RateLimit(max=1000, duration=1)])
@pytest.mark.parametrize("who", ["queue", "worker"])
async def test_a_held_queue_starts_nothing_for_so_long(
    bed: Bed, redis_client: Any, limiter: RateLimit | None, who: str
) -> None:
    queue, idle = bed.queue(), bed.worker(quick, limiter=limiter)
    begun = server_ms(redis_client)
    await (queue if who == "queue" else idle).rate_limit(0.4)
    for _ in range(WORKERS):
        bed.working(quick, concurrency=CONCURRENCY, limiter=limiter)
    await queue.add_bulk([("a", number, {"delay": 0.001 * (number % 2)}) for number in range(50)])
    await all_completed(bed, 50)
    assert min(starts(redis_client, bed)) - begun >= 399


def server_ms(client: Any) -> int:
    seconds, microseconds = client.time()
    return int(seconds * 1000 + microseconds // 1000)


async def test_to_hold_a_queue_stops_no_job_that_runs(bed: Bed) -> None:
    gate = asyncio.Event()

    async def process(job: Job[Any]) -> None:
        await gate.wait()

    queue = bed.queue()
    running = await queue.add("a")
    bed.working(process, concurrency=2)
    await reaches(running, "active")
    await queue.rate_limit("1h")
    later = await queue.add("b")
    gate.set()
    await reaches(running, "completed")
    assert await later.get_state() == "waiting"
    await queue.remove_rate_limit_key()
    bed.working(process)
    await reaches(later, "completed")


async def test_a_handler_holds_the_whole_queue(bed: Bed, redis_client: Any) -> None:
    refused: list[int] = []

    async def process(job: Job[Any]) -> str:
        if job.data == 0 and job.attempts_started == 1:
            await running_alone(job)
            refused.append(server_ms(redis_client))
            raise RateLimited(0.4)
        return "done"

    async def running_alone(job: Job[Any]) -> None:
        while (await queue.get_job_counts("active"))["active"] > 1:
            await asyncio.sleep(0)

    queue = bed.queue()
    for _ in range(WORKERS):
        bed.working(process, concurrency=CONCURRENCY)
    first = await queue.add("a", 0)
    await eventually(lambda: refused)
    others = await queue.add_bulk([("a", number) for number in range(1, 30)])
    for job in (first, *others):
        assert await job.result(timeout=5) == "done"
    await first.refresh()
    assert (first.attempts_made, first.attempts_started) == (1, 2)
    assert starts(redis_client, bed)[1] - refused[0] >= 399


# ---- concurrency -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 4, 30])
async def test_never_more_jobs_run_at_once_than_the_queue_allows(bed: Bed, most: int) -> None:
    queue, crowd = bed.queue(), Crowd()
    await queue.set_global_concurrency(most)
    for _ in range(WORKERS):
        bed.working(crowd.__call__, concurrency=CONCURRENCY)
    await queue.add_bulk([("a", number, {"priority": number % 2}) for number in range(150)])
    await all_completed(bed, 150)
    assert crowd.most == most


async def test_the_queues_concurrency_may_be_changed_while_it_works(bed: Bed) -> None:
    queue, crowd = bed.queue(), Crowd()
    await queue.set_global_concurrency(1)
    bed.working(crowd.__call__, concurrency=CONCURRENCY)
    jobs = await queue.add_bulk([("a", number) for number in range(20)])
    await eventually(lambda: has_completed(queue, 5))
    assert crowd.most == 1
    await queue.set_global_concurrency(5)
    await queue.add_bulk([("a", number) for number in range(100)])
    await all_completed(bed, 120)
    assert crowd.most == 5
    await queue.remove_global_concurrency()
    crowd.most = 0
    await queue.add_bulk([("a", number) for number in range(100)])
    await all_completed(bed, 220)
    assert crowd.most > 5
    assert len(jobs) == 20


async def test_a_worker_never_runs_more_than_its_own_concurrency(bed: Bed) -> None:
    queue, crowd = bed.queue(), Crowd()
    bed.working(crowd.__call__, concurrency=7)
    await queue.add_bulk([("a", number) for number in range(100)])
    await all_completed(bed, 100)
    assert crowd.most == 7


async def test_a_queue_says_when_it_is_full(twin: Any, bed: Bed) -> None:
    gate = asyncio.Event()

    async def process(_: Job[Any]) -> None:
        await gate.wait()

    queue = twin.queue()
    assert not await queue.is_maxed()
    await queue.set_global_concurrency(2)
    assert await queue.get_global_concurrency() == 2
    assert not await queue.is_maxed()
    await queue.add_bulk([("a", number) for number in range(3)])
    bed.working(process, concurrency=10)
    await eventually(queue.is_maxed)
    gate.set()
    await all_completed(bed, 3)
    assert not await queue.is_maxed()


async def test_a_limit_and_a_concurrency_hold_together(bed: Bed, redis_client: Any) -> None:
    queue, crowd = bed.queue(), Crowd()
    await queue.set_global_concurrency(3)
    for _ in range(WORKERS):
        bed.working(crowd.__call__, concurrency=CONCURRENCY, limiter=RateLimit(max=10, duration=0.15))
    await queue.add_bulk([("a", number) for number in range(40)])
    await all_completed(bed, 40)
    assert crowd.most <= 3
    assert max(windows(starts(redis_client, bed), 150)) <= 10

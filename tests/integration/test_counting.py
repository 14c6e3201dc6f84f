"""Workers count what they end, and add it up in the queue's history: once, whatever happens to the network."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oxmq import Job
from oxmq.clock import ManualClock
from oxmq.errors import BackendError
from oxmq.histograms import Histogram
from oxmq.ops import history
from oxmq.ops.history import MINUTE_MS, HistoryPoint
from oxmq.records import JobRecord
from oxmq.scripts import SCRIPTS
from oxmq.worker.history_recorder import HistoryRecorder
from oxmq.worker.run import Run
from oxmq.worker.tally import Tally
from tests.integration.bed import Bed
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually

START = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS


class Counting:
    """Be the recorder of a worker that ends jobs when it is told to."""

    def __init__(self, context: Any, clock: ManualClock, worker_id: str = "worker") -> None:
        self.context = context
        self.clock = clock
        self.tally = Tally()
        self.recorder = HistoryRecorder(context.runner, context.keys, clock, worker_id, self.tally)

    def end(self, count: int) -> None:
        """Complete jobs that ran for 50 ms."""
        for _ in range(count):
            run = Run(JobRecord("a", attempts_started=2), "token", 1.0, lambda _job, _progress: None)
            run.ended = 1.05
            self.tally.count("completed", run)

    def end_minute(self) -> None:
        """Let a minute pass."""
        self.recorder.set_aside(self.clock.now_ms() // MINUTE_MS * MINUTE_MS)
        self.clock.advance(60)

    async def read(self) -> list[HistoryPoint]:
        """Return all minutes, the one that is going on among them."""
        now = self.clock.now_ms() + MINUTE_MS
        call = history.get_history(self.context.keys, 0, now, 60, with_counts=True)
        found: list[HistoryPoint] = await self.context.runner.run(call)
        return found

    async def counted(self) -> list[int]:
        """Return how many jobs completed in each minute in which any did."""
        return [point.completed for point in await self.read() if point.completed]


async def work(job: Job[Any]) -> None:
    if job.name == "bad":
        raise ValueError("no")


async def counting(bed: Bed, worker_id: str = "worker") -> Counting:
    """Return a recorder of a queue that exists."""
    await bed.queue().add("keeper")
    return Counting(bed.worker(work).context, ManualClock(START), worker_id)


async def test_jobs_are_counted_though_they_are_removed_at_once(bed: Bed) -> None:
    queue = bed.queue()
    gone = {"remove_on_complete": True, "remove_on_fail": True}
    data: dict[str, object] = {}
    await queue.add_bulk([("good", data, gone)] * 30 + [("bad", data, gone)] * 3)
    retried = await queue.add("bad", {}, attempts=2, remove_on_fail=True)
    workers = [bed.working(work), bed.working(work)]

    async def all_done() -> bool:
        return sum((await queue.get_job_counts()).values()) == 0

    await eventually(all_done, 20)
    for worker in workers:
        await worker.close()
    assert await queue.get_job(retried.id) is None
    context = bed.worker(work).context
    call = history.get_history(context.keys, 0, context.clock.now_ms() + MINUTE_MS, 60, with_counts=True)
    points = await context.runner.run(call)
    found = [point.counts for point in points if point.counts is not None]
    for more in found[1:]:  # the test may have met the end of a minute
        found[0].merge(more)
    counts = found[0]
    assert (counts.completed, counts.failed, counts.retried) == (30, 4, 1)
    assert (counts.run.total, counts.wait.total) == (30, 34)
    assert all(point.exact for point in points)


async def test_minutes_go_in_one_by_one_and_the_last_with_the_worker(bed: Bed) -> None:
    one = await counting(bed)
    for jobs in (3, 4):
        one.end(jobs)
        one.end_minute()
        await one.recorder.record()
    one.end(5)
    assert await one.counted() == [3, 4]
    await one.recorder.add_rest()
    assert await one.counted() == [3, 4, 5]
    (point, *_) = await one.read()
    assert (point.exact, point.run) == (True, history.percentiles(Histogram.of([50])))


async def test_a_worker_that_is_killed_loses_its_last_minute(bed: Bed) -> None:
    killed = await counting(bed, "killed")
    other = Counting(killed.context, killed.clock, "other")
    for one in (killed, other):
        one.end(3)
        one.recorder.set_aside(START)
    killed.clock.advance(60)
    await killed.recorder.record()
    killed.end(100)
    del killed
    other.end(4)
    other.end_minute()
    await other.recorder.record()
    assert await other.counted() == [6, 4]


async def test_a_lost_answer_does_not_count_twice(redis_url: str, prefix: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        far = Bed(proxy.url, prefix)
        try:
            one = await counting(far)
            one.end(7)
            one.end_minute()
            proxy.swallow_reply(f"EVALSHA {SCRIPTS['add_counts'].sha}")
            await one.recorder.record()
            assert proxy.fired["swallow_reply"] == 1
            assert await one.counted() == [7]
        finally:
            await far.close()


async def test_what_cannot_be_added_is_kept_for_later_but_not_for_ever(bed: Bed, redis_client: Any) -> None:
    one = await counting(bed)
    key = f"{bed.prefix}:q:oxmq:counts"
    redis_client.set(key, "text")
    for jobs in range(1, 15):
        one.end(jobs)
        one.end_minute()
        with pytest.raises(BackendError):
            await one.recorder.record()
    redis_client.delete(key)
    await one.recorder.record()
    assert await one.counted() == list(range(5, 15))


async def test_a_clock_that_is_set_back_loses_nothing(bed: Bed) -> None:
    one = await counting(bed)
    one.end(1)
    one.end_minute()
    one.end(2)
    one.recorder.set_aside(START - 2 * MINUTE_MS)
    one.recorder.set_aside(START)
    one.end(3)
    one.end_minute()
    await one.recorder.record()
    assert await one.counted() == [1, 5]


async def test_closing_does_not_wait_for_a_server_that_is_away(redis_url: str, prefix: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        far = Bed(proxy.url, prefix)
        try:
            one = await counting(far)
            one.end(1)
            proxy.delay(60)
            async with asyncio.timeout(20):
                await one.recorder.add_rest()
            proxy.delay(0)
        finally:
            await far.close()

"""Looking at a queue: counts, children, metrics, workers. Both kinds of queue are tested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxmq import ConfigurationError, JobState, ManualClock, QueueEvents, RateLimit, Worker
from tests.integration.twin import Twin
from tests.support.waiting import eventually

NOW_MS = 1_700_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)


async def _do_nothing(_job: object) -> None: ...


def fill(redis_client: Any, base: str) -> None:
    """Put one job into the first state, two into the second, and so on."""
    for count, state in enumerate(["wait", "active", "prioritized", "completed", "failed", "waiting-children"], 1):
        for number in range(count):
            job_id = f"{state}{number}"
            redis_client.hset(f"{base}{job_id}", mapping={"name": "a", "timestamp": NOW_MS})
            if state in ("wait", "active"):
                redis_client.lpush(base + state, job_id)
            else:
                redis_client.zadd(base + state, {job_id: number})


async def test_each_state_is_counted(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    fill(redis_client, f"{twin.prefix}:q:")
    names = ["waiting", "active", "prioritized", "completed", "failed", "waiting_children", "delayed"]
    assert [await getattr(queue, f"get_{name}_count")() for name in names] == [1, 2, 3, 4, 5, 6, 0]
    assert await queue.get_job_count_by_types("completed", "failed") == 9
    assert await queue.get_job_count_by_types() == 21
    assert await queue.count() == 10


async def test_parents_that_wait_for_children_are_listed_in_order(twin: Twin, redis_client: Any) -> None:
    fill(redis_client, f"{twin.prefix}:q:")
    jobs = await twin.queue().get_waiting_children(1, 3)
    assert [job.id for job in jobs] == [f"waiting-children{number}" for number in (1, 2, 3)]


async def test_delayed_jobs_are_counted_by_when_they_are_due(twin: Twin) -> None:
    queue = twin.queue(clock=ManualClock(NOW_MS))
    for _ in range(2):
        await queue.add("a", delay=10)
    await queue.add("b", delay=20)
    assert await queue.get_delayed_count() == 3
    assert await queue.get_delayed_count(NOW + timedelta(seconds=10)) == 0
    assert await queue.get_delayed_count(NOW + timedelta(milliseconds=10_001)) == 2


async def test_jobs_are_counted_by_priority(twin: Twin) -> None:
    queue = twin.queue()
    for priority in (0, 0, 1, 2_097_151):
        await queue.add("a", priority=priority)
    assert await queue.get_counts_per_priority([0, 1, 2, 2_097_151]) == {0: 2, 1: 1, 2: 0, 2_097_151: 1}


async def test_children_are_read_a_page_at_a_time(twin: Twin, redis_client: Any) -> None:
    key = f"{twin.prefix}:q:p"
    redis_client.sadd(f"{key}:dependencies", *(f"{twin.prefix}:q:{number}" for number in range(1200)))
    redis_client.hset(f"{key}:processed", mapping={f"{twin.prefix}:q:done": '{"a":1}', f"{twin.prefix}:q:odd": "x"})
    queue = twin.queue()
    pages = [await queue.get_dependencies("p", "pending", start, start + 499) for start in (0, 500, 1000)]
    assert [(len(page.items), page.total) for page in pages] == [(500, 1200), (500, 1200), (200, 1200)]
    assert len({child for page in pages for child in page.items}) == 1200
    processed = await queue.get_dependencies("p", "processed")
    assert processed.items == {f"{twin.prefix}:q:done": {"a": 1}, f"{twin.prefix}:q:odd": None}
    assert (await queue.get_dependencies("none", "pending")).total == 0


async def test_what_a_queue_knows_of_itself(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    empty = await queue.get_meta()
    assert (empty.paused, empty.version, empty.max_len_events, empty.concurrency, empty.rate_limit) == (
        False, None, None, None, None,
    )  # fmt: skip
    stored = {
        "opts.maxLenEvents": 500, "version": "bullmq:6.7.0", "paused": 1, "concurrency": 3, "max": 5, "duration": 1500,
        "mine": "x",
    }  # fmt: skip
    redis_client.hset(f"{twin.prefix}:q:meta", mapping=stored)
    meta = await queue.get_meta()
    assert (meta.paused, meta.version, meta.max_len_events, meta.concurrency) == (True, "bullmq:6.7.0", 500, 3)
    assert meta.rate_limit == RateLimit(max=5, duration=1.5)
    assert meta.other == {"mine": "x"}
    assert await queue.get_version() == "bullmq:6.7.0"


async def test_settings_that_make_no_sense_count_as_none(twin: Twin, redis_client: Any) -> None:
    redis_client.hset(f"{twin.prefix}:q:meta", mapping={"max": 0, "duration": 1000, "concurrency": "many"})
    queue = twin.queue()
    assert (await queue.get_global_rate_limit(), await queue.get_global_concurrency()) == (None, None)


# ---- metrics ---------------------------------------------------------------------------------------------------------


async def test_metrics_as_workers_left_them(twin: Twin, redis_client: Any) -> None:
    redis_client.hset(f"{twin.prefix}:q:metrics:completed", mapping={"count": 9, "prevTS": NOW_MS, "prevCount": 6})
    redis_client.rpush(f"{twin.prefix}:q:metrics:completed:data", 1, 2, 3)
    queue = twin.queue()
    metrics = await queue.get_metrics("completed")
    assert (metrics.meta.count, metrics.meta.prev_ts, metrics.meta.prev_count) == (9, NOW, 6)
    assert (metrics.data, metrics.count) == ([1, 2, 3], 3)
    assert (await queue.get_metrics("completed", 1, 1)).data == [2]
    assert (await queue.get_metrics(JobState.FAILED)).meta.prev_ts is None


async def test_counts_as_prometheus_reads_them(twin: Twin, redis_client: Any) -> None:
    fill(redis_client, f"{twin.prefix}:q:")
    redis_client.hset(f"{twin.prefix}:q:metrics:failed", mapping={"count": 70})
    text = await twin.queue().export_prometheus_metrics({"env": 'a"b\\c\nd'})
    env = r'env="a\"b\\c\nd"'
    assert text.split("\n") == [
        "# HELP bullmq_job_count Number of jobs in the queue by state",
        "# TYPE bullmq_job_count gauge",
        f'bullmq_job_count{{queue="q", state="active", {env}}} 2',
        f'bullmq_job_count{{queue="q", state="completed", {env}}} 4',
        f'bullmq_job_count{{queue="q", state="delayed", {env}}} 0',
        f'bullmq_job_count{{queue="q", state="failed", {env}}} 5',
        f'bullmq_job_count{{queue="q", state="prioritized", {env}}} 3',
        f'bullmq_job_count{{queue="q", state="waiting", {env}}} 1',
        f'bullmq_job_count{{queue="q", state="waiting-children", {env}}} 6',
        "# HELP bullmq_job_completed_total Total number of completed jobs",
        "# TYPE bullmq_job_completed_total counter",
        f'bullmq_job_completed_total{{queue="q", {env}}} 0',
        "# HELP bullmq_job_failed_total Total number of failed jobs",
        "# TYPE bullmq_job_failed_total counter",
        f'bullmq_job_failed_total{{queue="q", {env}}} 70',
    ]


async def test_counts_without_further_labels(twin: Twin) -> None:
    text = await twin.queue("emails").export_prometheus_metrics()
    assert 'bullmq_job_count{queue="emails", state="waiting"} 0' in text.split("\n")


# ---- workers ---------------------------------------------------------------------------------------------------------


async def test_workers_of_the_queue_are_found_and_no_others(twin: Twin) -> None:
    queue = twin.queue()
    workers = [
        Worker("q", _do_nothing, twin.url, prefix=twin.prefix, worker_name="left"),
        Worker("q", _do_nothing, twin.url, prefix=twin.prefix),
        Worker("q2", _do_nothing, twin.url, prefix=twin.prefix, worker_name="stranger"),
    ]
    for worker in workers:
        worker.start()
    await eventually(lambda: _counts(queue, 2), 5, "the workers are not listed")
    found = await queue.get_workers()
    assert sorted(info.name for info in found) == ["", "left"]
    for info in found:
        assert info.addr.startswith("127.0.0.1:")
        assert info.age >= 0
        assert info.idle >= 0
        assert info.raw["addr"] == info.addr
        assert info.raw["name"].startswith(f"{twin.prefix}:cQ==")
    for worker in workers:
        await worker.close(grace=0)
    await eventually(lambda: _counts(queue, 0), 5, "closed workers are still listed")


async def _counts(queue: Any, count: int) -> bool:
    return bool(await queue.get_workers_count() == count)


async def test_readers_of_the_events_are_found(twin: Twin) -> None:
    queue = twin.queue()
    assert await queue.get_queue_events() == []
    async with QueueEvents("q", twin.url, prefix=twin.prefix):
        [reader] = await queue.get_queue_events()
    assert reader.raw["name"] == f"{twin.prefix}:cQ==:qe"
    assert reader.addr.startswith("127.0.0.1:")


# ---- bad input -------------------------------------------------------------------------------------------------------

BAD: list[tuple[str, tuple[Any, ...], str]] = [
    ("get_jobs", ("waiting", -1), "start must be at least 0"),
    ("get_jobs", ("done",), "state 'done' is not one of"),
    ("get_job_counts", ("done",), "state 'done' is not one of"),
    ("get_job_count_by_types", ("done",), "state 'done' is not one of"),
    ("get_delayed_count", (datetime(2026, 1, 1),), "due_before must be a datetime with a time zone"),
    ("get_delayed_count", (5,), "due_before must be a datetime with a time zone"),
    ("get_counts_per_priority", ([-1],), "priorities must be a whole number from 0 to 2097151"),
    ("get_counts_per_priority", (["1"],), "priorities must be a whole number from 0 to 2097151"),
    ("get_dependencies", ("p", "failed"), 'kind must be "processed" or "pending"'),
    ("get_dependencies", ("p", "pending", 0, -2), "end at least -1"),
    ("get_metrics", ("waiting",), 'state must be "completed" or "failed"'),
    ("get_metrics", ("failed", "0"), "start must be at least 0"),
    ("get_rate_limit_ttl", (0,), "max_jobs must be a whole number from 1"),
    ("get_deduplication_job_id", (5,), "deduplication_id must be a string"),
    ("export_prometheus_metrics", ({"queue": "x"},), "global_variables must have names .*not 'queue'"),
    ("export_prometheus_metrics", ({"a-b": "x"},), "global_variables must have names .*not 'a-b'"),
    ("export_prometheus_metrics", ({"a": 5},), r"global_variables\['a'\] must be a string"),
]


@pytest.mark.parametrize(("method", "args", "message"), BAD, ids=[f"{bad[0]}-{bad[2]}" for bad in BAD])
async def test_bad_input_is_named(twin: Twin, method: str, args: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await getattr(twin.queue(), method)(*args)

"""Queues: adding jobs, looking at them, steering the queue. Each test speaks to both kinds of queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from oxmq import ConfigurationError, JobOptions, JobState, Keep, ManualClock, RateLimit, exponential
from tests.integration.twin import Twin

NOW_MS = 1_700_000_000_000
STATES = ["waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed"]


async def test_a_job_is_in_redis_when_the_add_returns(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue(clock=ManualClock(NOW_MS))
    job = await queue.add("resize", {"path": "a.png"})
    assert redis_client.lrange(f"{twin.prefix}:q:wait", 0, -1) == [job.id]
    assert redis_client.hgetall(f"{twin.prefix}:q:{job.id}") == {
        "name": "resize", "data": '{"path":"a.png"}', "opts": '{"attempts":0}', "timestamp": str(NOW_MS),
        "delay": "0", "priority": "0",
    }  # fmt: skip


async def test_the_job_that_an_add_returns_shows_what_was_added(twin: Twin) -> None:
    queue = twin.queue(clock=ManualClock(NOW_MS))
    job = await queue.add("resize", [1, None], priority=3, attempts=2, backoff=exponential(2, jitter=0.5))
    assert UUID(job.id).version == 7
    assert (job.name, job.queue_name, job.data, job.priority, job.delay) == ("resize", "q", [1, None], 3, 0)
    assert job.timestamp == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert job.options == JobOptions(priority=3, attempts=2, backoff=exponential(2, jitter=0.5))
    assert (job.attempts_made, job.attempts_started, job.stalled_count, job.progress) == (0, 0, 0, 0)
    assert (job.return_value, job.failed_reason, job.processed_on, job.finished_on) == (None, None, None, None)
    assert (job.stacktrace, job.token, job.parent_key, job.deferred_failure) == ([], "", None, None)


async def test_a_job_read_back_is_the_job_added(twin: Twin) -> None:
    queue = twin.queue()
    job = await queue.add("resize", {"a": 1}, delay="1h", remove_on_complete=Keep(count=5, age=60), keep_logs=7)
    read = await queue.get_job(job.id)
    for name in ("id", "name", "data", "options", "timestamp", "delay", "priority"):
        assert getattr(read, name) == getattr(job, name)


async def test_data_that_is_not_given_is_an_empty_object(twin: Twin) -> None:
    queue = twin.queue()
    assert (await queue.get_job((await queue.add("a")).id)).data == {}
    assert (await queue.get_job((await queue.add("a", None)).id)).data is None


async def test_ids_of_the_counter_are_bullmqs_whole_numbers(twin: Twin) -> None:
    queue = twin.queue(ids="counter")
    assert [(await queue.add("a")).id for _ in range(3)] == ["1", "2", "3"]
    assert [job.id for job in await queue.add_bulk([("a", 1), ("b", 2)])] == ["4", "5"]


async def test_adding_an_id_twice_adds_one_job(twin: Twin) -> None:
    queue = twin.queue()
    first = await queue.add("a", 1, job_id="only")
    second = await queue.add("a", 2, job_id="only")
    assert first.id == second.id == "only"
    assert (await queue.get_job("only")).data == 1
    assert await queue.count() == 1


async def test_defaults_of_the_queue_lie_under_each_jobs_options(twin: Twin) -> None:
    queue = twin.queue(default_job_options=JobOptions(attempts=3, priority=5))
    job = await queue.add("a", priority=0)
    assert (job.options.attempts, job.priority) == (3, 0)
    bulk = await queue.add_bulk([("a", 1), ("b", 2, {"attempts": 9})])
    assert [(one.options.attempts, one.priority) for one in bulk] == [(3, 5), (9, 5)]


async def test_a_bulk_is_added_in_order_whatever_its_size(twin: Twin) -> None:
    queue = twin.queue()
    jobs = await queue.add_bulk([(f"job {number}", number) for number in range(1_001)])
    assert [job.data for job in jobs] == list(range(1_001))
    assert len({job.id for job in jobs}) == 1_001
    assert [job.data for job in await queue.get_waiting()] == list(range(1_001))


async def test_an_empty_bulk_adds_nothing(twin: Twin) -> None:
    queue = twin.queue()
    assert await queue.add_bulk([]) == []
    assert await queue.count() == 0


async def test_a_bulk_may_mix_every_kind(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add_bulk([("a", 1), ("b", 2, {"delay": 60}), ("c", 3, {"priority": 1}), ("d", 4, {"lifo": True})])
    assert [job.name for job in await queue.get_waiting()] == ["d", "a"]
    assert [job.name for job in await queue.get_delayed()] == ["b"]
    assert [job.name for job in await queue.get_prioritized()] == ["c"]


async def test_one_bad_job_of_a_bulk_keeps_all_out(twin: Twin) -> None:
    queue = twin.queue()
    with pytest.raises(ConfigurationError, match="attempts"):
        await queue.add_bulk([("a", 1), ("b", 2, {"attempts": -1})])
    assert await queue.count() == 0


async def test_a_backdated_delay_counts_from_its_timestamp(twin: Twin) -> None:
    queue = twin.queue(clock=ManualClock(NOW_MS))
    moment = datetime.fromtimestamp(NOW_MS / 1000 - 50, UTC)
    job = await queue.add("a", delay=60, timestamp=moment)
    assert job.timestamp == moment
    assert (await queue.get_delayed())[0].delay == 60


async def test_a_job_that_does_not_exist(twin: Twin) -> None:
    queue = twin.queue()
    assert await queue.get_job("gone") is None
    assert await queue.get_job_state("gone") is JobState.UNKNOWN
    assert await queue.remove("gone") == 1
    assert await queue.get_job_logs("gone") == ([], 0)


async def test_counts_and_states(twin: Twin) -> None:
    queue = twin.queue()
    jobs = [await queue.add("a"), await queue.add("b", priority=1), await queue.add("c", delay=60)]
    assert await queue.get_job_counts() == dict.fromkeys(STATES, 0) | {"waiting": 1, "prioritized": 1, "delayed": 1}
    assert await queue.get_job_counts("delayed", "failed") == {"delayed": 1, "failed": 0}
    assert await queue.count() == 3
    assert [await queue.get_job_state(job.id) for job in jobs] == ["waiting", "prioritized", "delayed"]


async def test_an_unknown_state_is_refused(twin: Twin) -> None:
    queue = twin.queue()
    for ask in (queue.get_job_counts("sleeping"), queue.get_jobs("sleeping"), queue.get_jobs(["waiting", "wait"])):
        with pytest.raises(ConfigurationError, match=r"state 'sleeping' is not one of: active|state 'wait' is not"):
            await ask


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (0, -2)])
async def test_a_bad_range_is_refused(twin: Twin, start: int, end: int) -> None:
    with pytest.raises(ConfigurationError, match="start must be at least 0 and end at least -1"):
        await twin.queue().get_jobs("waiting", start, end)


async def test_ranges_of_jobs(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add_bulk([(str(number), number) for number in range(7)])
    await queue.add("late", 7, delay=60)

    async def data(*args: Any, **kwargs: Any) -> list[int]:
        return [job.data for job in await queue.get_jobs(*args, **kwargs)]

    assert await data("waiting", 0, 2, asc=True) == [0, 1, 2]
    assert await data("waiting", 0, 2) == [6, 5, 4]
    assert await data("waiting", 5, -1, asc=True) == [5, 6]
    assert await data("waiting", 9) == []
    assert await data(["delayed", "waiting"], 0, 1, asc=True) == [7, 0, 1]
    assert sorted(await data()) == list(range(8))
    assert [job.data for job in await queue.get_waiting(1, 2)] == [1, 2]


async def test_more_jobs_than_one_call_reads(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add_bulk([("a", number) for number in range(1_203)])
    assert [job.data for job in await queue.get_jobs("waiting", 400, 1_100, asc=True)] == list(range(400, 1_101))


async def test_pause_and_resume(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add("a")
    assert await queue.is_paused() is False
    await queue.pause()
    assert await queue.is_paused() is True
    assert await queue.get_job_counts("waiting") == {"waiting": 1}
    await queue.resume()
    assert await queue.is_paused() is False


async def test_jobs_that_an_older_library_set_aside_count_as_waiting(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    job = await queue.add("a")
    redis_client.rename(f"{twin.prefix}:q:wait", f"{twin.prefix}:q:paused")
    assert await queue.get_job_counts("waiting") == {"waiting": 1}
    assert [one.id for one in await queue.get_waiting()] == [job.id]
    await queue.resume()
    assert redis_client.lrange(f"{twin.prefix}:q:wait", 0, -1) == [job.id]


async def test_remove(twin: Twin) -> None:
    queue = twin.queue()
    job = await queue.add("a")
    assert await queue.remove(job.id) == 1
    assert await queue.get_job(job.id) is None


async def test_global_limits(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    assert await queue.get_global_concurrency() is None
    await queue.set_global_concurrency(3)
    assert await queue.get_global_concurrency() == 3
    await queue.set_global_rate_limit(RateLimit(max=5, duration="10s"))
    assert redis_client.hgetall(f"{twin.prefix}:q:meta").items() >= {"max": "5", "duration": "10000"}.items()
    await queue.remove_global_concurrency()
    await queue.remove_global_rate_limit()
    assert await queue.get_global_concurrency() is None
    assert not redis_client.hkeys(f"{twin.prefix}:q:meta")


async def test_a_queue_held_by_hand(twin: Twin, redis_client: Any) -> None:
    await twin.queue().rate_limit("5s")
    assert 4_000 < redis_client.pttl(f"{twin.prefix}:q:limiter") <= 5_000


async def test_a_closed_queue_opens_again_at_the_next_call(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add("a")
    await queue.close()
    await queue.add("b")
    assert await queue.count() == 2


async def test_names(twin: Twin) -> None:
    queue = twin.queue("image-processing")
    assert (queue.name, queue.qualified_name) == ("image-processing", f"{twin.prefix}:image-processing")


async def test_a_queue_of_another_library_is_read_but_not_added_to(twin: Twin) -> None:
    queue = twin.queue("a queue of theirs")
    assert await queue.count() == 0
    with pytest.raises(ConfigurationError, match="queue name must be 1 to 128"):
        await queue.add("a")

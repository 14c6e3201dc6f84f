"""Steering a queue as a whole: emptying it, putting jobs back, writing events. Both kinds of queue are tested."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from oxmq import ConfigurationError, JobNotFoundError, ManualClock, QueueStateError, RateLimit, Worker
from oxmq.ops.call import MAX_ROWS
from tests.integration.twin import Twin
from tests.support.waiting import eventually

NOW_MS = 1_700_000_000_000
MANY = 2 * MAX_ROWS + 7


async def add_many(queue: Any, count: int = MANY, **options: Any) -> list[str]:
    return [job.id for job in await queue.add_bulk([("a", number, options) for number in range(count)])]


async def finish_all(twin: Twin, queue: Any, error: str | None = None) -> None:
    """End all jobs that are ready, in order."""
    worker = Worker(queue.name, _do_nothing, twin.url, prefix=twin.prefix, clock=queue._context.clock)
    while job := await worker.get_next_job("t", block=False):
        await (job.move_to_completed(1, "t", fetch_next=False) if error is None else job.move_to_failed(error, "t"))
    await worker.close()


async def _do_nothing(_job: object) -> None: ...


async def counts(queue: Any) -> dict[str, int]:
    found: dict[str, int] = await queue.get_job_counts()
    return {state: count for state, count in found.items() if count}


# ---- drain -----------------------------------------------------------------------------------------------------------


async def test_drain_deletes_what_has_not_begun(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    await add_many(queue)
    await add_many(queue, 3, priority=2)
    await add_many(queue, 4, delay="1h")
    await queue.drain()
    assert await counts(queue) == {"delayed": 4}
    await queue.drain(delayed=True)
    assert await counts(queue) == {}
    left = {key.rpartition(":")[2] for key in redis_client.keys(f"{twin.prefix}:*")}
    assert left <= {"meta", "events", "marker", "id", "pc"}


async def test_drain_leaves_what_runs_and_what_has_ended(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add("a")
    await finish_all(twin, queue)
    await queue.add("b")
    worker = Worker("q", _do_nothing, twin.url, prefix=twin.prefix)
    job = await worker.get_next_job("t", block=False)
    await queue.drain()
    assert await counts(queue) == {"active": 1, "completed": 1}
    assert job is not None
    await job.move_to_completed(1, "t")
    await worker.close()


async def test_jobs_are_run_or_drained_while_workers_and_producers_go_on(twin: Twin, redis_client: Any) -> None:
    queue, ran = twin.queue(), list[str]()

    async def note(job: Any) -> None:
        ran.append(job.id)

    ids = await add_many(queue, 8 * MAX_ROWS)
    worker = Worker("q", note, twin.url, prefix=twin.prefix, concurrency=20)
    worker.start()
    late: list[str] = []
    while len(ran) < MAX_ROWS:
        late += await add_many(queue, 10)
        await queue.clean("1h", 0, "waiting")
    await queue.drain()
    await eventually(lambda: _is_empty(queue), 10, "jobs are left")
    await worker.close()
    kept = {key.rpartition(":")[2] for key in redis_client.keys(f"{twin.prefix}:q:*-*-*-*-*")}
    assert kept == set(ran)
    assert len(ran) == len(set(ran))
    assert set(ran) <= {*ids, *late}


async def _is_empty(queue: Any) -> bool:
    return not {"waiting", "active"} & (await counts(queue)).keys()


# ---- clean -----------------------------------------------------------------------------------------------------------


async def test_clean_deletes_what_ended_long_enough_ago(twin: Twin) -> None:
    clock = ManualClock(NOW_MS)
    queue = twin.queue(clock=clock)
    old = await add_many(queue, 3)
    await finish_all(twin, queue)
    clock.advance(60)
    await add_many(queue, 2)
    await finish_all(twin, queue)
    assert sorted(await queue.clean("1m")) == sorted(old)
    assert await counts(queue) == {"completed": 2}
    assert await queue.clean(0, state="failed") == []


async def test_clean_stops_at_its_limit_and_without_one_at_the_end(twin: Twin) -> None:
    queue = twin.queue()
    ids = await add_many(queue)
    assert await queue.clean(0, MAX_ROWS + 1, "waiting") == ids[: MAX_ROWS + 1]
    assert await queue.clean(0, 0, "waiting") == ids[MAX_ROWS + 1 :]
    assert await counts(queue) == {}


async def test_clean_looks_behind_young_jobs(twin: Twin) -> None:
    clock = ManualClock(NOW_MS)
    queue = twin.queue(clock=clock)
    old = await add_many(queue, 2)
    clock.advance(3600)
    young = await add_many(queue, MAX_ROWS + 3, lifo=True)
    assert await queue.clean("10m", 1, "waiting") == old[:1]
    assert await queue.clean("10m", 0, "waiting") == old[1:]
    assert [job.id for job in await queue.get_waiting()] == young[::-1]


@pytest.mark.parametrize("state", ["waiting", "wait"])
async def test_clean_finds_the_jobs_that_an_older_peer_set_aside(twin: Twin, redis_client: Any, state: str) -> None:
    queue = twin.queue()
    [aside] = await add_many(queue, 1)
    redis_client.rename(f"{twin.prefix}:q:wait", f"{twin.prefix}:q:paused")
    [waiting] = await add_many(queue, 1)
    assert await queue.clean(0, 2, state) == [waiting, aside]
    events = redis_client.xrange(f"{twin.prefix}:q:events")
    assert [fields["count"] for _, fields in events if fields["event"] == "cleaned"] == ["1", "1"]


async def test_clean_may_be_told_to_look_only_at_what_was_set_aside(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    [aside] = await add_many(queue, 1)
    redis_client.rename(f"{twin.prefix}:q:wait", f"{twin.prefix}:q:paused")
    await add_many(queue, 1)
    assert await queue.clean(0, 0, "paused") == [aside]
    assert await counts(queue) == {"waiting": 1}


async def test_clean_tells_once_when_there_was_nothing(twin: Twin, redis_client: Any) -> None:
    await twin.queue().clean(0, 10, "waiting")
    assert [fields for _, fields in redis_client.xrange(f"{twin.prefix}:q:events")] == [
        {"event": "cleaned", "count": "0"}
    ]


# ---- obliterate ------------------------------------------------------------------------------------------------------


async def test_obliterate_leaves_nothing(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    await add_many(queue)
    await add_many(queue, 3, delay="1h")
    await queue.obliterate()
    assert redis_client.keys(f"{twin.prefix}:*") == []
    await queue.add("new life")
    assert await counts(queue) == {"waiting": 1}


async def test_obliterate_is_refused_while_a_job_runs_and_leaves_the_queue_paused(twin: Twin) -> None:
    queue = twin.queue()
    await queue.add("a")
    worker = Worker("q", _do_nothing, twin.url, prefix=twin.prefix)
    await worker.get_next_job("t", block=False)
    with pytest.raises(QueueStateError, match="Cannot obliterate queue with active jobs") as caught:
        await queue.obliterate()
    assert caught.value.queue == "q"
    assert await queue.is_paused()
    assert await counts(queue) == {"active": 1}
    await queue.obliterate(force=True, count=1)
    assert await counts(queue) == {}
    await worker.close()


# ---- retry_jobs, promote_jobs ----------------------------------------------------------------------------------------


async def test_all_failed_jobs_run_again(twin: Twin) -> None:
    queue = twin.queue()
    ids = await add_many(queue)
    await finish_all(twin, queue, "no")
    assert await counts(queue) == {"failed": MANY}
    await queue.retry_jobs()
    assert await counts(queue) == {"waiting": MANY}
    assert {job.id for job in await queue.get_waiting()} == set(ids)
    assert (await queue.get_job(ids[0])).failed_reason is None


async def test_only_jobs_of_one_state_that_ended_in_time_run_again(twin: Twin) -> None:
    clock = ManualClock(NOW_MS)
    queue = twin.queue(clock=clock)
    await queue.add("fails")
    await finish_all(twin, queue, "no")
    [early] = await add_many(queue, 1)
    await finish_all(twin, queue)
    clock.advance(60)
    await queue.add("late")
    await finish_all(twin, queue)
    await queue.retry_jobs("completed", 1, datetime.fromtimestamp(NOW_MS / 1000, UTC))
    assert [job.id for job in await queue.get_waiting()] == [early]
    assert await counts(queue) == {"waiting": 1, "completed": 1, "failed": 1}


async def test_all_delayed_jobs_are_ready(twin: Twin) -> None:
    queue = twin.queue()
    await add_many(queue, delay="1h")
    await queue.promote_jobs(count=100)
    assert await counts(queue) == {"waiting": MANY}


# ---- orphans ---------------------------------------------------------------------------------------------------------


async def test_jobs_that_are_in_no_state_go_and_all_others_stay(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    lost = await add_many(queue)
    redis_client.delete(f"{twin.prefix}:q:wait")
    redis_client.rpush(f"{twin.prefix}:q:{lost[0]}:logs", "row")
    await add_many(queue, 2)
    await finish_all(twin, queue)
    await add_many(queue, 3)
    await add_many(queue, 1, delay="1h", deduplication="d")
    redis_client.hset(f"{twin.prefix}:q:metrics:failed", "count", 1)
    redis_client.hset(f"{twin.prefix}:q:repeat:failed", mapping={"name": "failed"})
    redis_client.hset(f"{twin.prefix}:other:x", mapping={"name": "x", "timestamp": 1})
    others = set(redis_client.keys("*")) - {f"{twin.prefix}:q:{job_id}" for job_id in lost}
    others.remove(f"{twin.prefix}:q:{lost[0]}:logs")
    assert await queue.remove_orphaned_jobs(limit=10) == 10
    assert await queue.remove_orphaned_jobs(count=50) == MANY - 10
    assert set(redis_client.keys("*")) == others
    assert await queue.remove_orphaned_jobs() == 0


# ---- limits and keys -------------------------------------------------------------------------------------------------


async def test_a_rate_limit_is_seen_and_lifted(twin: Twin) -> None:
    queue = twin.queue()
    assert await queue.get_rate_limit_ttl() == 0.0
    await queue.rate_limit("1m")
    assert 50 < await queue.get_rate_limit_ttl() <= 60
    assert await queue.remove_rate_limit_key() == 1
    assert await queue.remove_rate_limit_key() == 0
    assert await queue.get_rate_limit_ttl(max_jobs=1) == 0.0


async def test_limits_of_the_whole_queue(twin: Twin) -> None:
    queue = twin.queue()
    assert (await queue.get_global_rate_limit(), await queue.get_global_concurrency()) == (None, None)
    await queue.set_global_rate_limit(RateLimit(max=5, duration="2s"))
    await queue.set_global_concurrency(1)
    assert await queue.get_global_rate_limit() == RateLimit(max=5, duration=2.0)
    assert await queue.get_global_concurrency() == 1
    assert not await queue.is_maxed()
    await queue.add("a")
    worker = Worker("q", _do_nothing, twin.url, prefix=twin.prefix)
    await worker.get_next_job("t", block=False)
    await worker.close()
    assert await queue.is_maxed()
    await queue.remove_global_concurrency()
    await queue.remove_global_rate_limit()
    assert not await queue.is_maxed()
    assert (await queue.get_global_rate_limit(), await queue.get_global_concurrency()) == (None, None)


async def test_a_deduplication_id_is_looked_up_and_freed(twin: Twin) -> None:
    queue = twin.queue()
    job = await queue.add("a", deduplication="d")
    assert await queue.get_deduplication_job_id("d") == job.id
    assert await queue.remove_deduplication_key("d") == 1
    assert await queue.remove_deduplication_key("d") == 0
    assert await queue.get_deduplication_job_id("d") is None


# ---- events ----------------------------------------------------------------------------------------------------------


async def test_an_event_of_ones_own_is_read_by_others(twin: Twin) -> None:
    queue = twin.queue()
    await queue.publish_event("invoice-sent", {"jobId": "7", "amount": "12.50", "lines": 3})
    events = twin.events()
    event = await anext(aiter(events)) if twin.is_async else next(iter(events._thing))
    assert (event.name, event.job_id) == ("invoice-sent", "7")
    assert {name: event.fields[name] for name in ("amount", "lines")} == {"amount": "12.50", "lines": "3"}


async def test_events_of_ones_own_push_out_old_ones(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    await add_many(queue)
    await queue.publish_event("mine", max_events=100)
    assert 100 <= redis_client.xlen(f"{twin.prefix}:q:events") <= 200


async def test_old_events_go(twin: Twin, redis_client: Any) -> None:
    stream = f"{twin.prefix}:q:events"
    pipeline = redis_client.pipeline(transaction=False)
    for number in range(25_000):
        pipeline.xadd(stream, {"event": "e", "n": number})
    pipeline.execute()
    assert await twin.queue().trim_events(500) == 25_000 - redis_client.xlen(stream)
    assert 500 <= redis_client.xlen(stream) <= 700
    assert await twin.queue().trim_events(25_000) == 0


# ---- jobs by their ids -----------------------------------------------------------------------------------------------


async def test_a_queue_remembers_how_many_events_to_keep(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue()
    await queue.set_max_events(200)
    await add_many(queue, 1000)
    assert (await queue.get_meta()).max_len_events == 200
    # Servers trim whole pieces of a stream, of 100 entries each.
    assert 200 <= redis_client.xlen(f"{twin.prefix}:q:events") <= 400


async def test_progress_and_logs_by_id(twin: Twin) -> None:
    queue = twin.queue()
    job = await queue.add("a")
    await queue.update_job_progress(job.id, {"done": 0.5})
    assert (await queue.get_job(job.id)).progress == {"done": 0.5}
    assert [await queue.add_job_log(job.id, row) for row in ("a", "b", "c")] == [1, 2, 3]
    assert await queue.add_job_log(job.id, "d", keep=2) == 2
    assert await queue.get_job_logs(job.id) == (["c", "d"], 2)
    with pytest.raises(JobNotFoundError):
        await queue.update_job_progress("gone", 1)
    with pytest.raises(JobNotFoundError):
        await queue.add_job_log("gone", "row")


# ---- bad input -------------------------------------------------------------------------------------------------------

NAIVE = datetime(2026, 1, 1)

BAD: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("clean", (-1,), {}, "grace must be between 0"),
    ("clean", ("soon",), {}, "grace must be a text such as"),
    ("clean", (0, -1), {}, "limit must be a whole number from 0"),
    ("clean", (0, 1, "done"), {}, "state 'done' is not one of"),
    ("obliterate", (), {"count": 0}, "count must be a whole number from 1"),
    ("retry_jobs", (), {"count": 0}, "count must be a whole number from 1"),
    ("retry_jobs", ("waiting",), {}, 'state must be "failed" or "completed"'),
    ("retry_jobs", (), {"timestamp": NAIVE}, "timestamp must be a datetime with a time zone"),
    ("retry_jobs", (), {"timestamp": 5}, "timestamp must be a datetime with a time zone"),
    ("promote_jobs", (), {"count": True}, "count must be a whole number from 1"),
    ("remove_orphaned_jobs", (0,), {}, "count must be a whole number from 1"),
    ("remove_orphaned_jobs", (1, -1), {}, "limit must be a whole number from 0"),
    ("set_max_events", (0,), {}, "max_events must be a whole number from 1"),
    ("trim_events", (-1,), {}, "max_length must be a whole number from 0"),
    ("publish_event", ("",), {}, "name must be a text that does not begin with"),
    ("publish_event", (5,), {}, "name must be a string"),
    ("publish_event", ("a", {"event": "b"}), {}, 'other than "event"'),
    ("publish_event", ("a", {"b": 1.5}), {}, r"fields\['b'\] must be a string or a whole number"),
    ("publish_event", ("a",), {"max_events": 0}, "max_events must be a whole number from 1"),
    ("add_job_log", ("1", 5), {}, "log line of job 1 must be a string"),
    ("add_job_log", ("1", "a"), {"keep": 0}, "keep must be a whole number from 1"),
    ("update_job_progress", ("1", object()), {}, "progress of job 1 cannot be written as JSON"),
    ("remove_deduplication_key", (5,), {}, "deduplication_id must be a string"),
    ("set_global_concurrency", (0,), {}, "concurrency must be a whole number from 1"),
]


@pytest.mark.parametrize(("method", "args", "named", "message"), BAD, ids=[f"{bad[0]}-{bad[3]}" for bad in BAD])
async def test_bad_input_is_named_and_changes_nothing(
    twin: Twin, redis_client: Any, method: str, args: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await getattr(twin.queue(), method)(*args, **named)
    assert redis_client.keys(f"{twin.prefix}:*") == []

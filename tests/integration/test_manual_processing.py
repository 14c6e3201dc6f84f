"""Processing jobs by hand: take one, hold it, end it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxmq import (
    ChildrenFailedError,
    ChildrenPendingError,
    ConfigurationError,
    Job,
    JobState,
    JobStateError,
    LockLostError,
    ManualClock,
    Unrecoverable,
    Worker,
)
from tests.integration.bed import Bed

NOW_MS = 1_700_000_000_000


def by_hand(bed: Bed, **options: Any) -> Worker:
    """Return a worker that is only asked for jobs."""
    return bed.worker(print, **options)


async def taken(worker: Worker, token: str = "mine") -> Job[Any]:
    job = await worker.get_next_job(token)
    assert job
    return job


async def test_an_empty_queue_has_no_next_job(bed: Bed) -> None:
    assert await by_hand(bed).get_next_job("mine") is None


async def test_a_job_is_taken_and_completed(bed: Bed, redis_client: Any) -> None:
    added = await bed.queue().add("a", {"x": 1})
    job = await taken(by_hand(bed, worker_name="hand"))
    assert (job.id, job.data, job.token, job.attempts_started) == (added.id, {"x": 1}, "mine", 1)
    assert redis_client.get(f"{bed.prefix}:q:{job.id}:lock") == "mine"
    assert await job.move_to_completed("done", "mine") is None
    await job.refresh()
    assert (await job.get_state(), job.return_value, job.attempts_made) == (JobState.COMPLETED, "done", 1)
    assert job.processed_by == "hand"


async def test_completing_one_brings_the_next_under_the_same_token(bed: Bed) -> None:
    await bed.queue().add_bulk([("a", 1), ("b", 2), ("c", 3)])
    job = await taken(by_hand(bed))
    following = await job.move_to_completed(1, "mine")
    assert following
    assert (following.name, following.token) == ("b", "mine")
    assert await following.move_to_completed(2, "mine", fetch_next=False) is None
    assert (await bed.queue().get_job_counts("waiting"))["waiting"] == 1


async def test_failing_one_may_bring_the_next(bed: Bed) -> None:
    await bed.queue().add_bulk([("a", 1), ("b", 2)])
    job = await taken(by_hand(bed))
    following = await job.move_to_failed(ValueError("no"), "mine", fetch_next=True)
    assert following
    assert following.name == "b"


@pytest.mark.parametrize("error", ["no luck", ValueError("no luck")])
async def test_a_failed_job_is_tried_again_while_attempts_are_left(bed: Bed, error: Any) -> None:
    added = await bed.queue().add("a", attempts=2)
    worker = by_hand(bed)
    for state in (JobState.WAITING, JobState.FAILED):
        await (await taken(worker)).move_to_failed(error, "mine")
        assert await added.get_state() is state
    await added.refresh()
    assert (added.failed_reason, added.attempts_made) == ("no luck", 2)
    assert len(added.stacktrace) == (0 if isinstance(error, str) else 2)


async def test_a_stack_trace_may_be_given(bed: Bed) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed))
    await job.move_to_failed("no luck", "mine", stack="over there, line 5")
    await job.refresh()
    assert job.stacktrace == ["over there, line 5"]


async def test_unrecoverable_by_hand(bed: Bed) -> None:
    added = await bed.queue().add("a", attempts=9)
    await (await taken(by_hand(bed))).move_to_failed(Unrecoverable("never"), "mine")
    assert await added.is_failed()


async def test_a_failure_with_backoff_is_delayed(bed: Bed) -> None:
    added = await bed.queue().add("a", attempts=9, backoff=60)
    await (await taken(by_hand(bed))).move_to_failed("no", "mine")
    assert await added.is_delayed()


async def test_a_job_is_put_off_until_a_moment(bed: Bed) -> None:
    clock = ManualClock(NOW_MS)
    added = await bed.queue(clock=clock).add("a")
    worker = by_hand(bed, clock=clock)
    moment = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=5)
    await (await taken(worker)).move_to_delayed(moment, "mine")
    await added.refresh()
    assert (await added.get_state(), added.delay, added.attempts_made) == (JobState.DELAYED, 5, 0)
    assert await worker.get_next_job("mine") is None
    clock.advance(5)
    assert (await taken(worker)).attempts_started == 2


async def test_a_moment_that_has_passed_is_now(bed: Bed) -> None:
    await bed.queue().add("a")
    worker = by_hand(bed)
    await (await taken(worker)).move_to_delayed(datetime(2001, 1, 1, tzinfo=UTC), "mine")
    assert await worker.get_next_job("mine")


async def test_a_job_is_given_back_to_run_next(bed: Bed) -> None:
    await bed.queue().add_bulk([("a", 1), ("b", 2)])
    worker = by_hand(bed)
    await (await taken(worker)).move_to_wait("mine")
    again = await taken(worker)
    assert (again.name, again.attempts_made, again.attempts_started) == ("a", 0, 2)


async def test_only_the_holder_of_the_lock_may_end_a_job(bed: Bed) -> None:
    added = await bed.queue().add("a")
    job = await taken(by_hand(bed))
    now = datetime.now(UTC)
    for act in (
        job.move_to_completed(1, "other"),
        job.move_to_failed("no", "other"),
        job.move_to_delayed(now, "other"),
        job.move_to_wait("other"),
    ):
        with pytest.raises(LockLostError, match="Lock mismatch") as caught:
            await act
        assert caught.value.code == -6
    assert await added.is_active()


async def test_a_job_that_ended_cannot_end_again(bed: Bed) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed))
    await job.move_to_completed(1, "mine")
    with pytest.raises(LockLostError, match="Missing lock for job") as caught:
        await job.move_to_failed("no", "mine")
    assert caught.value.code == -2


async def test_a_job_that_is_no_longer_active_cannot_end(bed: Bed, redis_client: Any) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed))
    redis_client.rpoplpush(f"{bed.prefix}:q:active", f"{bed.prefix}:q:wait")
    with pytest.raises(JobStateError, match="is not in the active state") as caught:
        await job.move_to_completed(1, "mine")
    assert caught.value.code == -3


@pytest.mark.parametrize("token", ["", "0"])
async def test_a_token_that_proves_nothing_ends_no_job(bed: Bed, token: str) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed))
    with pytest.raises(ConfigurationError, match="token must be a text other than"):
        await job.move_to_completed(1, token)
    assert await job.is_active()


async def test_a_job_with_children_pending_or_failed_cannot_complete(bed: Bed, redis_client: Any) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed))
    key = f"{bed.prefix}:q:{job.id}"
    redis_client.sadd(f"{key}:dependencies", f"{bed.prefix}:q:child")
    with pytest.raises(ChildrenPendingError, match="has pending dependencies"):
        await job.move_to_completed(1, "mine")
    redis_client.delete(f"{key}:dependencies")
    redis_client.zadd(f"{key}:unsuccessful", {f"{bed.prefix}:q:child": 1})
    with pytest.raises(ChildrenFailedError, match="at least one failed child"):
        await job.move_to_completed(1, "mine")
    assert await job.is_active()


async def test_a_lock_is_extended_by_its_holder(bed: Bed, redis_client: Any) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed, lock_duration=5))
    await job.extend_lock("mine", "1m")
    assert redis_client.pttl(f"{bed.prefix}:q:{job.id}:lock") > 50_000
    with pytest.raises(LockLostError, match=f"Missing lock for job {job.id}"):
        await job.extend_lock("other", 60)


@pytest.mark.parametrize("duration", [0, -1, "soon", None])
async def test_a_lock_is_extended_by_some_time(bed: Bed, duration: Any) -> None:
    await bed.queue().add("a")
    job = await taken(by_hand(bed))
    with pytest.raises(ConfigurationError, match="duration must be"):
        await job.extend_lock("mine", duration)
    assert await job.move_to_completed(1, "mine") is None


@pytest.mark.parametrize("token", ["", "0"])
async def test_a_token_must_be_able_to_prove_something(bed: Bed, token: str) -> None:
    with pytest.raises(ConfigurationError, match='token must be a text other than "0"'):
        await by_hand(bed).get_next_job(token)


async def test_a_blocking_take_waits_for_a_job(bed: Bed) -> None:
    worker = by_hand(bed)
    waiting = asyncio.create_task(worker.get_next_job("mine", block=True))
    await asyncio.sleep(0)
    added = await bed.queue().add("a")
    job = await asyncio.wait_for(waiting, 4)
    assert job
    assert job.id == added.id


async def test_a_blocking_take_ends_after_the_drain_delay(bed: Bed) -> None:
    began = time.monotonic()
    assert await by_hand(bed, drain_delay=0.2).get_next_job("mine", block=True) is None
    assert 0.19 <= time.monotonic() - began < 2


async def test_the_workers_limits_hold_by_hand(bed: Bed) -> None:
    await bed.queue().add("a")
    worker = by_hand(bed)
    await worker.rate_limit("1h")
    assert await worker.get_next_job("mine") is None


async def test_stalled_jobs_are_recovered_on_demand(bed: Bed, redis_client: Any) -> None:
    worker = by_hand(bed, stalled_interval=0.001)
    await bed.queue().add("a")
    job = await taken(worker)
    redis_client.delete(f"{bed.prefix}:q:{job.id}:lock", f"{bed.prefix}:q:stalled-check")
    assert await worker.recover_stalled() == []
    redis_client.delete(f"{bed.prefix}:q:stalled-check")
    assert await worker.recover_stalled() == [job.id]
    assert await job.is_waiting()

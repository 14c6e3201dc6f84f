"""Jobs: looking at one and acting on it. Each test speaks to both kinds of job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from oxmq import (
    ConfigurationError,
    JobLockedError,
    JobNotFoundError,
    JobState,
    JobStateError,
    ManualClock,
    Worker,
)
from tests.integration.bed import Bed
from tests.integration.twin import Twin

NOW_MS = 1_700_000_000_000


async def run_by_hand(bed: Bed, *, fail: bool = False) -> None:
    """Take the next job and end it."""
    worker: Worker = bed.worker(print)
    job = await worker.get_next_job("hand")
    assert job
    if fail:
        await job.move_to_failed("no luck", "hand")
    else:
        await job.move_to_completed({"ok": True}, "hand", fetch_next=False)


async def test_refresh_shows_what_happened_since(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a")
    await run_by_hand(bed)
    before = job.return_value
    await job.refresh()
    assert (before, job.return_value) == (None, {"ok": True})
    assert (job.attempts_made, job.attempts_started) == (1, 1)
    assert job.finished_on >= job.processed_on


async def test_states(twin: Twin, bed: Bed) -> None:
    queue = twin.queue()
    waiting, delayed = await queue.add("a"), await queue.add("b", delay=60)
    prioritized = await queue.add("c", priority=1)
    assert [await job.get_state() for job in (waiting, delayed, prioritized)] == ["waiting", "delayed", "prioritized"]
    assert await waiting.is_waiting()
    assert await delayed.is_delayed()
    assert await prioritized.is_prioritized()
    await run_by_hand(bed)
    assert await waiting.is_completed()
    assert not await waiting.is_active()
    await run_by_hand(bed, fail=True)
    assert await prioritized.is_failed()


async def test_update_data(twin: Twin) -> None:
    queue = twin.queue()
    job = await queue.add("a", 1)
    await job.update_data({"new": [1]})
    assert job.data == (await queue.get_job(job.id)).data == {"new": [1]}


@pytest.mark.parametrize("progress", [0, 50, 99.5, "half", {"done": 1, "of": 2}, [1], None, True])
async def test_update_progress(twin: Twin, progress: object) -> None:
    queue = twin.queue()
    job = await queue.add("a")
    await job.update_progress(progress)
    assert job.progress == (await queue.get_job(job.id)).progress == progress


async def test_logs(twin: Twin) -> None:
    queue = twin.queue()
    job = await queue.add("a", keep_logs=3)
    assert [await job.log(f"row {number}") for number in range(5)] == [1, 2, 3, 3, 3]
    assert await job.get_logs() == ["row 2", "row 3", "row 4"]
    assert await job.get_logs(0, 0, asc=False) == ["row 4"]
    assert await queue.get_job_logs(job.id, 1, 1) == (["row 3"], 3)
    await job.clear_logs(1)
    assert await job.get_logs() == ["row 4"]
    await job.clear_logs()
    assert await job.get_logs() == []


async def test_a_thousand_log_rows_are_kept_where_nothing_is_said(twin: Twin, redis_client: Any) -> None:
    job = await twin.queue().add("a")
    redis_client.rpush(f"{twin.prefix}:q:{job.id}:logs", *range(1_500))
    assert await job.log("last") == 1_000
    assert len(await job.get_logs()) == 1_000


async def test_promote(twin: Twin) -> None:
    job = await twin.queue().add("a", delay="1h")
    await job.promote()
    assert (await job.get_state(), job.delay) == (JobState.WAITING, 0)
    with pytest.raises(JobStateError, match="is not in the delayed state"):
        await job.promote()


async def test_retry_of_a_failed_job(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a")
    await run_by_hand(bed, fail=True)
    await job.retry(reset_attempts_made=True)
    await job.refresh()
    assert (await job.get_state(), job.failed_reason, job.attempts_made) == (JobState.WAITING, None, 0)
    assert job.attempts_started == 1
    with pytest.raises(JobStateError, match="is not in the failed state"):
        await job.retry()


async def test_retry_of_a_completed_job(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a")
    await run_by_hand(bed)
    await job.retry("completed", reset_attempts_started=True)
    await job.refresh()
    assert (job.return_value, job.attempts_made, job.attempts_started) == (None, 1, 0)


async def test_retry_of_a_lifo_job_runs_next(twin: Twin, bed: Bed) -> None:
    queue = twin.queue()
    job = await queue.add("a", lifo=True)
    await run_by_hand(bed, fail=True)
    await queue.add("b")
    await job.retry()
    assert [one.name for one in await queue.get_waiting()] == ["a", "b"]


async def test_retry_from_a_state_that_no_job_returns_from(twin: Twin) -> None:
    job = await twin.queue().add("a")
    with pytest.raises(ConfigurationError, match='state must be "failed" or "completed", not \'waiting\''):
        await job.retry("waiting")


async def test_remove(twin: Twin, bed: Bed) -> None:
    queue = twin.queue()
    job = await queue.add("a")
    await job.remove()
    assert await queue.get_job(job.id) is None
    held = await queue.add("b")
    await bed.worker(print).get_next_job("hand")
    with pytest.raises(JobLockedError, match="could not be removed because it is locked by another worker"):
        await held.remove()
    assert await queue.remove(held.id) == 0


async def test_everything_on_a_job_that_is_gone_says_so(twin: Twin) -> None:
    job = await twin.queue().add("a")
    await job.remove()
    for act in (
        job.refresh(),
        job.update_data(1),
        job.update_progress(1),
        job.log("row"),
        job.retry(),
        job.result(timeout=1),
        job.move_to_completed(1, "token"),
        job.move_to_failed("no", "token"),
        job.move_to_wait("token"),
        job.move_to_delayed(datetime.now(UTC), "token"),
    ):
        with pytest.raises(JobNotFoundError, match=f"Missing key for job {job.id}") as caught:
            await act
        assert (caught.value.job_id, caught.value.queue, caught.value.code) == (job.id, "q", -1)


async def test_removing_what_is_gone_is_done_already(twin: Twin) -> None:
    job = await twin.queue().add("a")
    await job.remove()
    await job.remove()
    await job.clear_logs()
    assert await job.get_logs() == []
    assert await job.get_state() is JobState.UNKNOWN


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800", "x" * 2**20])
async def test_values_that_cannot_be_written_are_refused(twin: Twin, value: object) -> None:
    job = await twin.queue().add("a")
    for act in (job.update_data(value), job.update_progress(value), job.move_to_completed(value, "token")):
        with pytest.raises(ConfigurationError, match=f"of job {job.id} (cannot be written|takes)"):
            await act


@pytest.mark.parametrize("row", ["x" * (2**20 + 1), "\ud800", 5, None])
async def test_log_rows_that_cannot_be_written_are_refused(twin: Twin, row: Any) -> None:
    job = await twin.queue().add("a")
    with pytest.raises(ConfigurationError, match=f"log line of job {job.id}"):
        await job.log(row)


async def test_times_are_in_seconds_and_instants_have_a_zone(twin: Twin, redis_client: Any) -> None:
    queue = twin.queue(clock=ManualClock(NOW_MS))
    job = await queue.add("a", delay=0.5)
    redis_client.hset(f"{twin.prefix}:q:{job.id}", mapping={"processedOn": NOW_MS + 1_500, "delay": "1500.7"})
    read = await queue.get_job(job.id)
    assert read.processed_on == datetime.fromtimestamp(NOW_MS / 1000 + 1.5, UTC)
    assert read.delay == 1.5


async def test_what_other_libraries_leave_behind_is_read(twin: Twin, redis_client: Any) -> None:
    stored = {
        "name": "theirs", "data": "null", "opts": '{"attempts":"?"}', "timestamp": NOW_MS, "stacktrace": "{}",
        "returnvalue": "{", "progress": "", "attemptsMade": 4, "atm": 1, "pb": "w", "deid": "d",
        "parentKey": "bull:p:1", "failedReason": "", "defa": "why",
    }  # fmt: skip
    redis_client.hset(f"{twin.prefix}:q:7", mapping=stored)
    job = await twin.queue().get_job("7")
    assert (job.name, job.data, job.stacktrace, job.return_value, job.progress) == ("theirs", None, [], None, 0)
    assert (job.attempts_made, job.processed_by, job.deduplication_id) == (4, "w", "d")
    assert (job.parent_key, job.failed_reason, job.deferred_failure) == ("bull:p:1", "", "why")
    assert job.options.attempts is not None


async def test_a_jobs_representation_names_it(twin: Twin) -> None:
    if twin.is_async:
        job = await twin.queue().add("resize", job_id="x")
        assert repr(job) == "<Job 'resize' x of queue 'q'>"

"""A worker runs until nothing is left to do; the clock moves on where that is wanted."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxmq import ConfigurationError, JobState, ManualClock, Oxmq, RateLimit, SystemClock, every
from oxmq.testing import JobsFailedError, inline, run_until_idle, run_until_idle_sync
from oxmq.worker import fetcher
from tests.support.waiting import eventually
from tests.testing import shop

PATIENCE = 60


async def test_everything_that_can_run_is_run(app: Oxmq) -> None:
    mails = [await shop.send_mail.enqueue(user) for user in (1, 2)]
    total = await app.flow(shop.total.call(), children=[shop.price.call("tea"), shop.price.call("milk")])
    gathered = await shop.gather.enqueue(["a", "bc"])
    report = (await run_until_idle(app, timeout=PATIENCE)).raise_failures()
    results = {job.id: job.return_value for job in report.completed}
    assert results[mails[0].id] == "WELCOME TO 1"
    assert (results[total.id], results[gathered.id], len(results)) == (7, 3, 8)
    assert report.remaining == {"reports": {"delayed": 1}}  # the next run of the schedule
    assert await mails[1].result() == "WELCOME TO 2"


async def test_failures_are_told_not_raised(app: Oxmq) -> None:
    job = await shop.send_mail.options(attempts=1).enqueue(1, fail_until=9)
    report = await run_until_idle(app, timeout=PATIENCE)
    assert [(failed.id, failed.failed_reason) for failed in report.failed] == [(job.id, "the mail server is down")]
    with pytest.raises(JobsFailedError, match=f"send_mail {job.id} .queue 'mail'.: the mail server is down"):
        report.raise_failures()


async def test_a_retry_waits_for_its_backoff(app: Oxmq, clock: ManualClock) -> None:
    job = await shop.send_mail.enqueue(1, fail_until=2)
    report = await run_until_idle(app, timeout=PATIENCE)
    assert (report.retried, report.completed) == (1, [])
    clock.advance("9m59s")
    assert (await run_until_idle(app, timeout=PATIENCE)).runs == 0
    clock.advance("1s")
    assert (await run_until_idle(app, timeout=PATIENCE)).retried == 1
    assert await job.is_delayed()
    clock.advance("20m")
    assert [done.id for done in (await run_until_idle(app, timeout=PATIENCE)).completed] == [job.id]


async def test_or_time_passes_until_all_attempts_are_over(app: Oxmq, clock: ManualClock) -> None:
    began = clock.now()
    await shop.send_mail.enqueue(1, fail_until=9)
    late = await shop.price.options(delay="3h").enqueue("tea")
    report = await run_until_idle(app, skip_delays=True, timeout=PATIENCE)
    assert (report.retried, len(report.failed), [job.id for job in report.completed]) == (3, 1, [late.id])
    assert clock.now() - began == timedelta(hours=3)
    await late.refresh()
    assert late.finished_on == clock.now()


async def test_a_job_that_waits_for_its_next_attempt_has_failed_so_far(app: Oxmq) -> None:
    job = await shop.send_mail.enqueue(1, fail_until=9)
    report = await run_until_idle(app, timeout=PATIENCE)
    assert ([left.id for left in report.retrying], report.failed) == ([job.id], [])
    with pytest.raises(JobsFailedError, match=r"the mail server is down \(it waits for its next attempt\)"):
        report.raise_failures()
    await shop.send_mail.enqueue(2, fail_until=1)
    report = await run_until_idle(app, skip_delays=True, timeout=PATIENCE)
    assert (len(report.completed), len(report.failed), report.retrying) == (1, 1, [])


async def test_the_past_is_refused(app: Oxmq, clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match="until must not lie in the past: 2026-01-15 11"):
        await run_until_idle(app, until=clock.now() - timedelta(hours=1))


async def test_a_schedule_over_the_change_to_summer_time(app: Oxmq, clock: ManualClock) -> None:
    clock.travel_to(datetime(2026, 3, 27, 12, tzinfo=UTC))
    report = await run_until_idle(app, until=datetime(2026, 3, 30, 12, tzinfo=UTC), timeout=PATIENCE)
    assert [when.isoformat() for when in shop.sent] == [
        "2026-03-28T08:00:00+00:00",
        "2026-03-29T07:00:00+00:00",
        "2026-03-30T07:00:00+00:00",
    ]
    assert clock.now() == datetime(2026, 3, 30, 12, tzinfo=UTC)
    assert report.remaining == {"reports": {"delayed": 1}}


async def test_a_schedule_that_is_made_at_run_time(app: Oxmq, clock: ManualClock) -> None:
    await app.upsert_schedule(shop.send_mail.call(1), every("1h"), id="hourly")
    await run_until_idle(app, until="3h30m", timeout=PATIENCE)
    assert shop.sent == [(1, "Welcome")] * 4


async def test_tasks_that_ask_for_a_process_run_in_this_one(app: Oxmq) -> None:
    job = await shop.heavy.enqueue(1)
    await run_until_idle(app, timeout=PATIENCE)
    assert (await job.result(), shop.sent) == (2, ["heavy"])


async def test_jobs_of_a_paused_queue_stay(app: Oxmq) -> None:
    await shop.mail.pause()
    await shop.send_mail.enqueue(1)
    report = await run_until_idle(app, timeout=PATIENCE)
    assert report.remaining["mail"] == {"waiting": 1}


async def test_a_job_that_enqueues_itself_is_found_out(app: Oxmq) -> None:
    await shop.again_and_again.enqueue()
    with pytest.raises(AssertionError, match="more than 20 runs"):
        await run_until_idle(app, max_jobs=20, timeout=PATIENCE)


async def test_what_cannot_become_idle_in_time_is_told(app: Oxmq) -> None:
    await shop.send_mail.enqueue(1)
    await shop.send_mail.enqueue(2)
    with pytest.raises(TimeoutError, match=r"not idle after 1 s; left: .*'mail'"):
        await run_until_idle(app, timeout=1, limiter=RateLimit(max=1, duration="1h"))


async def test_time_that_does_not_move_is_told_at_the_door(app: Oxmq) -> None:
    own = Oxmq(app.endpoint.source, clock=SystemClock())
    with pytest.raises(ConfigurationError, match="needs a ManualClock"):
        await run_until_idle(own, skip_delays=True)
    with inline(app), pytest.raises(ConfigurationError, match="in inline mode there is nothing to run"):
        await run_until_idle(app)


async def test_what_a_startup_hook_raises_is_raised(redis_url: str, prefix: str) -> None:
    app = Oxmq(redis_url, prefix=prefix)
    app.task(shop.price.function)

    @app.on_startup
    def start() -> None:
        raise LookupError("no database")

    with pytest.raises(LookupError, match="no database"):
        await run_until_idle(app, timeout=PATIENCE)


def test_blocking_tests_have_a_worker_too(app: Oxmq, clock: ManualClock) -> None:
    job = shop.send_mail.enqueue_sync(1, fail_until=1)
    report = run_until_idle_sync(app, skip_delays=True, timeout=PATIENCE).raise_failures()
    assert (report.retried, job.result()) == (1, "WELCOME TO 1")
    assert job.get_state() is JobState.COMPLETED
    run_until_idle_sync(app, until="1d", timeout=PATIENCE)
    assert len(shop.sent) == 2


@pytest.mark.parametrize("elsewhere", [True, False])
async def test_a_worker_that_waits_hears_of_a_moved_clock(
    app: Oxmq, clock: ManualClock, redis_client: Any, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    # By itself the worker would look again after so many seconds.
    monkeypatch.setattr(fetcher, "_MAX_BLOCK", 1000.0)
    job = await shop.price.options(delay="500h").enqueue("tea")

    def waits() -> bool:
        no_marker = not redis_client.exists(app.context("default").keys.of("marker"))
        return no_marker and redis_client.info("clients")["blocked_clients"] == 1

    async with app.worker(["default"], drain_delay=1000) as worker:
        working = asyncio.ensure_future(worker.run(handle_signals=False))
        await eventually(waits, PATIENCE)
        if elsewhere:
            mover = threading.Thread(target=clock.advance, args=("500h",))
            mover.start()
            mover.join()
        else:
            clock.advance("500h")
        await eventually(job.is_completed, PATIENCE)
    await working
    clock.advance(1)  # nobody listens any more


def listeners(clock: Any) -> list[Any]:
    """Return who hears when a clock moves."""
    found: list[Any] = clock._listeners
    return found


async def test_a_worker_that_has_ended_is_told_no_more(app: Oxmq, clock: ManualClock) -> None:
    await run_until_idle(app, timeout=PATIENCE)
    assert listeners(clock) == []

"""What workers say of themselves, and write down of their queue, for whoever looks at it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any

import pytest

from oxmq import Job, ManualClock, Worker
from oxmq.ops import heartbeats, history
from oxmq.ops.heartbeats import Heartbeat
from oxmq.worker import heartbeat as heartbeat_module
from oxmq.worker import history_recorder
from oxmq.worker.history_recorder import HistoryRecorder
from oxmq.worker.memory import resident_bytes
from oxmq.worker.tally import Tally
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually

MINUTE = 60_000


async def known(worker: Worker) -> list[Heartbeat]:
    context = worker.context
    return await context.runner.run(heartbeats.get_heartbeats(context.keys))


async def echo(job: Job[Any]) -> object:
    return job.data


async def test_a_worker_says_how_it_is_until_it_is_closed(
    bed: Bed, redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_module, "_INTERVAL", 0.05)
    gate = asyncio.Event()

    async def process(job: Job[Any]) -> None:
        if job.name == "fail":
            raise ValueError("told to")
        if job.name == "wait":
            await gate.wait()

    queue, observer = bed.queue(), bed.worker(echo)
    worker = bed.working(process, worker_name="painter", concurrency=3)
    await queue.add("end")
    await queue.add("fail")
    waiting = await queue.add("wait")

    async def is_told() -> Heartbeat | None:
        found = await known(observer)
        told = found[0] if found else None
        return told if told and (told.completed, told.failed, told.busy) == (1, 1, 1) else None

    told = await eventually(is_told)
    assert told is not None
    assert (told.name, told.host, told.pid, told.slots) == ("painter", socket.gethostname(), os.getpid(), 3)
    assert [(job_id, name) for job_id, name, _ in told.jobs] == [(waiting.id, "wait")]
    assert abs(told.jobs[0][2] - told.at_ms) < 10_000
    assert (told.healthy, told.reason, told.paused) == (True, "", False)
    assert told.rss > 10_000_000
    assert told.version
    assert told.started_ms <= told.at_ms
    token: str = redis_client.get(f"{bed.prefix}:q:{waiting.id}:lock")
    assert token.startswith(f"{told.id}:")

    await worker.pause(wait=False)

    async def is_paused() -> bool:
        return [found.paused for found in await known(observer)] == [True]

    await eventually(is_paused)
    gate.set()
    await worker.close()
    assert await known(observer) == []


async def test_a_worker_without_a_name_is_called_by_host_and_process(bed: Bed) -> None:
    worker = bed.working(echo)
    (told,) = await eventually(lambda: known(worker))
    assert told.name == f"{socket.gethostname()}:{os.getpid()}"


async def test_keys_of_a_wrong_type_do_not_disturb_a_worker(bed: Bed, redis_client: Any) -> None:
    for name in ("workers", "history", "counts"):
        redis_client.set(f"{bed.prefix}:q:oxmq:{name}", "text")
    errors: list[object] = []
    worker = bed.worker(echo)
    worker.on("error", errors.append)
    worker.start()
    job = await bed.queue().add("a", 1)
    assert await job.result(timeout=5) == 1
    await worker.close()
    assert errors == []


async def test_a_loop_that_is_blocked_is_told_of(bed: Bed, redis_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_module, "_SILENCE", 0.6)

    async def block(_: Job[Any]) -> None:
        until = time.monotonic() + 1.6
        while time.monotonic() < until:
            pass  # as a handler does that computes

    worker = bed.working(block, lock_duration=1)
    (first,) = await eventually(lambda: known(worker))
    job = await bed.queue().add("a")
    await reaches(job, "completed")
    (told,) = await known(worker)
    assert (told.id, told.healthy) == (first.id, False)
    assert told.reason.startswith("the event loop has been blocked for ")
    assert told.loop_lag > 0.6
    assert told.at_ms > first.at_ms


def test_a_loop_that_never_beat_says_nothing(bed: Bed) -> None:
    context = bed.worker(echo).context
    heart = heartbeat_module.Heart(context.runner, context.keys, lambda: pytest.fail("it is not started"))
    assert heart.beat_for_loop(100, 5) is None


def test_memory_is_told_where_the_system_does_not_tell_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    now = resident_bytes()
    monkeypatch.setattr("oxmq.worker.memory._STATUS", tmp_path / "none")
    assert resident_bytes() > now / 2


# ---- history ---------------------------------------------------------------------------------------------------------


async def test_each_minute_is_written_down_by_one_worker(bed: Bed) -> None:
    clock = ManualClock(1_700_000_000_000)
    await bed.queue().add("a")
    recorders = [
        HistoryRecorder(worker.context.runner, worker.context.keys, clock, f"worker-{number}", Tally())
        for number, worker in enumerate((bed.worker(echo), bed.worker(echo), bed.worker(echo)))
    ]
    for _ in range(2):
        assert sorted(await asyncio.gather(*(recorder.record() for recorder in recorders))) == [False, False, True]
        clock.advance(60)


async def test_a_worker_writes_down_the_minute_that_has_passed(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_recorder, "_EARLIEST", 0.0)
    monkeypatch.setattr(history_recorder, "_LATEST", 0.0)
    before_the_end = 1_700_000_000_000 // MINUTE * MINUTE + MINUTE - 50
    clock = ManualClock(before_the_end)
    worker = bed.worker(echo, clock=clock)
    await bed.queue(name="q", clock=clock).add("a", delay=1_000)
    await bed.queue(name="q", clock=clock).pause()
    await bed.queue(name="q", clock=clock).add("b")
    worker.start()
    context = worker.context

    async def points() -> list[history.HistoryPoint]:
        return await context.runner.run(history.get_history(context.keys, 0, clock.now_ms(), 10))

    (point,) = await eventually(points)
    assert point.at_ms == history.last_full_minute(before_the_end)
    assert (point.waiting, point.delayed, point.completed, point.added) == (1, 1, 0, 2)

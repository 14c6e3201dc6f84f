"""What is said to need attention, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oxmq.doctor.facts import ServerFacts
from oxmq.monitor import attention
from oxmq.monitor.attention import Attention, attention_of
from oxmq.monitor.watch import Look, QueueFacts
from oxmq.ops.heartbeats import Heartbeat
from oxmq.ops.history import HistoryPoint
from oxmq.ops.running import RunningJob
from oxmq.ops.snapshots import Snapshot
from oxmq.ops.workers import WorkerClient
from oxmq.states import CONTAINERS

NOW = 1_700_000_000_000

CLIENT = WorkerClient(id="7", queue="email", name="", addr="10.0.0.1:5", age=60, library="ioredis")


def seen(counts: dict[str, int] | None = None, **fields: Any) -> Snapshot:
    """Return a snapshot with these counts, and nothing else in it."""
    return Snapshot(counts={**dict.fromkeys(CONTAINERS, 0), **(counts or {})}, **fields)


def facts(snapshot: Snapshot, **fields: Any) -> QueueFacts:
    """Return what was seen of a queue with one worker of another library."""
    given: dict[str, Any] = {"name": "email", "clients": [CLIENT], **fields}
    return QueueFacts(snapshot=snapshot, **given)


def minute(ago: int, **fields: int) -> HistoryPoint:
    """Return what went on in a minute that began so many minutes ago."""
    quiet: dict[str, Any] = dict.fromkeys(
        ("completed", "failed", "waiting", "active", "delayed", "sampled", "added"), 0
    )
    given: dict[str, Any] = {**quiet, **fields}
    return HistoryPoint(at_ms=NOW - ago * 60_000, **given)


def heartbeat(**fields: Any) -> Heartbeat:
    """Return a heartbeat of a worker that is well."""
    well: dict[str, Any] = {
        "at_ms": NOW - 1_000, "id": "w", "name": "web-1:7", "host": "web-1", "pid": 7, "version": "0.1.0",
        "started_ms": NOW - 90_000, "slots": 4, "busy": 0, "jobs": [], "rss": 1, "loop_lag": 0.0, "since_fetch": 0.1,
        "healthy": True, "reason": "", "paused": False, "completed": 0, "failed": 0,
    }  # fmt: skip
    return Heartbeat(**{**well, **fields})


def said(queue: QueueFacts) -> list[Attention]:
    """Return all that is said of a queue."""
    return list(attention.about_queue(queue, NOW))


def only(items: list[Attention] | Iterator[Attention]) -> Attention:
    """Return the only thing that is said."""
    (item,) = items
    return item


def test_a_queue_that_is_well_needs_none() -> None:
    assert said(facts(seen({"waiting": 3, "active": 1}, completed_minute=100, oldest_waiting_ms=NOW - 100))) == []


def test_jobs_wait_and_there_is_no_worker() -> None:
    item = only(said(facts(seen({"waiting": 2, "prioritized": 1}), clients=[])))
    assert (item.level, item.kind, item.queue, item.link.screen) == ("critical", "no_worker", "email", "workers")
    assert item.text == "No worker runs email: 3 jobs wait."
    assert only(said(facts(seen({"delayed": 1}, overdue=1), clients=[]))).text == "No worker runs email: 1 job waits."


def test_without_jobs_or_where_workers_cannot_be_listed_no_worker_is_missed() -> None:
    assert said(facts(seen({"delayed": 5}), clients=[])) == []
    assert said(facts(seen({"waiting": 5}), clients=None)) == []


def test_a_worker_that_beats_counts_as_a_worker() -> None:
    assert said(facts(seen({"waiting": 5}), clients=None, heartbeats=[heartbeat()])) == []


def test_a_stuck_worker_is_told_with_its_reason() -> None:
    stuck = heartbeat(healthy=False, reason="locks not renewed for 31.0 s")
    item = only(said(facts(seen(), heartbeats=[stuck])))
    assert (item.level, item.kind) == ("critical", "stuck_worker")
    assert item.text == "Worker web-1:7 of email is stuck. Locks not renewed for 31.0 s."


def test_of_many_stuck_workers_some_are_named() -> None:
    stuck = [heartbeat(id=str(number), healthy=False, reason="no") for number in range(9)]
    texts = [item.text for item in said(facts(seen(), heartbeats=stuck))]
    assert len(texts) == 6
    assert texts[-1] == "4 more workers of email are stuck."


def test_a_worker_that_vanished_is_told_of_when_it_had_jobs() -> None:
    gone = heartbeat(at_ms=NOW - 40_000, busy=1)
    assert only(said(facts(seen(), heartbeats=[gone], clients=[]))).kind == "stuck_worker"
    assert said(facts(seen(), heartbeats=[heartbeat(at_ms=NOW - 40_000)], clients=[])) == []


def test_a_backlog_grows() -> None:
    history = [minute(ago, waiting=waiting) for ago, waiting in ((10, 50), (6, 80), (3, 120), (1, 160))]
    item = only(said(facts(seen({"waiting": 200}, oldest_waiting_ms=NOW - 90_000), history=history)))
    assert item.kind == "growing_backlog"
    assert item.text == (
        "The backlog of email grows: 200 jobs wait; 10 minutes ago it was 50. The first has waited for 90 seconds."
    )
    assert (item.link.screen, item.link.state) == ("jobs", "waiting")


@pytest.mark.parametrize(
    ("waiting", "waited_ms", "before"),
    [
        (200, 30_000, [50, 80, 120]),  # nobody has waited for long
        (55, 90_000, [50, 50, 50]),  # a few more are nothing
        (100, 90_000, [50, 300, 120]),  # it has been worse
        (200, 90_000, [50, 80]),  # too little is known
    ],
)
def test_a_backlog_does_not_grow(waiting: int, waited_ms: int, before: list[int]) -> None:
    history = [minute(len(before) - at, waiting=count) for at, count in enumerate(before)]
    queue = facts(seen({"waiting": waiting}, oldest_waiting_ms=NOW - waited_ms), history=history)
    assert said(queue) == []


def test_jobs_fail_in_the_last_minute() -> None:
    item = only(said(facts(seen(completed_minute=80, failed_minute=20))))
    assert (item.kind, item.link.screen) == ("failing", "failures")
    assert item.text == "20% of the jobs of email failed in the last minute: 20 of 100."


def test_jobs_fail_in_the_last_hour() -> None:
    item = only(said(facts(seen(), history=[minute(9, completed=10, failed=1), minute(5, completed=12, failed=2)])))
    assert item.text == "12% of the jobs of email failed in the last hour: 3 of 25."


@pytest.mark.parametrize(("completed", "failed"), [(10, 9), (181, 19), (0, 0)])
def test_few_failures_are_no_news(completed: int, failed: int) -> None:
    assert said(facts(seen(completed_minute=completed, failed_minute=failed))) == []


def test_a_schedule_is_late() -> None:
    item = only(said(facts(seen(schedules=2), first_due=("nightly", NOW - 300_000))))
    assert (item.kind, item.link.screen) == ("missed_schedule", "schedules")
    assert item.text == "Schedule nightly of email is late: it was due 5 minutes ago."
    assert said(facts(seen(schedules=2), first_due=("nightly", NOW - 30_000))) == []


def test_nobody_works_on_an_active_job() -> None:
    held, lost = (
        RunningJob(id=id_, name="n", worker="", since_ms=NOW, lock_ms=ms) for id_, ms in (("1", 9), ("2", -2))
    )
    queue = facts(seen({"active": 2}), running=[held, lost], clients=None)
    item = only(said(queue))
    assert (item.kind, item.link.state, item.link.job_id) == ("stalled_jobs", "active", "2")
    assert item.text.startswith("1 job of email counts as running, and nobody works on it")


def test_a_paused_queue_keeps_jobs_waiting_and_nothing_else_is_said_of_it() -> None:
    queue = facts(seen({"waiting": 1}, paused=True, oldest_waiting_ms=NOW - 10**7), clients=[], first_due=("x", 1))
    item = only(said(queue))
    assert (item.kind, item.text, item.link.screen) == ("paused_with_jobs", "email is paused: 1 job waits.", "queue")


def server(config: dict[str, str] | None = None, **info: str) -> ServerFacts:
    """Return the facts of a server that is well, but for what is given."""
    well = {"valkey_version": "9.0.0", "maxmemory_policy": "noeviction", "maxmemory": "0", "used_memory": "1000"}
    return ServerFacts(
        address="redis://localhost:6379/0",
        info={**well, "aof_enabled": "1", **info},
        config={"appendfsync": "everysec", "save": "", **(config or {})},
        unread=(),
        client_names=[],
        trips_ms=(1.0,),
        ahead_s=0.0,
    )


def look(facts_of_server: ServerFacts | None, *queues: QueueFacts) -> Look:
    """Return a look at a server and queues."""
    by_name = {queue.name: queue for queue in queues}
    return Look(at_ms=NOW, complete=True, queues=by_name, roles={}, server=facts_of_server, latency=0.001)


@pytest.mark.parametrize(
    ("facts_of_server", "kind", "level", "begins"),
    [
        (server(maxmemory_policy="allkeys-lru"), "eviction_policy", "critical", "Maxmemory-policy is allkeys-lru: "),
        (server(maxmemory="1100"), "memory", "warning", "1000 bytes of 1.1 KiB used (91%): "),
        (server(aof_enabled="0"), "persistence", "warning", "Nothing is written to disk: "),
        (server(rdb_last_bgsave_status="err"), "persistence", "critical", "The last snapshot failed: "),
    ],
)
def test_what_endangers_jobs_on_the_server(facts_of_server: ServerFacts, kind: str, level: str, begins: str) -> None:
    item = only(attention_of(look(facts_of_server)))
    assert (item.kind, item.level, item.queue, item.link.screen) == (kind, level, None, "redis")
    assert item.text.startswith(begins)


def test_a_server_that_is_well_or_says_nothing_needs_none() -> None:
    assert attention_of(look(server())) == []
    assert attention_of(look(None)) == []
    assert attention_of(look(server(config={"save": "900 1"}, aof_enabled="0"))) == []


def test_the_urgent_comes_first_and_there_is_an_end() -> None:
    paused = [facts(seen({"waiting": 1}, paused=True), name=f"q{number}") for number in range(150)]
    found = attention_of(look(None, *paused, facts(seen({"waiting": 1}), clients=[], name="z")))
    assert found[0].kind == "no_worker"
    assert len(found) == 100

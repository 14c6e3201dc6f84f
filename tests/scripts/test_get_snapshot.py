"""The script that reads what a person wants to see of a queue at a glance."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq import every
from oxmq.ops import queues, snapshots
from oxmq.ops.snapshots import Snapshot
from tests.scripts.bench import CONTAINERS, NOW, PRIORITY, STEP, Bench, draft, fill, plain_hash
from tests.scripts.schedulers import upsert
from tests.scripts.test_bounded_work import commands_of

NOTHING: dict[str, int] = dict.fromkeys(
    ("active", "completed", "delayed", "failed", "prioritized", "waiting", "waiting-children"), 0
)  # fmt: skip
MINUTE = 60_000


def look(bench: Bench, now: int = NOW) -> Snapshot:
    return bench.run(snapshots.get_snapshot(bench.keys, now))


def put(bench: Bench, name: str, *ids: str, **fields: Any) -> None:
    """Put jobs into a list, each nearer to its head."""
    for job_id in ids:
        bench.client.hset(bench.keys.job(job_id), mapping=plain_hash(**fields))
        bench.client.lpush(bench.of(name), job_id)


def test_a_queue_that_does_not_exist_is_empty(bench: Bench) -> None:
    assert look(bench) == Snapshot(counts=NOTHING)


def test_the_jobs_of_every_state_are_counted(bench: Bench) -> None:
    fill(bench)
    before = bench.dump()
    assert look(bench).counts == {
        "waiting": 1 + 2, "active": 3, "delayed": 4, "prioritized": 5, "waiting-children": 6, "completed": 7,
        "failed": 8,
    }  # fmt: skip
    assert bench.dump() == before


def test_what_the_queue_knows_of_itself(bench: Bench) -> None:
    bench.add("a", "b")
    upsert(bench, every(60))
    bench.run(queues.set_meta(bench.keys, {"concurrency": 5, "max": 10, "duration": 2_000, "opts.maxLenEvents": 7}))
    bench.client.hset(bench.of("meta"), "version", "bullmq:5.66.5")
    bench.run(queues.pause(bench.keys))
    seen = look(bench)
    assert (seen.paused, seen.concurrency, seen.rate_max, seen.rate_duration_ms) == (True, 5, 10, 2_000)
    assert (seen.version, seen.max_len_events, seen.schedules, seen.added) == ("bullmq:5.66.5", 7, 1, 3)
    assert seen.last_event == bench.client.xinfo_stream(bench.of("events"))["last-generated-id"]


# ---- since when jobs have been able to run ---------------------------------------------------------------------------


def test_the_next_job_to_run_has_been_ready_longest(bench: Bench) -> None:
    bench.add("a", timestamp=NOW - 5_000)
    bench.add("b", timestamp=NOW - 1_000)
    assert look(bench).oldest_waiting_ms == NOW - 5_000


def test_jobs_that_run_next_let_others_wait(bench: Bench) -> None:
    bench.add("a", timestamp=NOW - 5_000)
    bench.add("b", timestamp=NOW - 1_000, next_up=True)
    assert look(bench).oldest_waiting_ms == NOW - 5_000


def test_jobs_that_an_older_peer_set_aside_wait_too(bench: Bench) -> None:
    put(bench, "paused", "a", timestamp=NOW - 9_000)
    bench.add("b", timestamp=NOW - 1_000)
    seen = look(bench)
    assert (seen.oldest_waiting_ms, seen.counts["waiting"]) == (NOW - 9_000, 2)


def test_of_prioritized_jobs_the_first_of_the_least_priority_counts(bench: Bench) -> None:
    bench.add("a", timestamp=NOW - 3_000, priority=1)
    bench.add("b", timestamp=NOW - 9_000, priority=7)
    bench.add("c", timestamp=NOW - 1_000, priority=7)
    assert look(bench).oldest_waiting_ms == NOW - 9_000


@pytest.mark.parametrize(
    ("fields", "since"),
    [
        ({"timestamp": NOW - 9_000, "opts": '{"delay":8000}'}, NOW - 1_000),
        ({"timestamp": NOW - 9_000, "opts": '{"backoff":{"delay":8000}}'}, NOW - 9_000),
        ({"timestamp": NOW - 9_000, "opts": '{"delay":60000}'}, NOW),
        ({"timestamp": NOW - 9_000, "opts": '"delay":'}, NOW - 9_000),
        ({"timestamp": NOW - 9_000, "dueOn": NOW - 2_000}, NOW - 2_000),
        ({"timestamp": NOW - 9_000, "processedOn": NOW - 300}, NOW - 300),
        ({"timestamp": "yesterday"}, NOW),
    ],
    ids=["delayed", "backoff", "promoted early", "no JSON", "due", "retried", "no time"],
)
def test_a_job_is_ready_when_it_is_due(bench: Bench, fields: dict[str, Any], since: int) -> None:
    put(bench, "wait", "a", **fields)
    assert look(bench).oldest_waiting_ms == since


def test_nothing_waits_where_no_job_is_ready(bench: Bench) -> None:
    bench.add_drafted(draft("a", delay=5))
    assert look(bench).oldest_waiting_ms is None


def test_delayed_jobs_past_due_are_counted(bench: Bench) -> None:
    for number, due in enumerate([NOW - 1, NOW, NOW + 1]):
        bench.client.zadd(bench.of("delayed"), {f"job-{number}": due * STEP + 5})
    assert look(bench).overdue == 2


# ---- limits and rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "limit", "is_held"), [(5, 5, True), (4, 5, False), (5, None, False), (2**53 - 1, None, True)]
)
def test_a_rate_limit_holds_the_queue(bench: Bench, started: int, limit: int | None, is_held: bool) -> None:
    bench.client.set(bench.of("limiter"), started, px=60_000)
    if limit:
        bench.run(queues.set_meta(bench.keys, {"max": limit, "duration": 60_000}))
    assert (look(bench).held_ms > 50_000) is is_held


def test_jobs_that_ended_in_the_last_minute_are_counted(bench: Bench) -> None:
    bench.client.zadd(bench.of("completed"), {"a": NOW - MINUTE - 1, "b": NOW - MINUTE, "c": NOW - 5, "d": NOW})
    bench.client.zadd(bench.of("failed"), {"e": NOW - 5})
    seen = look(bench)
    assert (seen.completed_minute, seen.failed_minute) == (3, 1)


def test_where_jobs_are_removed_soon_their_pace_counts(bench: Bench) -> None:
    bench.client.zadd(bench.of("completed"), {f"job-{number}": NOW - 10 * number for number in range(1, 601)})
    assert look(bench).completed_minute == 600
    bench.client.set(bench.of("id"), 601)
    assert look(bench).completed_minute == 6_000


# ---- what others may have written ------------------------------------------------------------------------------------


def test_keys_of_a_wrong_type_hide_nothing_else(bench: Bench) -> None:
    bench.add("a", timestamp=NOW - 5)
    for name in ("meta", "limiter", "id", "repeat", "completed", "events", "delayed", "prioritized", "paused"):
        bench.client.delete(bench.of(name))
        bench.client.sadd(bench.of(name), "x")
    seen = look(bench)
    assert (seen.counts["waiting"], seen.oldest_waiting_ms, seen.last_event) == (1, NOW - 5, "0-0")
    assert set(seen.broken) == {
        "meta", "limiter", "id", "repeat", "completed", "events", "delayed", "prioritized", "paused",
    }  # fmt: skip


@pytest.mark.parametrize("value", ["", "1e400", "ten", "5.5"])
def test_figures_that_are_none(bench: Bench, value: str) -> None:
    bench.client.hset(bench.of("meta"), mapping={"concurrency": value, "max": value, "version": b"\xff"})
    seen = look(bench)
    assert seen.concurrency == (5 if value == "5.5" else None)
    assert seen.version == "\\xff"


def test_jobs_without_a_hash_are_as_young_as_can_be(bench: Bench) -> None:
    bench.client.lpush(bench.of("wait"), "gone")
    bench.client.zadd(bench.of("prioritized"), {"gone-too": PRIORITY})
    assert look(bench).oldest_waiting_ms == NOW


def test_a_look_costs_the_same_however_many_jobs_there_are(bench: Bench) -> None:
    bench.client.delete(*map(bench.of, CONTAINERS))
    few = commands_of(bench, snapshots.get_snapshot(bench.keys, NOW))
    pipeline = bench.client.pipeline(transaction=False)
    for name in CONTAINERS:
        ids = [f"{name}-{number}" for number in range(2_000)]
        if name in ("wait", "paused", "active"):
            pipeline.lpush(bench.of(name), *ids)
        else:
            pipeline.zadd(bench.of(name), dict.fromkeys(ids, NOW))
    pipeline.execute()
    assert commands_of(bench, snapshots.get_snapshot(bench.keys, NOW)) <= few + 25

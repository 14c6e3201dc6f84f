"""The script that makes finished or delayed jobs ready again, many at once."""

from __future__ import annotations

import pytest

from oxmq.ops import administration
from oxmq.ops.administration import Requeued
from tests.scripts.bench import NOW, Bench, adopt, make_flow


def requeue(bench: Bench, state: str = "failed", upto: int | None = NOW + 100, count: int = 1000) -> Requeued:
    return bench.run(administration.requeue(bench.keys, state, upto, count))


def failing(bench: Bench, *ids: str) -> None:
    """Have jobs that failed one millisecond after the other."""
    bench.start(*ids)
    for at, job_id in enumerate(ids):
        bench.finish(bench.fail(job_id), now=NOW + at)
    bench.forget_events()
    bench.clear_marker()


def test_failed_jobs_wait_again_the_oldest_as_the_first(bench: Bench) -> None:
    bench.add("waiting")
    failing_before = bench.taken_ids()
    failing(bench, "a", "b")
    assert requeue(bench) == Requeued(2, 0)
    assert bench.in_line("wait") == ["a", "b"]
    assert bench.events() == ["waiting jobId=a prev=failed", "waiting jobId=b prev=failed"]
    assert bench.marker() == {"0": 0}
    assert not bench.client.exists("bull:q:failed")
    assert not bench.hash("a").keys() & {"finishedOn", "processedOn", "failedReason"}
    assert bench.hash("a")["atm"] == "1"
    assert bench.hash("a")["stacktrace"] == '["trace"]'
    assert bench.client.lrange("bull:q:active", 0, -1) == failing_before


def test_completed_jobs_forget_their_result(bench: Bench) -> None:
    bench.start("a")
    bench.finish(bench.complete("a"))
    assert requeue(bench, "completed") == Requeued(1, 0)
    assert not bench.hash("a").keys() & {"finishedOn", "processedOn", "returnvalue"}
    assert bench.in_line("wait") == ["a"]


def test_those_behind_wait_before_those_that_come_back(bench: Bench) -> None:
    failing(bench, "a")
    bench.add("waiting")
    requeue(bench)
    assert bench.in_line("wait") == ["waiting", "a"]


def test_only_those_that_ended_in_time_and_only_so_many(bench: Bench) -> None:
    failing(bench, "a", "b", "c", "d")
    assert requeue(bench, upto=NOW + 2, count=2) == Requeued(2, 1)
    assert requeue(bench, upto=NOW + 2, count=2) == Requeued(1, 0)
    assert list(bench.scores("failed")) == ["d"]


def test_delayed_jobs_are_ready_whenever_they_were_due(bench: Bench) -> None:
    bench.add("a", delay=1_000, priority=3)
    bench.add("b", delay=500)
    bench.forget_events()
    assert requeue(bench, "delayed", None) == Requeued(2, 0)
    assert bench.in_line("wait") == ["b", "a"]
    assert bench.hash("a")["delay"] == "1000"
    assert bench.events() == ["waiting jobId=b prev=delayed", "waiting jobId=a prev=delayed"]


def test_a_paused_queue_wakes_nobody(bench: Bench) -> None:
    failing(bench, "a")
    bench.client.hset("bull:q:meta", "paused", 1)
    requeue(bench)
    assert bench.marker() == {}
    assert bench.in_line("wait") == ["a"]


def test_an_id_without_a_job_is_only_taken_off(bench: Bench) -> None:
    bench.client.zadd("bull:q:failed", {"ghost": NOW})
    assert requeue(bench) == Requeued(1, 0)
    assert list(bench.dump("meta")) == []


def test_nothing_to_do_changes_nothing(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    assert requeue(bench) == Requeued(0, 0)
    assert bench.dump() == before


@pytest.mark.parametrize("policy", ["fpof", "idof", "none"])
def test_a_parent_counts_on_its_child_again(bench: Bench, policy: str) -> None:
    parent = make_flow(bench, "p", [])
    adopt(bench, parent, ["a", "b"], **({policy: True} if policy != "none" else {}))
    bench.taken_ids(1)
    bench.finish(bench.fail("a"))
    requeue(bench)
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a", "bull:q:b"}
    assert not bench.client.exists(f"{parent}:unsuccessful", f"{parent}:failed")


def test_a_completed_child_counts_again(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a", "b"])
    bench.taken_ids(1)
    bench.finish(bench.complete("a"))
    requeue(bench, "completed")
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a", "bull:q:b"}
    assert not bench.client.exists(f"{parent}:processed")

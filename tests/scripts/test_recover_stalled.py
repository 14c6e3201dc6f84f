"""The script that gives back the jobs whose worker has let their lock run out."""

from __future__ import annotations

import pytest

from oxmq.ops import lifecycle
from tests.scripts.bench import NOW, Bench

STALLED = "job stalled more than allowable limit"


def recover(bench: Bench, most: int = 1, now: int = NOW, interval_ms: int = 30_000) -> list[str]:
    """Check, as if the interval of the last check were over."""
    bench.client.delete("bull:q:stalled-check")
    return bench.run(lifecycle.recover_stalled(bench.keys, now, most, interval_ms))


def test_a_job_is_recovered_at_the_second_check_after_its_lock_ran_out(bench: Bench) -> None:
    bench.start("a", "b")
    assert recover(bench) == []
    assert bench.client.smembers("bull:q:stalled") == {"a", "b"}
    bench.client.delete("bull:q:a:lock")
    bench.add("x")
    bench.clear_marker()
    bench.forget_events()
    assert recover(bench) == ["a"]
    assert bench.in_line("wait") == ["a", "x"]
    assert bench.in_line("active") == ["b"]
    assert bench.hash("a")["stc"] == "1"
    assert "defa" not in bench.hash("a")
    assert bench.marker() == {"0": 0}
    assert bench.events() == ["waiting jobId=a prev=active", "stalled jobId=a"]
    assert bench.client.smembers("bull:q:stalled") == {"b"}


def test_a_check_stands_for_all_workers_checks_of_its_interval(bench: Bench) -> None:
    bench.start("a")
    bench.client.delete("bull:q:a:lock")
    recover(bench, interval_ms=30_000)
    before = bench.dump()
    call = lifecycle.recover_stalled(bench.keys, NOW, 1, 30_000)
    assert bench.run(call) == []
    assert bench.dump() == before
    assert bench.client.get("bull:q:stalled-check") == str(NOW)
    assert 29_000 < bench.client.pttl("bull:q:stalled-check") <= 30_000


@pytest.mark.parametrize(("stalls", "most", "failed"), [(0, 1, False), (1, 1, True), (0, 0, True), (4, 9, False)])
def test_a_job_that_stalls_too_often_is_to_be_failed(bench: Bench, stalls: int, most: int, failed: bool) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", "stc", stalls)
    bench.client.delete("bull:q:a:lock")
    recover(bench, most)
    recover(bench, most)
    assert bench.hash("a").get("defa") == (STALLED if failed else None)


@pytest.mark.parametrize("known_as", ["hash", "member"])
def test_a_schedulers_job_is_never_failed_for_stalling(bench: Bench, known_as: str) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", "rjk", "daily")
    if known_as == "hash":
        bench.client.hset("bull:q:repeat:daily", "name", "x")
    else:
        bench.client.zadd("bull:q:repeat", {"daily": NOW})
    bench.client.delete("bull:q:a:lock")
    recover(bench, 0)
    assert recover(bench, 0) == ["a"]
    assert "defa" not in bench.hash("a")


def test_a_job_that_runs_in_a_pod_outlives_its_workers(bench: Bench) -> None:
    bench.start("a", "b")
    bench.client.hset("bull:q:a", "oxmq:run", "{}")
    bench.client.delete("bull:q:a:lock", "bull:q:b:lock")
    recover(bench, 0)
    assert sorted(recover(bench, 0)) == ["a", "b"]
    assert [bench.hash(job_id).get("defa") for job_id in "ab"] == [None, STALLED]
    assert bench.hash("a")["stc"] == "1"


def test_one_that_was_cancelled_is_to_be_failed_as_it_was_said(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", mapping={"oxmq:run": "{}", "cancelledOn": NOW, "defa": "no more"})
    bench.client.delete("bull:q:a:lock")
    recover(bench, 0)
    assert recover(bench, 0) == ["a"]
    assert bench.hash("a")["defa"] == "no more"


@pytest.mark.parametrize("ghost", ["0:0", "0:1700000000000", "gone"])
def test_an_id_without_a_job_is_only_taken_off_the_list(bench: Bench, ghost: str) -> None:
    bench.client.lpush("bull:q:active", ghost)
    recover(bench)
    assert recover(bench) == []
    assert bench.dump("stalled-check", "meta") == {}


def test_a_suspect_that_has_ended_is_left_alone(bench: Bench) -> None:
    bench.start("a")
    recover(bench)
    bench.finish(bench.complete("a"))
    assert recover(bench) == []
    assert list(bench.scores("completed")) == ["a"]


def test_a_paused_queue_recovers_and_wakes_nobody(bench: Bench) -> None:
    bench.start("a")
    bench.client.delete("bull:q:a:lock")
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.clear_marker()
    recover(bench)
    assert recover(bench) == ["a"]
    assert bench.marker() == {}


def test_many_active_jobs_are_all_marked(bench: Bench) -> None:
    bench.client.lpush("bull:q:active", *(f"j{number}" for number in range(2_500)))
    recover(bench)
    assert bench.client.scard("bull:q:stalled") == 2_500

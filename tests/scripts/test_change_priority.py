"""The script that gives a job another priority, and its place by it."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError
from oxmq.ops import changes
from tests.scripts.bench import PRIORITY, Bench


def change_priority(bench: Bench, job_id: str, priority: int, *, lifo: bool = False) -> None:
    bench.run(changes.change_priority(bench.keys, job_id, priority, lifo=lifo))


@pytest.mark.parametrize("container", ["wait", "paused"])
def test_a_waiting_job_gets_its_place_among_the_prioritized(bench: Bench, container: str) -> None:
    bench.add("a", "b", "c")
    if container == "paused":
        bench.client.rename("bull:q:wait", "bull:q:paused")
    bench.clear_marker()
    change_priority(bench, "b", 5)
    assert bench.in_line(container) == ["a", "c"]
    assert bench.scores("prioritized") == {"b": 5 * PRIORITY + 1}
    assert bench.hash("b")["priority"] == "5"
    assert bench.marker() == {"0": 0}


def test_it_comes_after_the_others_of_its_priority_and_with_lifo_before_them(bench: Bench) -> None:
    bench.add("a", "b", priority=5)
    change_priority(bench, "a", 5)
    assert list(bench.scores("prioritized")) == ["b", "a"]
    bench.clear_marker()
    change_priority(bench, "a", 5, lifo=True)
    assert bench.scores("prioritized") == {"a": 5 * PRIORITY, "b": 5 * PRIORITY + 2}
    assert bench.marker() == {}


@pytest.mark.parametrize(("lifo", "line"), [(False, ["x", "y", "a"]), (True, ["a", "x", "y"])])
def test_without_priority_it_waits_with_the_others(bench: Bench, lifo: bool, line: list[str]) -> None:
    bench.add("x", "y")
    bench.add("a", priority=5)
    bench.clear_marker()
    change_priority(bench, "a", 0, lifo=lifo)
    assert bench.in_line("wait") == line
    assert not bench.client.exists("bull:q:prioritized")
    assert bench.hash("a")["priority"] == "0"
    assert bench.marker() == {"0": 0}


def test_a_job_that_is_not_ready_keeps_its_place(bench: Bench) -> None:
    bench.start("running")
    bench.add("later", delay=1_000)
    bench.start("done")
    bench.finish(bench.complete("done"))
    places = {name: bench.scores(name) for name in ("delayed", "completed")}
    for job_id in ("running", "later", "done"):
        change_priority(bench, job_id, 7)
        assert bench.hash(job_id)["priority"] == "7"
    assert bench.client.lrange("bull:q:active", 0, -1) == ["running"]
    assert {name: bench.scores(name) for name in places} == places
    assert not bench.client.exists("bull:q:wait", "bull:q:prioritized")


def test_nobody_is_woken_in_a_paused_queue(bench: Bench) -> None:
    bench.add("a")
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.clear_marker()
    change_priority(bench, "a", 1)
    assert bench.marker() == {}


def test_changing_twice_is_changing_once(bench: Bench) -> None:
    bench.add("a")
    change_priority(bench, "a", 3)
    change_priority(bench, "a", 3)
    assert list(bench.scores("prioritized")) == ["a"]
    assert bench.events() == ["added jobId=a name=job", "waiting jobId=a"]


def test_a_job_that_is_gone_is_refused(bench: Bench) -> None:
    before = bench.dump()
    with pytest.raises(JobNotFoundError) as caught:
        change_priority(bench, "gone", 1)
    assert caught.value.code == -1
    assert bench.dump() == before

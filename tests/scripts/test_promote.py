"""The script that makes a delayed job ready now."""

from __future__ import annotations

import pytest

from oxmq.errors import JobStateError
from oxmq.ops import jobs
from tests.scripts.bench import NOW, PRIORITY, Bench


def test_promote_makes_a_delayed_job_the_last_to_run(bench: Bench) -> None:
    bench.add("x")
    bench.add("a", delay=1_000)
    bench.client.delete("bull:q:marker")
    bench.forget_events()
    bench.run(jobs.promote(bench.keys, "a"))
    assert bench.in_line("wait") == ["x", "a"]
    assert bench.hash("a")["delay"] == "0"
    assert bench.marker() == {"0": 0}
    assert bench.events() == ["waiting jobId=a prev=delayed"]
    assert not bench.client.exists("bull:q:delayed")


def test_promote_keeps_a_priority(bench: Bench) -> None:
    bench.add("a", delay=1_000, priority=3)
    bench.run(jobs.promote(bench.keys, "a"))
    assert bench.scores("prioritized") == {"a": 3 * PRIORITY + 1}


def test_promote_wakes_nobody_in_a_paused_queue(bench: Bench) -> None:
    bench.add("a", delay=1_000)
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.clear_marker()
    bench.run(jobs.promote(bench.keys, "a"))
    assert bench.marker() == {}


@pytest.mark.parametrize("job_id", ["a", "gone"])
def test_promote_refuses_what_is_not_delayed(bench: Bench, job_id: str) -> None:
    bench.add("a")
    before = bench.dump()
    with pytest.raises(JobStateError, match=f"Job {job_id} is not in the delayed state. promote") as caught:
        bench.run(jobs.promote(bench.keys, job_id))
    assert caught.value.code == -3
    assert bench.dump() == before


def test_promoting_twice_promotes_once(bench: Bench) -> None:
    bench.add("a", delay=1_000)
    bench.run(jobs.promote(bench.keys, "a"))
    with pytest.raises(JobStateError):
        bench.run(jobs.promote(bench.keys, "a"))
    assert bench.in_line("wait") == ["a"]


def test_a_delay_is_measured_by_the_caller_not_the_server(bench: Bench) -> None:
    bench.add("a", delay=10, timestamp=NOW)
    assert bench.taken_ids(now=NOW + 10) == ["a"]

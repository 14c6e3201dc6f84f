"""The script that takes a job out of its queue, with everything recorded about it."""

from __future__ import annotations

import pytest

from oxmq.errors import SchedulerJobError
from oxmq.ops import jobs
from tests.scripts.bench import NOW, STEP, Bench, make_flow, plain_hash

PARTS = ("", ":logs", ":dependencies", ":processed", ":failed", ":unsuccessful")


def furnish(bench: Bench, job_id: str) -> None:
    """Give a job everything that can be recorded about one."""
    key = bench.keys.job(job_id)
    bench.client.hset(key, mapping=plain_hash())
    bench.client.rpush(f"{key}:logs", "row")
    bench.client.sadd(f"{key}:dependencies", "bull:x:1")
    bench.client.hset(f"{key}:processed", "bull:x:2", "1")
    bench.client.hset(f"{key}:failed", "bull:x:3", "no")
    bench.client.zadd(f"{key}:unsuccessful", {"bull:x:4": 1})


def put(bench: Bench, container: str, job_id: str) -> None:
    if container in ("wait", "paused", "active"):
        bench.client.lpush(bench.of(container), job_id)
    elif container != "unknown":
        bench.client.zadd(bench.of(container), {job_id: NOW * STEP})


CONTAINERS = [
    "completed", "failed", "delayed", "prioritized", "waiting-children", "wait", "paused", "active", "unknown",
]  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_job_goes_from_wherever_it_is_and_leaves_nothing(bench: Bench, container: str) -> None:
    furnish(bench, "b")
    put(bench, container, "b")
    before = bench.dump()
    furnish(bench, "a")
    put(bench, container, "a")
    assert bench.run(jobs.remove(bench.keys, "a", children=False)) == 1
    assert bench.dump("events", "meta") == before
    assert bench.events() == [f"removed jobId=a prev={container}"]


def test_removing_what_does_not_exist_is_done_already(bench: Bench) -> None:
    bench.add("b")
    before = bench.dump()
    assert bench.run(jobs.remove(bench.keys, "gone")) == 1
    assert bench.dump() == before


def test_removing_twice_tells_once(bench: Bench) -> None:
    bench.add("a")
    assert [bench.run(jobs.remove(bench.keys, "a")) for _ in range(2)] == [1, 1]
    assert bench.events().count("removed jobId=a prev=wait") == 1


def test_an_id_that_is_left_in_a_list_without_its_job_goes_too(bench: Bench) -> None:
    bench.client.lpush("bull:q:wait", "a", "b", "a")
    bench.run(jobs.remove(bench.keys, "a"))
    assert bench.in_line("wait") == ["b"]


def test_a_job_that_a_worker_holds_stays(bench: Bench) -> None:
    bench.start("a")
    before = bench.dump()
    assert bench.run(jobs.remove(bench.keys, "a")) == 0
    assert bench.dump() == before


def test_a_schedulers_next_job_stays(bench: Bench) -> None:
    job_id = f"repeat:daily:{NOW}"
    bench.add(job_id, delay=5)
    bench.client.hset(bench.keys.job(job_id), "rjk", "daily")
    bench.client.zadd("bull:q:repeat", {"daily": NOW})
    before = bench.dump()
    with pytest.raises(SchedulerJobError, match="belongs to a job scheduler") as caught:
        bench.run(jobs.remove(bench.keys, job_id))
    assert caught.value.code == -8
    assert bench.dump() == before


def test_a_schedulers_earlier_job_goes(bench: Bench) -> None:
    job_id = f"repeat:daily:{NOW - 5}"
    bench.add(job_id)
    bench.client.hset(bench.keys.job(job_id), "rjk", "daily")
    bench.client.zadd("bull:q:repeat", {"daily": NOW})
    assert bench.run(jobs.remove(bench.keys, job_id)) == 1
    assert not bench.client.exists(bench.keys.job(job_id))


@pytest.mark.parametrize(("owner", "freed"), [("a", True), ("other", False)])
def test_its_deduplication_id_is_free_again(bench: Bench, owner: str, freed: bool) -> None:
    bench.add("a")
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", owner, px=60_000)
    bench.client.hset("bull:q:dn:d", "name", "parked")
    bench.run(jobs.remove(bench.keys, "a"))
    assert bench.client.exists("bull:q:de:d", "bull:q:dn:d") == (0 if freed else 2)


@pytest.mark.parametrize("base", ["bull:q:", "bull:other:"])
def test_the_last_child_to_go_releases_the_parent(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a", "b"], parent_base=base)
    bench.run(jobs.remove(bench.keys, "a"))
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:b"}
    bench.run(jobs.remove(bench.keys, "b"))
    assert bench.client.lrange(f"{base}wait", 0, -1) == ["p"]
    assert "waiting jobId=p prev=waiting-children" in bench.events(base)
    assert bench.client.zscore(f"{base}marker", "0") == 0


def test_a_finished_child_that_goes_leaves_the_parents_record(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a", "b"])
    bench.taken_ids(1)
    bench.finish(bench.complete("a"))
    bench.run(jobs.remove(bench.keys, "a"))
    assert bench.client.hgetall(f"{parent}:processed") == {"bull:q:a": "1"}
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:b"}


def test_every_part_of_a_job_is_known_here(bench: Bench) -> None:
    furnish(bench, "a")
    assert {key.removeprefix("bull:q:a") for key in bench.client.keys("bull:q:a*")} == set(PARTS)

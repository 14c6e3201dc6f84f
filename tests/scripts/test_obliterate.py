"""The script that deletes a paused queue and everything in it."""

from __future__ import annotations

import pytest

from oxmq.errors import QueueStateError
from oxmq.ops import administration, queues
from oxmq.scripts import SCRIPTS
from tests.scripts.bench import CONTAINERS, NOW, STEP, Bench, make_flow, plain_hash

#: What an obliterated queue leaves behind: a limit that runs out by itself.
LEFT = ["bull:q:limiter"]


def furnish(bench: Bench, jobs: int = 3) -> None:
    """Fill everything that a queue can have."""
    for container in CONTAINERS:
        for number in range(jobs):
            job_id = f"{container}-{number}"
            bench.client.hset(bench.keys.job(job_id), mapping=plain_hash())
            bench.client.rpush(f"{bench.keys.job(job_id)}:logs", "row")
            if container in ("wait", "paused", "active"):
                bench.client.lpush(bench.of(container), job_id)
            else:
                bench.client.zadd(bench.of(container), {job_id: (NOW + number) * STEP})
    bench.client.set("bull:q:active-0:lock", "t")
    bench.client.zadd("bull:q:repeat", {"s": NOW})
    bench.client.hset("bull:q:repeat:s", mapping={"name": "s"})
    bench.client.set("bull:q:limiter", 5, px=60_000)
    for name in ("id", "pc", "stalled-check"):
        bench.client.set(bench.of(name), 1)
    bench.client.sadd("bull:q:stalled", "active-0")
    bench.client.zadd("bull:q:marker", {"0": 0})
    for state in ("completed", "failed"):
        bench.client.hset(f"bull:q:metrics:{state}", mapping={"count": 1})
        bench.client.rpush(f"bull:q:metrics:{state}:data", 1)
    bench.client.hset("bull:q:oxmq:workers", "w1", "{}")
    bench.client.xadd("bull:q:oxmq:history", {"v": "1"})
    bench.client.hset("bull:q:oxmq:counts", "1", "1 1 0 0;;")
    bench.client.zadd("bull:q:oxmq:relayed", {"row": NOW})
    bench.run(queues.pause(bench.keys))


def obliterate(bench: Bench, *, force: bool = True, count: int = 1000) -> int:
    """Obliterate the queue; return how many calls that took."""
    calls = 1
    while bench.run(administration.obliterate(bench.keys, count, force=force)):
        calls += 1
    return calls


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_nothing_is_left(bench: Bench, count: int) -> None:
    furnish(bench)
    obliterate(bench, count=count)
    assert list(bench.dump()) == LEFT


def test_one_call_deletes_no_more_than_asked(bench: Bench) -> None:
    furnish(bench)
    before = len(bench.client.keys("bull:q:*-[0-9]"))
    assert bench.run(administration.obliterate(bench.keys, 2, force=True))
    assert len(bench.client.keys("bull:q:*-[0-9]")) == before - 2


def test_a_queue_that_is_not_paused_is_refused(bench: Bench) -> None:
    furnish(bench)
    bench.client.hdel("bull:q:meta", "paused")
    bench.client.hset("bull:q:meta", "version", "x")
    before = bench.dump()
    with pytest.raises(QueueStateError, match="Cannot obliterate non-paused queue") as caught:
        obliterate(bench)
    assert (caught.value.code, caught.value.queue) == (-1, "q")
    assert bench.dump() == before


def test_running_jobs_are_refused_unless_forced(bench: Bench) -> None:
    furnish(bench)
    before = bench.dump()
    with pytest.raises(QueueStateError, match="Cannot obliterate queue with active jobs") as caught:
        obliterate(bench, force=False)
    assert caught.value.code == -2
    assert bench.dump() == before


def test_every_code_is_tested_here() -> None:
    assert SCRIPTS["obliterate"].header.errors == (-1, -2)


def test_obliterating_again_does_nothing(bench: Bench) -> None:
    furnish(bench)
    obliterate(bench)
    assert not bench.run(administration.obliterate(bench.keys, 10, force=False))
    assert list(bench.dump()) == LEFT


def test_a_parent_elsewhere_no_longer_waits(bench: Bench) -> None:
    make_flow(bench, "p", ["a"], parent_base="bull:other:")
    bench.run(queues.pause(bench.keys))
    obliterate(bench)
    assert bench.client.lrange("bull:other:wait", 0, -1) == ["p"]
    assert not bench.client.keys("bull:q:*")


def test_deduplication_ids_are_free_again(bench: Bench) -> None:
    bench.add("a")
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    bench.client.hset("bull:q:dn:d", "name", "parked")
    bench.run(queues.pause(bench.keys))
    obliterate(bench)
    assert bench.dump() == {}

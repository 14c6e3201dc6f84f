"""The script that reads what tells why a job is where it is."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.ops.situations import ChildSituation, Situation, get_situation
from tests.scripts.bench import CONTAINERS, NOW, PRIORITY, STEP, Bench, fill, make_flow, plain_hash

#: Longer than what is searched from both ends together.
VERY_LONG = 60_000


def situation(bench: Bench, job_id: str) -> Situation:
    """Read a job's situation, and see that reading changes nothing."""
    before = bench.dump()
    found = bench.run(get_situation(bench.keys, job_id))
    assert found is not None
    assert bench.dump() == before
    return found


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_state_is_where_the_id_is(bench: Bench, container: str) -> None:
    fill(bench)
    bench.client.hset(f"bull:q:{container}-0", mapping=plain_hash())
    state = {"wait": "waiting", "paused": "waiting"}.get(container, container)
    assert situation(bench, f"{container}-0").state == state


def test_a_job_that_does_not_exist(bench: Bench) -> None:
    assert bench.run(get_situation(bench.keys, "gone")) is None


def test_a_job_that_is_nowhere(bench: Bench) -> None:
    bench.client.hset("bull:q:lost", mapping=plain_hash())
    assert situation(bench, "lost").state == "unknown"


def test_its_place_in_the_line(bench: Bench) -> None:
    bench.add("a", "b", "c")
    assert [situation(bench, job_id).ahead for job_id in "abc"] == [0, 1, 2]


def test_its_place_in_a_very_long_line(bench: Bench) -> None:
    bench.client.lpush("bull:q:wait", *(f"x{number}" for number in range(VERY_LONG)))
    for number in (10, VERY_LONG - 10, VERY_LONG // 2):
        bench.client.hset(f"bull:q:x{number}", mapping=plain_hash())
    places = [situation(bench, f"x{number}") for number in (10, VERY_LONG - 10, VERY_LONG // 2)]
    assert [(place.state, place.ahead) for place in places] == [
        ("waiting", 10),
        ("waiting", VERY_LONG - 10),
        ("waiting", None),
    ]


def test_its_place_among_priorities(bench: Bench) -> None:
    bench.add("plain")
    bench.add("first", priority=1)
    bench.add("second", "third", priority=2)
    found = situation(bench, "third")
    assert (found.state, found.ahead, found.better) == ("prioritized", 3, 2)


def test_scores(bench: Bench) -> None:
    bench.add("a", delay=5000)
    assert situation(bench, "a").score == (NOW + 5000) * STEP
    bench.add("b", priority=7)
    assert bench.scores("prioritized")["b"] == 7 * PRIORITY + 1


def test_what_holds_the_queue_back(bench: Bench) -> None:
    bench.add("a")
    before = situation(bench, "a").queue
    assert (before.paused, before.concurrency, before.limit_max, before.started) == (False, None, None, None)
    assert (before.active, before.limited_ms) == (0, -2)
    bench.client.hset("bull:q:meta", mapping={"paused": 1, "concurrency": 3, "max": 10, "duration": 1000})
    bench.client.set("bull:q:limiter", 10, px=60_000)
    bench.client.lpush("bull:q:active", "x", "y")
    after = situation(bench, "a").queue
    assert (after.paused, after.concurrency, after.active) == (True, 3, 2)
    assert (after.limit_max, after.limit_ms, after.started) == (10, 1000, 10)
    assert 50_000 < after.limited_ms <= 60_000


def test_its_lock_and_its_hash(bench: Bench) -> None:
    bench.start("a")
    assert 20_000 < situation(bench, "a").lock_ms <= 30_000
    bench.client.delete("bull:q:a:lock")
    bench.client.hset("bull:q:a", mapping={"defa": "late", "cancelledOn": NOW, "data": "x", "returnvalue": "y"})
    found = situation(bench, "a")
    assert (found.lock_ms, found.cancelled, found.job.deferred_failure) == (-2, True, "late")
    assert (found.job.processed_on, found.job.attempts_started) == (NOW, 1)
    # What may be large is not read.
    assert (found.job.data, found.job.return_value) == (b"{}", None)


def test_its_children(bench: Bench) -> None:
    parent = make_flow(bench, "parent", ["a", "b", "c", "d"])
    bench.client.hset(f"{parent}:processed", "bull:q:e", "1")
    bench.client.hset(f"{parent}:failed", "bull:q:f", "no")
    bench.client.zadd(f"{parent}:unsuccessful", {"bull:q:g": NOW, "bull:q:h": NOW})
    bench.client.sadd(f"{parent}:dependencies", "bull:other:x", "bull:other:gone", "strange")
    bench.client.hset("bull:other:x", mapping=plain_hash(name="far", failedReason="no"))
    bench.client.zadd("bull:other:failed", {"x": NOW})
    bench.client.hset("bull:other:meta", "paused", 1)
    bench.client.lrem("bull:q:wait", 0, "b")
    bench.client.lrem("bull:q:wait", 0, "c")
    bench.client.lpush("bull:q:active", "b")
    bench.client.set("bull:q:b:lock", "t", px=30_000)
    found = situation(bench, "parent")
    assert (found.pending, found.processed, found.ignored, found.unsuccessful) == (7, 1, 1, 2)
    children = {child.key: child for child in found.children}
    assert children.keys() == {f"bull:q:{name}" for name in "abcd"} | {"bull:other:x", "bull:other:gone", "strange"}
    assert children["bull:q:a"] == ChildSituation("bull:q:a", "waiting", "job", "", -2, False)
    assert children["bull:q:b"].state == "active"
    assert children["bull:q:b"].lock_ms > 20_000
    assert children["bull:q:c"].state == "unknown"
    assert children["bull:other:x"] == ChildSituation("bull:other:x", "failed", "far", "no", -2, True)
    assert (children["bull:other:gone"].state, children["strange"].state) == ("gone", "gone")


def test_some_of_very_many_children(bench: Bench) -> None:
    parent = make_flow(bench, "parent", [])
    keys: list[Any] = [f"bull:q:{number}" for number in range(5000)]
    bench.client.sadd(f"{parent}:dependencies", *keys)
    found = situation(bench, "parent")
    assert found.pending == 5000
    assert 0 < len(found.children) < 300

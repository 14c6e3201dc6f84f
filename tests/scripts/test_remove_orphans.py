"""The script that deletes jobs that no container holds."""

from __future__ import annotations

import pytest

from oxmq.ops import administration
from tests.scripts.bench import CONTAINERS, NOW, Bench, make_flow, plain_hash


def remove_orphans(bench: Bench, *ids: str, most: int | None = None) -> list[bool]:
    return bench.run(administration.remove_orphans(bench.keys, ids, most))


def orphan(bench: Bench, *ids: str) -> None:
    for job_id in ids:
        bench.client.hset(bench.keys.job(job_id), mapping=plain_hash())
        bench.client.rpush(f"{bench.keys.job(job_id)}:logs", "row")


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_job_in_a_container_stays(bench: Bench, container: str) -> None:
    orphan(bench, "a")
    if container in ("wait", "paused", "active"):
        bench.client.lpush(bench.of(container), "x", "a", "y")
    else:
        bench.client.zadd(bench.of(container), {"a": NOW})
    before = bench.dump()
    assert remove_orphans(bench, "a") == [False]
    assert bench.dump() == before


def test_an_orphan_goes_with_its_parts(bench: Bench) -> None:
    bench.add("b")
    before = bench.dump()
    orphan(bench, "a")
    bench.client.rpush("bull:q:hashless:logs", "row")
    bench.client.hset("bull:q:half", "ats", 1)
    assert remove_orphans(bench, "a", "b", "hashless", "half") == [True, False, True, True]
    assert bench.dump() == before


def test_a_job_that_somebody_still_runs_stays(bench: Bench) -> None:
    orphan(bench, "a")
    bench.client.set("bull:q:a:lock", "t", px=60_000)
    assert remove_orphans(bench, "a") == [False]


def test_what_is_no_job_stays(bench: Bench) -> None:
    bench.client.hset("bull:q:record", mapping={"name": "s", "data": "{}"})
    bench.client.hset("bull:q:fields", mapping={"paused": 1})
    bench.client.set("bull:q:text", 1)
    before = bench.dump()
    assert remove_orphans(bench, "record", "fields", "text") == [False] * 3
    assert bench.dump() == before


def test_no_more_go_than_were_asked_for(bench: Bench) -> None:
    orphan(bench, "a", "b", "c")
    assert remove_orphans(bench, "a", "b", "c", most=2) == [True, True]
    assert bench.client.exists("bull:q:c")


def test_removing_twice_is_removing_once(bench: Bench) -> None:
    orphan(bench, "a")
    assert [remove_orphans(bench, "a") for _ in range(2)] == [[True], [True]]


def test_one_call_searches_long_lists_only_so_often(bench: Bench) -> None:
    orphan(bench, "a", "b")
    for start in range(0, 450_000, 5_000):
        bench.client.rpush("bull:q:wait", *range(start, start + 5_000))
    assert remove_orphans(bench, "a", "b") == [True]
    assert remove_orphans(bench, "b") == [True]


def test_a_parent_no_longer_waits_for_an_orphan(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    bench.client.delete("bull:q:wait")
    assert remove_orphans(bench, "a") == [True]
    assert bench.in_line("wait") == ["p"]


def test_the_deduplication_id_of_an_orphan_is_free_again(bench: Bench) -> None:
    orphan(bench, "a")
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    remove_orphans(bench, "a")
    assert not bench.client.exists("bull:q:de:d")

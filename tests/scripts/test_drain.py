"""The script that deletes the jobs that have not begun."""

from __future__ import annotations

import pytest

from oxmq.ops import administration
from oxmq.ops.administration import Place
from oxmq.ops.call import MAX_ROWS
from tests.scripts.bench import NOW, STEP, Bench, make_flow, plain_hash


def drain(bench: Bench, container: str) -> None:
    """Drain a container until the walk is over."""
    place, more = Place(), True
    while more:
        piece = bench.run(administration.drain(bench.keys, container, place))
        place, more = piece.place, piece.more


def put(bench: Bench, container: str, *ids: str) -> None:
    for at, job_id in enumerate(ids):
        bench.client.hset(bench.keys.job(job_id), mapping=plain_hash())
        if container in ("wait", "paused"):
            bench.client.lpush(bench.of(container), job_id)
        else:
            bench.client.zadd(bench.of(container), {job_id: (NOW + at) * STEP})


@pytest.mark.parametrize("container", ["wait", "paused", "prioritized", "delayed"])
def test_jobs_go_with_all_that_is_theirs_and_nothing_is_told(bench: Bench, container: str) -> None:
    put(bench, container, *(str(number) for number in range(MAX_ROWS + 3)))
    bench.client.rpush("bull:q:7:logs", "row")
    drain(bench, container)
    assert bench.dump() == {}


@pytest.mark.parametrize("container", ["wait", "paused", "prioritized", "delayed"])
def test_the_schedulers_next_jobs_stay_and_nothing_else(bench: Bench, container: str) -> None:
    ids = [f"repeat:s{number}:{NOW}" for number in range(MAX_ROWS + 50)]
    bench.client.zadd("bull:q:repeat", dict.fromkeys((f"s{number}" for number in range(len(ids))), NOW))
    put(bench, container, *(job_id for number, one in enumerate(ids) for job_id in (one, f"plain{number}")))
    put(bench, container, f"repeat:s0:{NOW - 1}")
    drain(bench, container)
    kept = bench.in_line(container) if container in ("wait", "paused") else list(bench.scores(container))
    assert kept == ids
    assert len(bench.client.keys("bull:q:*")) == len(ids) + 2


def test_draining_twice_is_draining_once(bench: Bench) -> None:
    put(bench, "wait", "a")
    drain(bench, "wait")
    before = bench.dump()
    drain(bench, "wait")
    assert bench.dump() == before


def test_a_parent_elsewhere_no_longer_waits_and_one_here_goes_too(bench: Bench) -> None:
    make_flow(bench, "elsewhere", ["a"], parent_base="bull:other:")
    here = make_flow(bench, "here", ["b"])
    drain(bench, "wait")
    assert bench.client.lrange("bull:other:wait", 0, -1) == ["elsewhere"]
    assert not bench.client.exists(here, "bull:q:waiting-children")


def test_a_deduplication_id_is_free_again(bench: Bench) -> None:
    put(bench, "wait", "a")
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    drain(bench, "wait")
    assert not bench.client.exists("bull:q:de:d")

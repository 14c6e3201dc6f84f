"""The script that reads a job and where it is."""

from __future__ import annotations

import pytest

from oxmq.ops.lookups import Found, look_up
from tests.scripts.bench import CONTAINERS, NOW, STEP, Bench, fill, make_flow, plain_hash


def found(bench: Bench, job_id: str, **bounds: int) -> Found:
    """Look a job up, and see that reading changes nothing."""
    before = bench.dump()
    job = bench.run(look_up(bench.keys, job_id, **bounds))
    assert job is not None
    assert bench.dump() == before
    return job


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_state_is_where_the_id_is(bench: Bench, container: str) -> None:
    fill(bench)
    bench.client.hset(f"bull:q:{container}-0", mapping=plain_hash())
    state = {"wait": "waiting", "paused": "waiting"}.get(container, container)
    assert found(bench, f"{container}-0").state == state


def test_a_job_that_does_not_exist_or_is_half_a_job(bench: Bench) -> None:
    bench.client.hset("bull:q:half", "delay", 0)
    bench.client.set("bull:q:text", "x")
    for job_id in ("gone", "half", "text"):
        assert bench.run(look_up(bench.keys, job_id)) is None


def test_a_job_that_is_nowhere(bench: Bench) -> None:
    bench.client.hset("bull:q:lost", mapping=plain_hash())
    assert found(bench, "lost").state == "unknown"


def test_long_lists_are_searched_from_both_ends(bench: Bench) -> None:
    bench.client.rpush("bull:q:wait", *(f"x{number}" for number in range(300)))
    for number in (5, 150, 295):
        bench.client.hset(f"bull:q:x{number}", mapping=plain_hash())
        assert found(bench, f"x{number}", reach=10).state == "waiting"
    bench.client.hset("bull:q:lost", mapping=plain_hash())
    assert found(bench, "lost", reach=10).state == "waiting"
    assert found(bench, "lost", reach=150).state == "unknown"


def test_when_it_is_due(bench: Bench) -> None:
    bench.add("a")
    bench.client.lrem("bull:q:wait", 0, "a")
    bench.client.zadd("bull:q:delayed", {"a": (NOW + 5) * STEP + 7})
    job = found(bench, "a")
    assert (job.state, job.due_ms) == ("delayed", NOW + 5)


def test_its_lock_its_log_and_its_children(bench: Bench) -> None:
    make_flow(bench, "parent", ["one", "two"])
    bench.client.rpush("bull:q:parent:logs", "a", "b")
    job = found(bench, "parent")
    assert (job.processed, job.unprocessed, job.ignored, job.failed, job.logs) == (0, 2, 0, 0, 2)
    assert job.lock_ms < 0
    bench.client.set("bull:q:parent:lock", "t", px=30_000)
    assert 0 < found(bench, "parent").lock_ms <= 30_000


def test_large_values_can_be_left_out(bench: Bench) -> None:
    bench.add("a", data=b"x" * 100)
    assert found(bench, "a", most=99).record.data == b"{}"
    assert found(bench, "a", most=100).record.data == b"x" * 100
    assert found(bench, "a").record.name == "job"


def test_keys_of_other_types_count_as_missing(bench: Bench) -> None:
    bench.client.hset("bull:q:a", mapping=plain_hash())
    for part in ("wait", "delayed", "active", "a:logs", "a:dependencies"):
        bench.client.set(f"bull:q:{part}", "x")
    job = found(bench, "a")
    assert (job.state, job.logs, job.unprocessed) == ("unknown", 0, 0)

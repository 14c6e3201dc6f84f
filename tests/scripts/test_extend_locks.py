"""The script that renews the locks of running jobs."""

from __future__ import annotations

from oxmq.ops import jobs, lifecycle
from tests.scripts.bench import Bench


def extend(bench: Bench, *locks: tuple[str, str], lock_ms: int = 60_000) -> list[str]:
    return bench.run(lifecycle.extend_locks(bench.keys, locks, lock_ms))


def test_locks_are_renewed_and_suspicion_is_lifted(bench: Bench) -> None:
    bench.start("a", "b")
    bench.client.sadd("bull:q:stalled", "a", "b", "c")
    before = bench.dump("stalled")
    assert extend(bench, ("a", "t"), ("b", "t")) == []
    assert bench.dump("stalled") == before
    assert 50_000 < bench.client.pttl("bull:q:a:lock") <= 60_000
    assert bench.client.smembers("bull:q:stalled") == {"c"}


def test_locks_that_are_gone_or_anothers_are_told_in_order(bench: Bench) -> None:
    bench.start("a", "b", "c", "d")
    bench.client.delete("bull:q:a:lock")
    bench.client.set("bull:q:c:lock", "other", px=30_000)
    bench.client.sadd("bull:q:stalled", "a", "b", "c")
    assert extend(bench, ("c", "t"), ("b", "t"), ("a", "t"), ("d", "t")) == ["c", "a"]
    assert not bench.client.exists("bull:q:a:lock")
    assert bench.client.pttl("bull:q:c:lock") <= 30_000
    assert bench.client.smembers("bull:q:stalled") == {"a", "c"}


def test_renewing_again_changes_only_the_time(bench: Bench) -> None:
    bench.start("a")
    before = bench.dump()
    assert [extend(bench, ("a", "t")) for _ in range(3)] == [[], [], []]
    assert bench.dump() == before


def test_hundreds_of_locks_are_renewed_at_once(bench: Bench) -> None:
    ids = [f"j{number:03}" for number in range(250)]
    bench.start(*ids)
    bench.client.sadd("bull:q:stalled", *ids)
    assert extend(bench, *((job_id, "t") for job_id in ids)) == []
    assert not bench.client.exists("bull:q:stalled")


def test_one_lock_alone(bench: Bench) -> None:
    bench.start("a")
    assert bench.run(jobs.extend_lock(bench.keys, "a", "t", 5_000)) is True
    assert bench.run(jobs.extend_lock(bench.keys, "a", "other", 5_000)) is False
    assert bench.run(jobs.extend_lock(bench.keys, "gone", "t", 5_000)) is False

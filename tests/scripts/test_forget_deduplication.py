"""`forget_deduplication` frees a deduplication id, if the job owns it."""

from __future__ import annotations

from oxmq.ops import jobs
from tests.scripts.bench import Bench


def test_the_owner_lets_go_of_its_id(bench: Bench) -> None:
    bench.client.set(bench.of("de:d"), "a")
    assert bench.run(jobs.remove_deduplication_key(bench.keys, "d", "a"))
    assert bench.dump() == {}


def test_another_job_does_not(bench: Bench) -> None:
    bench.client.set(bench.of("de:d"), "a")
    before = bench.dump()
    assert not bench.run(jobs.remove_deduplication_key(bench.keys, "d", "b"))
    assert bench.dump() == before


def test_an_id_that_nobody_owns_is_let_go_of_by_nobody(bench: Bench) -> None:
    assert not bench.run(jobs.remove_deduplication_key(bench.keys, "d", "a"))
    assert bench.dump() == {}

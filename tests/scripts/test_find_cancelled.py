"""The script that tells which of the jobs that run have been cancelled."""

from __future__ import annotations

from oxmq.ops import jobs, lifecycle
from tests.scripts.bench import NOW, Bench


def find(bench: Bench, *ids: str) -> dict[str, str]:
    return bench.run(lifecycle.find_cancelled(bench.keys, ids))


def cancel(bench: Bench, job_id: str, reason: str = "enough") -> None:
    assert bench.run(jobs.cancel(bench.keys, job_id, reason, NOW, -1)) is False


def test_those_that_were_cancelled_are_told_with_the_reason(bench: Bench) -> None:
    bench.start("a", "b", "c")
    cancel(bench, "a", "")
    cancel(bench, "c", "not wanted: ü")
    before = bench.dump()
    assert find(bench, "a", "b", "c", "gone") == {"a": "", "c": "not wanted: ü"}
    assert find(bench, "b") == {}
    assert bench.dump() == before


def test_asked_for_none_it_tells_none(bench: Bench) -> None:
    assert find(bench) == {}


def test_one_that_is_to_be_failed_for_another_reason_was_not_cancelled(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", "defa", "child bull:q:b failed")
    assert find(bench, "a") == {}


def test_the_last_reason_counts(bench: Bench) -> None:
    bench.start("a")
    cancel(bench, "a", "first")
    cancel(bench, "a", "last")
    assert find(bench, "a") == {"a": "last"}


def test_one_that_has_failed_is_not_told_again(bench: Bench) -> None:
    bench.start("a")
    cancel(bench, "a")
    bench.finish(bench.fail("a"))
    assert find(bench, "a") == {}


def test_one_that_is_given_back_stays_cancelled_until_it_is_failed(bench: Bench) -> None:
    bench.start("a")
    cancel(bench, "a")
    bench.finish(bench.outcome("a", "release"))
    assert bench.taken_ids() == ["a"]
    assert find(bench, "a") == {"a": "enough"}

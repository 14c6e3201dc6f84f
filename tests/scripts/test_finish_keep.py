"""The script that ends runs: which finished jobs stay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scripts.bench import NOW, Bench, plain_hash

OUTCOMES = ["completed", "failed"]


@pytest.fixture(params=OUTCOMES)
def outcome(request: pytest.FixtureRequest) -> str:
    """Return each way in which a job can end."""
    kind: str = request.param
    return kind


def end(bench: Bench, outcome: str, *ids: str, now: int = NOW, **keep: Any) -> None:
    """End running jobs in the given way."""
    make = bench.complete if outcome == "completed" else bench.fail
    assert bench.codes(*(make(job_id, **keep) for job_id in ids), now=now) == [0] * len(ids)


def store_finished(bench: Bench, outcome: str, ages: dict[str, int]) -> None:
    """Store jobs that finished so many seconds ago, with everything that a job can have."""
    for job_id, age in ages.items():
        bench.client.hset(f"bull:q:{job_id}", mapping=plain_hash())
        bench.client.rpush(f"bull:q:{job_id}:logs", "row")
        bench.client.zadd(f"bull:q:{outcome}", {job_id: NOW - 1000 * age})


def test_all_are_kept_where_nothing_is_said(bench: Bench, outcome: str) -> None:
    store_finished(bench, outcome, {f"old{n}": 10**8 + n for n in range(30)})
    bench.start("a")
    end(bench, outcome, "a")
    assert bench.client.zcard(f"bull:q:{outcome}") == 31


def test_a_job_that_is_not_kept_leaves_nothing_but_its_events(bench: Bench, outcome: str) -> None:
    bench.start("a")
    for part, value in {"processed": "x", "failed": "y"}.items():
        bench.client.hset(f"bull:q:a:{part}", "bull:q:c", value)
    bench.client.rpush("bull:q:a:logs", "row")
    end(bench, outcome, "a", keep_count=0)
    assert bench.dump("events", "id", "meta", "marker") == {}
    assert bench.events()[0].startswith(f"{outcome} jobId=a")


def test_the_newest_are_kept_by_count(bench: Bench, outcome: str) -> None:
    store_finished(bench, outcome, {"x": 30, "y": 20, "z": 10})
    bench.start("a")
    end(bench, outcome, "a", keep_count=2)
    assert list(bench.scores(outcome)) == ["z", "a"]
    assert not bench.client.exists("bull:q:x", "bull:q:x:logs", "bull:q:y", "bull:q:y:logs")
    assert bench.client.exists("bull:q:z", "bull:q:z:logs") == 2


def test_the_young_are_kept_by_age(bench: Bench, outcome: str) -> None:
    store_finished(bench, outcome, {"x": 61, "y": 60, "z": 59})
    bench.start("a")
    end(bench, outcome, "a", keep_age=60.0)
    assert list(bench.scores(outcome)) == ["z", "a"]
    assert not bench.client.exists("bull:q:y")


def test_age_counts_fractions_of_a_second(bench: Bench, outcome: str) -> None:
    bench.client.zadd(f"bull:q:{outcome}", {"x": NOW - 500, "y": NOW - 499})
    bench.start("a")
    end(bench, outcome, "a", keep_age=0.5)
    assert list(bench.scores(outcome)) == ["y", "a"]


def test_age_and_count_hold_together(bench: Bench, outcome: str) -> None:
    store_finished(bench, outcome, {"x": 99, "y": 30, "z": 10})
    bench.start("a")
    end(bench, outcome, "a", keep_age=60.0, keep_count=2)
    assert list(bench.scores(outcome)) == ["z", "a"]


def test_one_finish_removes_no_more_by_age_than_the_limit(bench: Bench, outcome: str) -> None:
    store_finished(bench, outcome, {f"x{n}": 70 - n for n in range(5)})
    bench.start("a", "b")
    end(bench, outcome, "a", keep_age=60.0, keep_limit=3)
    assert list(bench.scores(outcome)) == ["x0", "x1", "a"]
    end(bench, outcome, "b", keep_age=60.0, keep_limit=3)
    assert list(bench.scores(outcome)) == ["a", "b"]


def test_one_finish_sweeps_at_most_a_thousand(bench: Bench, outcome: str) -> None:
    bench.client.zadd(f"bull:q:{outcome}", {f"x{n}": n for n in range(1_500)})
    bench.start("a", "b")
    end(bench, outcome, "a", keep_count=1)
    assert bench.client.zcard(f"bull:q:{outcome}") == 501
    end(bench, outcome, "b", keep_count=1)
    assert list(bench.scores(outcome)) == ["b"]


def test_each_outcome_sweeps_its_own_kind(bench: Bench) -> None:
    store_finished(bench, "completed", {"x": 90})
    store_finished(bench, "failed", {"y": 90})
    bench.start("a")
    end(bench, "completed", "a", keep_age=60.0)
    assert list(bench.scores("failed")) == ["y"]
    assert list(bench.scores("completed")) == ["a"]


def test_in_a_batch_every_rule_holds(bench: Bench) -> None:
    store_finished(bench, "completed", {"x": 90, "y": 10})
    bench.start("a", "b", "c")
    bench.finish(bench.complete("a", keep_count=2), bench.complete("b", keep_age=60.0), bench.complete("c"))
    assert list(bench.scores("completed")) == ["b", "c"]


def test_no_events_tell_of_swept_jobs(bench: Bench, outcome: str) -> None:
    store_finished(bench, outcome, {"x": 90})
    bench.start("a")
    end(bench, outcome, "a", keep_count=1)
    assert not any("x" in event.split()[1:2] for event in bench.events())
    assert not any(event.startswith("removed") for event in bench.events())


def test_a_deduplication_id_of_a_swept_job_stays(bench: Bench) -> None:
    store_finished(bench, "completed", {"x": 90})
    bench.client.hset("bull:q:x", "deid", "d")
    bench.client.set("bull:q:de:d", "x")
    bench.start("a")
    end(bench, "completed", "a", keep_count=1)
    assert bench.client.exists("bull:q:de:d")


def test_a_parent_that_waited_for_a_swept_child_is_released(bench: Bench) -> None:
    store_finished(bench, "failed", {"x": 90})
    bench.client.hset("bull:p:1", mapping=plain_hash())
    bench.client.hset("bull:q:x", "parentKey", "bull:p:1")
    bench.client.sadd("bull:p:1:dependencies", "bull:q:x")
    bench.client.zadd("bull:p:waiting-children", {"1": NOW})
    bench.start("a")
    end(bench, "failed", "a", keep_count=1)
    assert bench.client.lrange("bull:p:wait", 0, -1) == ["1"]
    assert bench.events("bull:p:") == ["waiting jobId=1 prev=waiting-children"]

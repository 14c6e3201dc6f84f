"""The script that ends runs: how many ended in each minute."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from oxmq.ops.lifecycle import Outcome, TakeTerms
from tests.scripts.bench import NOW, Bench, Keyspace

MINUTE = 60_000
#: The beginning of a minute.
START = NOW - NOW % MINUTE
#: What the ids of jobs are made of.
NUMBERS = itertools.count()


def terms(points: int) -> TakeTerms:
    return TakeTerms(metrics=points)


def end(bench: Bench, minute: float, *endings: str, points: int = 5) -> None:
    """Have as many jobs end in one call as there are endings: ``c`` for completed, ``f`` for failed."""
    now = START + int(minute * MINUTE)
    ids = [f"j{next(NUMBERS)}" for _ in endings]
    bench.start(*ids)
    runs = [
        bench.complete(job_id) if how == "c" else bench.fail(job_id) for job_id, how in zip(ids, endings, strict=True)
    ]
    bench.finish(*runs, now=now, terms=terms(points))


def metrics(bench: Bench, state: str = "completed") -> tuple[dict[str, str], list[str]]:
    """Return the counters, and the points: the newest first."""
    counters = bench.client.hgetall(bench.of(f"metrics:{state}"))
    return counters, bench.client.lrange(bench.of(f"metrics:{state}:data"), 0, -1)


def counters(count: int, prev_count: int, minute: float) -> dict[str, str]:
    return {"count": str(count), "prevCount": str(prev_count), "prevTS": str(START + int(minute * MINUTE))}


def test_without_them_nothing_is_counted(bench: Bench) -> None:
    end(bench, 0, "c", "f", points=0)
    assert not bench.client.exists(bench.of("metrics:completed"), bench.of("metrics:failed"))


def test_the_first_minute_has_no_point_yet(bench: Bench) -> None:
    end(bench, 0.1, "c")
    end(bench, 0.9, "c")
    assert metrics(bench) == (counters(2, 0, 0.1), [])


def test_a_new_minute_makes_a_point_of_what_was_before(bench: Bench) -> None:
    for minute, count in ((0, 3), (1, 1), (3, 1)):
        for _ in range(count):
            end(bench, minute, "c", points=3)
    assert metrics(bench) == (counters(5, 4, 3), ["0", "1", "3"])
    end(bench, 4, "c", points=3)
    assert metrics(bench) == (counters(6, 5, 4), ["1", "0", "1"])


def test_a_long_pause_is_all_noughts(bench: Bench) -> None:
    end(bench, 0, "c", points=4)
    end(bench, 1, "c", points=4)
    end(bench, 10_000, "c", points=4)
    assert metrics(bench) == (counters(3, 2, 10_000), ["0", "0", "0", "1"])


def test_thousands_of_points_are_written_at_once(bench: Bench) -> None:
    end(bench, 0, "c", points=20_160)
    end(bench, 20_000, "c", points=20_160)
    found = metrics(bench)[1]
    assert (len(found), found[-1], set(found[:-1])) == (20_000, "1", {"0"})


def test_a_clock_that_goes_back_makes_no_points(bench: Bench) -> None:
    end(bench, 5, "c")
    end(bench, 3, "c")
    assert metrics(bench) == (counters(2, 0, 5), [])


def test_completed_and_failed_are_counted_apart(bench: Bench) -> None:
    end(bench, 0, "c", "f", "c")
    end(bench, 1, "f")
    assert metrics(bench) == (counters(2, 0, 0), [])
    assert metrics(bench, "failed") == (counters(2, 1, 1), ["1"])


@pytest.mark.parametrize("kind", ["retry", "delay", "postpone", "release", "park"])
def test_what_does_not_end_a_job_does_not_count(bench: Bench, kind: str) -> None:
    bench.start("a")
    bench.finish(Outcome("a", "t", kind, "no", b"[]", delay_ms=5), terms=terms(5))
    assert not bench.client.exists(bench.of("metrics:completed"), bench.of("metrics:failed"))


def test_what_is_refused_does_not_count(bench: Bench) -> None:
    bench.start("a", "b")
    bench.client.delete("bull:q:b:lock")
    bench.finish(bench.complete("a"), bench.complete("b"), bench.complete("gone"), terms=terms(5))
    assert bench.client.hget(bench.of("metrics:completed"), "count") == "1"


def test_what_is_not_kept_counts_all_the_same(bench: Bench) -> None:
    bench.start("a")
    bench.finish(bench.complete("a", keep_count=0), terms=terms(5))
    assert bench.client.hget(bench.of("metrics:completed"), "count") == "1"


#: At which minute how many jobs end, and how.
STORIES: list[list[tuple[float, str]]] = [
    [(0, "ccc"), (1, "c"), (3, "c")],
    [(0, "cfcfc"), (0.5, "f"), (1, "ffccc"), (1.9, "c"), (9, "fc")],
    [(0.99, "c"), (1, "cccccccc"), (2, "f"), (2, "f")],
]


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("points", [1, 3, 60])
def test_a_batch_counts_as_its_runs_one_by_one(bench: Bench, story: Sequence[tuple[float, str]], points: int) -> None:
    for minute, endings in story:
        end(bench, minute, *endings, points=points)
    together = only_metrics(bench)
    bench.client.flushall()
    for minute, endings in story:
        for ending in endings:
            end(bench, minute, ending, points=points)
    assert only_metrics(bench) == together
    assert together


def only_metrics(bench: Bench) -> Keyspace:
    return {key: value for key, value in bench.dump().items() if key.startswith(bench.of("metrics"))}

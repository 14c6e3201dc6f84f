"""The script that lets a delayed job wait for another time."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError, JobStateError
from oxmq.ops import changes
from tests.scripts.bench import NOW, STEP, Bench


def change_delay(bench: Bench, job_id: str, delay: int, now: int = NOW) -> None:
    bench.run(changes.change_delay(bench.keys, job_id, now, delay))


def test_the_job_is_due_that_long_from_now(bench: Bench) -> None:
    bench.add("a", delay=1_000)
    bench.forget_events()
    change_delay(bench, "a", 5_000, now=NOW + 10)
    assert bench.scores("delayed") == {"a": (NOW + 5_010) * STEP}
    assert bench.hash("a")["delay"] == "5000"
    assert bench.marker() == {"1": NOW + 5_010}
    assert bench.events() == [f"delayed jobId=a delay={NOW + 5_010}"]


def test_it_comes_after_those_that_are_due_then_too(bench: Bench) -> None:
    bench.add("a", delay=1_000)
    bench.add("b", delay=500)
    change_delay(bench, "b", 1_000)
    assert bench.scores("delayed") == {"a": (NOW + 1_000) * STEP, "b": (NOW + 1_000) * STEP + 1}


def test_without_delay_the_next_fetch_takes_it(bench: Bench) -> None:
    bench.add("a", delay=1_000)
    change_delay(bench, "a", 0)
    assert bench.hash("a")["delay"] == "0"
    assert bench.taken_ids() == ["a"]


def test_the_earliest_job_decides_when_to_wake_up(bench: Bench) -> None:
    bench.add("a", "b", delay=1_000)
    change_delay(bench, "a", 9_000)
    assert bench.marker() == {"1": NOW + 1_000 + 1 / STEP}


def test_a_job_that_is_gone_is_refused(bench: Bench) -> None:
    before = bench.dump()
    with pytest.raises(JobNotFoundError) as caught:
        change_delay(bench, "gone", 1)
    assert caught.value.code == -1
    assert bench.dump() == before


def test_a_job_that_is_not_delayed_is_refused(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    with pytest.raises(JobStateError, match=r"Job a is not in the delayed state\. change_delay") as caught:
        change_delay(bench, "a", 1)
    assert caught.value.code == -3
    assert bench.dump() == before

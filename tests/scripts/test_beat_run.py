"""The script with which a pod says that it lives, and asks whether it should."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scripts.bench import NOW, Bench
from tests.scripts.runs import UNWANTED, beat, note, run_of, start, state


def test_the_first_pod_has_the_run_and_its_heart_is_noted(bench: Bench) -> None:
    start(bench)
    before = bench.hash("a")
    assert beat(bench, now=NOW + 5)
    assert bench.hash("a") == before | {"oxmq:pod": "pod-1", "oxmq:heart": str(NOW + 5)}
    assert not beat(bench, pod="pod-2", now=NOW + 6)
    assert beat(bench, now=NOW + 7)
    assert (state(bench).pod, state(bench).heart_ms) == ("pod-1", NOW + 7)


def test_a_pod_may_come_before_its_worker_has_noted_that_it_is_there(bench: Bench) -> None:
    start(bench, run_of(phase="spawning"))
    assert beat(bench, added=NOW)


def test_the_next_run_is_another_pods(bench: Bench) -> None:
    start(bench)
    assert beat(bench)
    note(bench, run_of(number=2), fresh=True)
    assert not beat(bench)
    assert beat(bench, 2, "pod-2")


def test_a_second_attempt_is_one_after_the_first(bench: Bench) -> None:
    start(bench, run_of(number=3, attempt=2), {"atm": 1})
    assert beat(bench, 3)


@pytest.mark.parametrize("why", UNWANTED)
def test_what_is_not_wanted_leaves_no_trace(bench: Bench, why: str) -> None:
    fields, pod = UNWANTED[why]
    start(bench, fields=fields)
    before = bench.dump()
    assert not beat(bench, **pod)
    assert bench.dump() == before


@pytest.mark.parametrize("added", [None, NOW])
def test_a_job_that_is_gone_is_not_made(bench: Bench, added: int | None) -> None:
    assert not beat(bench, added=added)
    assert bench.dump() == {}


def test_the_pod_of_a_removed_job_is_none_of_a_later_one_of_its_id(bench: Bench) -> None:
    start(bench)
    assert beat(bench, added=NOW)
    bench.client.delete("bull:q:a", "bull:q:a:lock", "bull:q:active")
    bench.start("a", timestamp=NOW + 1)
    note(bench)
    old: dict[str, Any] = {"added": NOW}
    assert not beat(bench, **old)
    assert beat(bench, pod="pod-2", added=NOW + 1)


def test_a_time_that_another_library_wrote_as_a_fraction_counts(bench: Bench) -> None:
    start(bench, fields={"timestamp": f"{NOW}.0"})
    assert beat(bench, added=NOW)

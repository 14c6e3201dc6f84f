"""The script with which a pod leaves what became of its run."""

from __future__ import annotations

import pytest

from oxmq.ops.remote_runs import Left
from tests.scripts.bench import Bench
from tests.scripts.runs import UNWANTED, beat, leave, note, run_of, start, state


def test_a_result_is_left_for_the_worker(bench: Bench) -> None:
    start(bench)
    assert beat(bench)
    before = bench.hash("a")
    assert leave(bench, result='{"rows":5}')
    assert bench.hash("a") == before | {"oxmq:left": '{"number":1,"result":"{\\"rows\\":5}"}'}
    assert state(bench).result == Left(number=1, result='{"rows":5}')


def test_so_is_a_failure(bench: Bench) -> None:
    start(bench)
    assert leave(bench, result=None, message="no luck", trace="Traceback", signal="Delay", seconds=1.5)
    assert state(bench).result == Left(number=1, message="no luck", trace="Traceback", signal="Delay", seconds=1.5)


def test_leaving_it_again_changes_nothing(bench: Bench) -> None:
    start(bench)
    assert leave(bench)
    before = bench.dump()
    assert leave(bench)
    assert bench.dump() == before


def test_it_is_no_result_of_the_next_run(bench: Bench) -> None:
    start(bench)
    assert leave(bench)
    note(bench, run_of(number=2))
    assert (state(bench).left, state(bench).result) == (Left(number=1, result="2"), None)


def test_a_second_pod_of_the_run_leaves_nothing(bench: Bench) -> None:
    start(bench)
    assert beat(bench)
    assert leave(bench)
    before = bench.dump()
    assert not leave(bench, pod="pod-2", result="3")
    assert bench.dump() == before


@pytest.mark.parametrize("why", UNWANTED)
def test_what_is_not_wanted_leaves_no_trace(bench: Bench, why: str) -> None:
    fields, pod = UNWANTED[why]
    start(bench, fields=fields)
    before = bench.dump()
    assert not leave(bench, **pod)
    assert bench.dump() == before


def test_a_job_that_is_gone_is_not_made(bench: Bench) -> None:
    assert not leave(bench)
    assert bench.dump() == {}

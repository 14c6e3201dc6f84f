"""The script that notes that nothing more is wanted of a run, and what else does so."""

from __future__ import annotations

import pytest
from msgspec import structs

from oxmq.ops import administration, jobs
from oxmq.ops.remote_runs import RemoteRun
from tests.scripts.bench import Bench
from tests.scripts.runs import LEFT, NO_RUNS, RUN, beat, end, run_of, start, state

OVER = structs.replace(RUN, phase="over")


def test_what_the_pod_left_goes_and_the_run_is_over(bench: Bench) -> None:
    start(bench)
    before = bench.hash("a")
    bench.client.hset("bull:q:a", mapping=LEFT)
    assert end(bench)
    found = state(bench)
    assert (found.run, found.current, found.result) == (OVER, None, None)
    assert bench.hash("a") == before | {"oxmq:run": bench.hash("a")["oxmq:run"]}
    assert not beat(bench)
    assert end(bench)
    assert state(bench).run == OVER


@pytest.mark.parametrize("number", [0, 2, -1, 10**18])
def test_another_run_goes_on(bench: Bench, number: int) -> None:
    start(bench, fields=LEFT)
    before = bench.dump()
    assert not end(bench, run_of(number=number))
    assert bench.dump() == before


@pytest.mark.parametrize("text", NO_RUNS)
def test_what_is_no_run_is_left_as_it_is(bench: Bench, text: str) -> None:
    start(bench, fields={"oxmq:run": text, **LEFT})
    before = bench.dump()
    assert not end(bench)
    assert bench.dump() == before


def test_a_job_that_is_gone_is_not_made(bench: Bench) -> None:
    assert not end(bench)
    assert bench.dump() == {}


def end_job(bench: Bench, outcome: str) -> None:
    """Have the job end, its worker dead before it could end the run, too."""
    bench.finish(bench.complete("a") if outcome == "completed" else bench.fail("a"))
    assert (state(bench).ended, state(bench).current) == (True, None)


def retry(bench: Bench, outcome: str, *, reset: bool) -> None:
    bench.run(jobs.retry(bench.keys, "a", outcome, next_up=False, reset_made=reset, reset_started=reset))


@pytest.mark.parametrize("outcome", ["completed", "failed"])
@pytest.mark.parametrize("how", ["retry", "retry from the first attempt on", "all again"])
def test_a_job_that_is_run_again_has_nothing_of_an_earlier_run(bench: Bench, outcome: str, how: str) -> None:
    start(bench, fields=LEFT)
    end_job(bench, outcome)
    if how == "all again":
        bench.run(administration.requeue(bench.keys, outcome, None, 1))
    else:
        retry(bench, outcome, reset=how != "retry")
    found = state(bench)
    assert (found.run, found.current, found.result) == (OVER, None, None)
    assert not bench.hash("a").keys() & LEFT.keys()
    assert not beat(bench)


@pytest.mark.parametrize("again", ["retry", "all"])
def test_a_waiting_job_that_was_cancelled_and_runs_again_has_another_pod(bench: Bench, again: str) -> None:
    start(bench, fields=LEFT)
    bench.client.lrem("bull:q:active", 1, "a")
    bench.client.lpush("bull:q:wait", "a")
    assert bench.run(jobs.cancel(bench.keys, "a", "no more", 1, -1))
    assert state(bench).attempts_made == 0
    if again == "retry":
        retry(bench, "failed", reset=False)
    else:
        bench.run(administration.requeue(bench.keys, "failed", None, 1))
    assert state(bench).current is None


@pytest.mark.parametrize("text", NO_RUNS)
def test_what_is_no_run_does_not_keep_a_job_from_running_again(bench: Bench, text: str) -> None:
    start(bench, fields={"oxmq:run": text})
    end_job(bench, "failed")
    retry(bench, "failed", reset=True)
    assert bench.hash("a")["oxmq:run"] == text
    assert bench.in_line("wait") == ["a"]


def test_a_large_run_is_written_back_as_it_was(bench: Bench) -> None:
    run = RemoteRun(
        number=2**31, attempt=1, namespace="a/b", name='"', phase="spawned", uid="ü\\", at_ms=2**46, disruptions=9
    )
    start(bench, run)
    end_job(bench, "failed")
    retry(bench, "failed", reset=True)
    assert state(bench).run == structs.replace(run, phase="over")

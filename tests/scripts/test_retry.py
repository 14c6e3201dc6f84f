"""The script that runs a finished job again."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.errors import JobNotFoundError, JobStateError
from oxmq.ops import jobs
from tests.scripts.bench import NOW, PRIORITY, Bench, make_flow

STATES = ["completed", "failed"]


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest) -> str:
    """Return each state from which a job can be run again."""
    text: str = request.param
    return text


def end(bench: Bench, state: str, job_id: str = "a", **fields: Any) -> None:
    """Have a job end in the given state."""
    bench.start(job_id, **fields)
    bench.finish(bench.complete(job_id) if state == "completed" else bench.fail(job_id))
    bench.clear_marker()
    bench.forget_events()


def retry(bench: Bench, state: str, job_id: str = "a", **flags: bool) -> None:
    given = {"next_up": False, "reset_made": False, "reset_started": False} | flags
    bench.run(jobs.retry(bench.keys, job_id, state, **given))


def test_a_finished_job_waits_again_without_its_ending(bench: Bench, state: str) -> None:
    end(bench, state)
    before = bench.hash("a")
    bench.add("x")
    bench.clear_marker()
    bench.forget_events()
    retry(bench, state)
    gone = {"finishedOn", "processedOn", "failedReason" if state == "failed" else "returnvalue"}
    assert bench.hash("a") == {name: value for name, value in before.items() if name not in gone}
    assert bench.in_line("wait") == ["x", "a"]
    assert bench.marker() == {"0": 0}
    assert bench.events() == [f"waiting jobId=a prev={state}"]
    assert not bench.client.exists(f"bull:q:{state}")


def test_it_may_run_next(bench: Bench, state: str) -> None:
    end(bench, state)
    bench.add("x")
    retry(bench, state, next_up=True)
    assert bench.in_line("wait") == ["a", "x"]


def test_it_keeps_its_priority(bench: Bench, state: str) -> None:
    end(bench, state, priority=3)
    retry(bench, state)
    assert list(bench.scores("prioritized")) == ["a"]
    assert bench.scores("prioritized")["a"] > 3 * PRIORITY


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        ({}, {"atm", "ats"}),
        ({"reset_made": True}, {"ats"}),
        ({"reset_started": True}, {"atm"}),
        ({"reset_made": True, "reset_started": True}, set[str]()),
    ],
)
def test_attempts_are_forgotten_when_asked(bench: Bench, state: str, flags: dict[str, Any], left: set[str]) -> None:
    end(bench, state)
    retry(bench, state, **flags)
    assert bench.hash("a").keys() & {"atm", "ats"} == left


def test_a_job_that_is_gone_is_refused(bench: Bench, state: str) -> None:
    before = bench.dump()
    with pytest.raises(JobNotFoundError) as caught:
        retry(bench, state, "gone")
    assert caught.value.code == -1
    assert bench.dump() == before


@pytest.mark.parametrize("where", ["wait", "active", "delayed", "the other"])
def test_a_job_in_another_state_is_refused(bench: Bench, state: str, where: str) -> None:
    if where == "wait":
        bench.add("a")
    elif where == "active":
        bench.start("a")
    elif where == "delayed":
        bench.add("a", delay=5)
    else:
        end(bench, "failed" if state == "completed" else "completed")
    before = bench.dump()
    with pytest.raises(JobStateError, match=f"Job a is not in the {state} state. retry") as caught:
        retry(bench, state)
    assert caught.value.code == -3
    assert bench.dump() == before


def test_repeating_it_changes_nothing(bench: Bench, state: str) -> None:
    end(bench, state)
    retry(bench, state)
    before = bench.dump()
    with pytest.raises(JobStateError):
        retry(bench, state)
    assert bench.dump() == before


def test_a_paused_queue_wakes_nobody(bench: Bench, state: str) -> None:
    end(bench, state)
    bench.client.hset("bull:q:meta", "paused", 1)
    retry(bench, state)
    assert bench.marker() == {}


@pytest.mark.parametrize(("policy", "part"), [("fpof", "unsuccessful"), ("idof", "failed"), ("cpof", "failed")])
def test_a_failed_child_is_counted_on_again(bench: Bench, policy: str, part: str) -> None:
    policies: dict[str, Any] = {policy: True}
    parent = make_flow(bench, "p", ["a", "b"], parent_base="bull:other:", **policies)
    bench.taken_ids(2)
    bench.finish(bench.fail("a"))
    assert bench.client.exists(f"{parent}:{part}")
    retry(bench, "failed")
    assert not bench.client.exists(f"{parent}:{part}")
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a", "bull:q:b"}


def test_a_completed_child_is_counted_on_again(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a", "b"])
    bench.taken_ids(2)
    bench.finish(bench.complete("a"))
    retry(bench, "completed")
    assert not bench.client.exists(f"{parent}:processed")
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a", "bull:q:b"}


@pytest.mark.parametrize("policy", [{}, {"rdof": True}])
def test_a_child_that_did_not_count_is_not_counted_twice(bench: Bench, policy: dict[str, Any]) -> None:
    parent = make_flow(bench, "p", ["a", "b"], **policy)
    bench.taken_ids(2)
    bench.finish(bench.fail("a"))
    before = bench.client.smembers(f"{parent}:dependencies")
    retry(bench, "failed")
    assert bench.client.smembers(f"{parent}:dependencies") == before


def test_a_parent_that_is_gone_stays_gone(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base="bull:other:")
    bench.taken_ids(1, now=NOW)
    bench.finish(bench.complete("a"))
    bench.client.delete(*bench.client.keys("bull:other:*"))
    retry(bench, "completed")
    assert not bench.client.exists(parent, f"{parent}:dependencies")

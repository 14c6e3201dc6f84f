"""F16: a job kills the process that runs it, again and again."""

from __future__ import annotations

import pytest

from tests.faults.stage import RECOVERY, Stage
from tests.support.processes import until_ended


@pytest.mark.parametrize("deed", ["exit", "kill itself"])
def test_a_deadly_job_is_failed_after_its_second_victim(stage: Stage, deed: str) -> None:
    stage.add("poison", deed=deed)
    for _ in range(2):
        (victim,) = stage.start_workers()
        until_ended(victim, 10)
    stage.start_workers()
    stage.until("fail", 1, 10, key="poison")
    assert stage.count("start", key="poison") == 2
    assert stage.keyspace.field("poison", "failedReason") == "job stalled more than allowable limit"
    stage.assert_recovered()
    verdict = stage.finish(failed=1)
    assert "poison" in verdict.acknowledged


def test_what_a_handler_raises_fails_its_job_alone(stage: Stage) -> None:
    reasons = {
        "sys.exit": "the handler called sys.exit",
        "interrupt": "the handler was interrupted",
        "recurse": "maximum recursion depth exceeded",
    }
    (worker,) = stage.start_workers()
    stage.add("bystander", seconds=2)
    for deed in reasons:
        stage.add(deed, deed=deed)
    stage.until("fail", 3)
    for deed, reason in reasons.items():
        assert reason in (stage.keyspace.field(deed, "failedReason") or "")
    stage.until("accept", key="bystander")
    assert worker.exit_code is None
    stage.assert_recovered()
    stage.finish(failed=3)


def test_only_the_child_dies(stage: Stage) -> None:
    """A task that runs in a child process takes nothing else along, and its job fails at once, with the cause."""
    reasons = {
        "exits": "exit code 3",
        "kills_itself": "killed by SIGKILL",
        "calls_sys_exit": "the task called sys.exit",
        "recurses": "maximum recursion depth exceeded",
        "overflows_the_stack": "killed by SIGSEGV",
    }
    worker = stage.start_app("poison_tasks")
    for round_ in range(2):
        for name in reasons:
            stage.add_task(name, f"{name}-{round_}")
    stage.add_task("works", "works-0")
    stage.until("fail", 2 * len(reasons), 20)
    stage.until("accept", 1, 10)
    jobs = {job.key: job for job in stage.keyspace.jobs()}
    for key, job in jobs.items():
        name = key.partition("-")[0]
        assert reasons.get(name, "") in (stage.keyspace.field(job.job_id, "failedReason") or ""), key
        assert (job.attempts_started, job.stalled) == (1, 0), key
    stage.add_task("works", "works-1")
    stage.until("accept", 2, RECOVERY)
    assert worker.exit_code is None
    worker.terminate()
    assert worker.wait(10) == 0, worker.tail()
    assert stage.keyspace.contradictions() == []

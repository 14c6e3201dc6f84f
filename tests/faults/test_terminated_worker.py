"""F2: a worker is asked to stop while jobs are running."""

from __future__ import annotations

from time import monotonic
from typing import Any

from tests.faults.stage import Stage
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually_sync


def test_running_jobs_are_handed_back_at_no_cost(stage: Stage) -> None:
    (leaving,) = stage.start_workers(grace=0.3)
    held = [stage.add(f"held-{number}", seconds=3600 if number < 5 else 0) for number in range(8)]
    stage.until("start", 5, pid=leaving.pid)
    asked_at = monotonic()
    leaving.terminate()
    assert leaving.wait(4) == 0
    assert monotonic() - asked_at >= 0.3
    assert stage.count("cut") == 5
    assert stage.keyspace.count("active") == 0
    assert {stage.keyspace.field(key, "atm") for key in held} == {None}
    assert {stage.keyspace.field(key, "stc") for key in held} == {None}
    assert stage.keyspace.contradictions() == []


def test_second_signal_does_not_wait(stage: Stage) -> None:
    (leaving,) = stage.start_workers(grace=3600, concurrency=6)
    for number in range(5):
        stage.add(f"held-{number}", seconds=3600)
    stage.until("start", 5)
    with stage.server.client() as client:
        eventually_sync(lambda: waiting_workers(client) == 1)
        leaving.terminate()
        eventually_sync(lambda: waiting_workers(client) == 0)
    leaving.terminate()
    assert leaving.wait(4) == 0
    assert stage.keyspace.count("wait") == 5
    assert [job.stalled + job.attempts_made for job in stage.keyspace.jobs()] == [0] * 5


def test_workers_that_come_and_go_under_load_cost_no_attempt_and_no_stall(stage: Stage) -> None:
    """Whatever moment the signal finds: a handler that runs, an answer on its way, or nothing to do."""
    stage.start_producers(2, gap=0.015, seconds=0.005)
    rounds = 4
    for _ in range(rounds):
        leaving = stage.start_workers(2, concurrency=3, grace=0.2, lock_duration=30, stalled_interval=30)
        stage.until("end", stage.count("end") + 40)
        for worker in leaving:
            worker.terminate()
        for worker in leaving:
            assert worker.wait(5) == 0, worker.tail()
        assert stage.keyspace.count("active") == 0, [job for job in stage.keyspace.jobs() if job.state == "active"]
    stage.start_workers()
    verdict = stage.finish(excused_starts=rounds)
    assert {job.stalled for job in stage.keyspace.jobs()} == {0}
    assert len(verdict.acknowledged) > 40 * rounds


def test_no_job_starts_after_the_signal(stage: Stage) -> None:
    stage.start_producers(2)
    (leaving,) = stage.start_workers(concurrency=2, grace=1)
    stage.until("end", 20)
    leaving.terminate()
    assert leaving.wait(5) == 0
    last_end = max(record.at for record in stage.records if record.what == "end")
    last_start = max(record.at for record in stage.records if record.what == "start")
    assert last_start < last_end
    stage.start_workers()
    stage.finish(excused_starts=1)


def test_jobs_that_arrive_after_the_signal_go_back(far_stage: Stage, proxy: FaultProxy) -> None:
    """The signal finds no handler running, and a take whose answer is on its way."""
    (leaving,) = far_stage.start_workers(lock_duration=30, stalled_interval=30, drain_delay=30, grace=5)
    eventually_sync(lambda: proxy.commands["BZPOPMIN"])
    proxy.delay(0.4)
    far_stage.add("late", seconds=3600)
    eventually_sync(lambda: proxy.fired["delay"])
    leaving.terminate()
    assert leaving.wait(8) == 0
    proxy.heal()
    assert far_stage.keyspace.state_of("late") == "wait"
    assert far_stage.keyspace.contradictions() == []


def waiting_workers(client: Any) -> int:
    """Return how many workers wait for a job."""
    return sum(entry["cmd"] == "bzpopmin" for entry in client.client_list())

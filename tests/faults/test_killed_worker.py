"""F1: a worker is killed while jobs are running."""

from __future__ import annotations

from tests.faults.stage import Stage


def test_jobs_of_a_killed_worker_run_elsewhere(stage: Stage) -> None:
    first, second, _third = stage.start_workers(3)
    stage.start_producers(2)
    stage.until("end", 40)
    for victim in (first, second):
        stage.add(f"held-{victim.pid}", seconds=0.3)
        stage.until("start", pid=victim.pid)
        victim.kill9()
    stage.assert_recovered()
    stage.until("end", 100)
    verdict = stage.finish(failed=1)
    assert len(verdict.acknowledged) > 100


def test_recovery_takes_the_lock_and_two_checks_and_counts_one_stall(stage: Stage) -> None:
    (victim,) = stage.start_workers()
    held = [stage.add(f"held-{number}", seconds=3) for number in range(5)]
    stage.until("start", 5)
    killed_at = stage.records[-1].at
    victim.kill9()
    stage.start_workers()
    stage.until("start", 10)
    again = [record for record in stage.records if record.what == "start"][5:]
    # A fresh process is part of the time that is measured; the lock and two checks take at most 1.8 s.
    assert max(record.at for record in again) - killed_at < 1.8 + 2.0
    assert {(record.started, record.made, record.stalls) for record in again} == {(2, 0, 1)}
    verdict = stage.finish()
    assert verdict.runs == 10
    assert verdict.acknowledged == set(held)

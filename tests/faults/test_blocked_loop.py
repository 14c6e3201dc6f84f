"""F3: a handler blocks the worker's event loop for longer than a lock lives."""

from __future__ import annotations

from tests.faults.stage import Stage
from tests.support.proxy import FaultProxy


def test_locks_outlive_a_blocked_loop(stage: Stage) -> None:
    (blocked,) = stage.start_workers(concurrency=3)
    stage.add("patient-1", seconds=1)
    stage.add("patient-2", seconds=1)
    stage.add("blocking", deed="block", seconds=3)  # three lock durations
    stage.until("start", 3)
    stage.start_workers()  # looks for stalled jobs all the while, and would run them
    stage.until("accept", 3, pid=blocked.pid)
    assert stage.count("lock_lost") == 0
    stage.assert_recovered()
    stage.finish()
    assert {(job.attempts_started, job.stalled) for job in stage.keyspace.jobs()} == {(1, 0)}


def test_a_loop_that_stays_silent_gives_its_jobs_up(stage: Stage) -> None:
    (dead,) = stage.start_workers(max_loop_block=1)
    stage.add("blocking", deed="block", seconds=4)
    stage.until("start", pid=dead.pid)
    (other,) = stage.start_workers()
    stage.until("start", 1, 4, pid=other.pid)
    stage.until("error", 1, 5, pid=dead.pid)
    # The run that was given up ends in the meantime, and its result is refused.
    stage.until("accept", 1, 8, pid=other.pid)
    assert stage.count("accept", pid=dead.pid) == 0
    stage.finish()


def test_a_long_job_that_blocks_the_loop_at_first(far_stage: Stage, proxy: FaultProxy) -> None:
    """An answer that came in time is not taken for lost because nobody looked at it in time.

    And a worker that asks for nothing, because all it may run is running, is well, however long that takes: for one
    that waits for jobs, twice the drain delay and ten seconds are the limit.
    """
    (busy,) = far_stage.start_workers(concurrency=1, lock_duration=3)
    proxy.delay(0.1)
    far_stage.add("blocking", deed="call, then block", seconds=5.5, then=6)
    far_stage.until("accept", 1, 15, key="blocking")
    assert far_stage.count("error") == 0
    assert [record.note for record in far_stage.records if record.what == "health"] == [""]
    assert far_stage.is_healthy(busy)
    far_stage.finish()

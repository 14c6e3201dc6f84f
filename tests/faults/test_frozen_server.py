"""F5: the server stops answering, while its connections stay open."""

from __future__ import annotations

from time import monotonic

from tests.faults.stage import Stage
from tests.support.waiting import eventually_sync


def test_twenty_seconds_of_silence(stage: Stage) -> None:
    leaving, *_ = stage.start_workers(3, grace=0.5)
    stage.start_producers(2, gap=0.2)
    stage.start_producers(1, gap=0.2, ids="counter")
    stage.until("end", 40)
    stage.server.freeze()
    frozen_at = monotonic()
    leaving.terminate()
    # Every add that was under way, and those after it, come to an end: unknown, or not done.
    stage.until("add", 1, 12, since=frozen_at, how="info")
    stage.until("add", 3, 12, since=frozen_at, how="fail")
    eventually_sync(lambda: not any(stage.is_healthy(worker) for worker in stage.workers if worker != leaving), 15)
    # Its grace, five seconds for handlers that do not stop, and ten to tell the server.
    assert leaving.wait(20) == 0
    eventually_sync(lambda: monotonic() - frozen_at >= 20, 20)
    stage.server.thaw()
    assert stage.assert_recovered() < 3
    longest = longest_add(stage)
    assert longest < 10, f"an add took {longest:.1f} s"
    verdict = stage.finish()
    assert verdict.unknown


def test_locks_that_ran_out_meanwhile_are_honoured(stage: Stage) -> None:
    """A worker that could not renew its locks may go on, but what it ends is no longer its own."""
    stage.start_workers(2, concurrency=4)
    for number in range(6):
        stage.add(f"held-{number}", seconds=2.5)
    stage.until("start", 6)
    stage.let_locks_run_out()
    stage.assert_recovered()
    stage.finish()
    assert [stage.count("start", key=f"held-{number}") for number in range(6)] == [2] * 6


def longest_add(stage: Stage) -> float:
    """Return how long the longest add took."""
    begun: dict[str, float] = {}
    longest = 0.0
    for record in stage.records:
        if record.what == "add" and record.how == "invoke":
            begun[record.key] = record.at
        elif record.what == "add":
            longest = max(longest, record.at - begun[record.key])
    return longest


def test_a_job_that_comes_back_to_the_worker_that_lost_it(stage: Stage) -> None:
    """The worker runs it twice at once; that the first run ends must not make it forget the second."""
    (worker,) = stage.start_workers()
    stage.add("twice", seconds=3.5)
    stage.until("start")
    stage.let_locks_run_out()
    stage.until("start", 2)
    stage.until("end", 1)
    worker.terminate()
    assert worker.wait(8) == 0
    assert stage.count("end") == 2
    assert stage.keyspace.state_of("twice") == "completed"
    stage.finish()

"""F15: packets are late, few or cut to pieces."""

from __future__ import annotations

from tests.faults.stage import Stage
from tests.support.proxy import FaultProxy


def test_locks_are_kept_over_a_slow_network(far_stage: Stage, proxy: FaultProxy) -> None:
    far_stage.start_workers(2)
    proxy.delay(0.15)
    for number in range(6):
        far_stage.add(f"long-{number}", seconds=3)
    far_stage.start_producers(2, gap=0.2)
    far_stage.until("end", 40, 15)
    assert far_stage.count("lock_lost") == 0
    proxy.heal()
    far_stage.finish()
    assert {job.stalled for job in far_stage.keyspace.jobs()} == {0}


def test_locks_are_kept_beside_large_transfers(far_stage: Stage, proxy: FaultProxy) -> None:
    """A thin line, cut into small packets, on which one payload takes two thirds of a lock's life."""
    far_stage.start_workers(lock_duration=3)
    far_stage.add("long", seconds=5)
    far_stage.until("start", key="long")
    proxy.throttle(60_000)
    proxy.split(1400)
    far_stage.add("large", filler="x" * 110_000)
    far_stage.until("accept", 2, 15)
    assert far_stage.count("lock_lost") == 0
    proxy.heal()
    far_stage.assert_recovered()
    far_stage.finish()
    assert {(job.attempts_started, job.stalled) for job in far_stage.keyspace.jobs()} == {(1, 0)}

"""F11 and F12: the server answers, and takes no writes: it is out of memory, or a replica."""

from __future__ import annotations

from time import monotonic

from tests.faults.stage import Stage
from tests.support.servers import RedisServer


def test_out_of_memory(stage: Stage) -> None:
    """Adds are refused with nothing changed; jobs that run are completed, which needs no memory to speak of."""
    stage.start_workers(1, concurrency=2, lock_duration=2)
    stage.start_producers(2, gap=0.02)
    stage.until("end", 20)
    stage.add("running", seconds=1)
    stage.until("start", key="running")
    with stage.server.client() as client:
        client.config_set("maxmemory", "1mb")
        full_at = monotonic()
        stage.until("accept", key="running")
        stage.until("add", 20, since=full_at, how="fail")
        refused_from = monotonic()
        stage.until("add", stage.count("add", how="fail") + 10, how="fail")
        assert stage.count("add", since=refused_from, how="ok") == 0
        client.config_set("maxmemory", "0")
    stage.assert_recovered()
    assert stage.count("lock_lost") == 0
    verdict = stage.finish()
    assert verdict.refused
    assert {job.stalled for job in stage.keyspace.jobs()} == {0}


def test_readonly(stage: Stage) -> None:
    """No attempt and no stall is counted for what a replica refused, as long as the locks last."""
    stage.start_workers(2, lock_duration=6, stalled_interval=2)
    stage.start_producers(2)
    stage.until("end", 20)
    with RedisServer() as elsewhere, stage.server.client() as client:
        # A master that is not there: the data stays as it is, and nothing can be written.
        elsewhere.stop()
        client.config_set("replica-serve-stale-data", "yes")
        client.replicaof("127.0.0.1", elsewhere.port)
        readonly_at = monotonic()
        stage.until("error", 2, 12, since=readonly_at)
        stage.until("add", 1, 12, since=readonly_at, how="fail")
        client.replicaof("no", "one")
        elsewhere.start()
    assert stage.assert_recovered() < 3
    verdict = stage.finish(excused_starts=1)
    assert verdict.refused

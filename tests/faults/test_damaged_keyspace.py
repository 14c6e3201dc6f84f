"""F18, in part: an operator has damaged a key, so that a script fails in the middle."""

from __future__ import annotations

from tests.faults.stage import Stage


def test_worker_goes_on_when_the_damage_is_repaired(stage: Stage) -> None:
    (worker,) = stage.start_workers(concurrency=2)
    completed = f"bull:{stage.queue}:completed"
    with stage.server.client() as client:
        client.set(completed, "not a set")
        for number in range(4):
            stage.add(f"damaged-{number}")
        stage.until("error", 4, pid=worker.pid)
        client.delete(completed)
    stage.assert_recovered()
    assert worker.exit_code is None
    stage.stop_workers()

"""The script that stops a queue."""

from __future__ import annotations

from oxmq.ops import queues
from tests.scripts.bench import Bench


def test_a_paused_queue_is_marked_and_its_workers_sleep(bench: Bench) -> None:
    bench.add("a")
    bench.forget_events()
    before = bench.dump("meta", "marker")
    bench.run(queues.pause(bench.keys))
    assert bench.dump("meta", "marker", "events") == before
    assert bench.client.hget("bull:q:meta", "paused") == "1"
    assert not bench.client.exists("bull:q:marker")
    assert bench.events() == ["paused"]
    assert bench.run(queues.is_paused(bench.keys)) is True

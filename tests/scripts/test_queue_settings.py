"""The plain commands on a queue's settings."""

from __future__ import annotations

from oxmq.ops import queues
from tests.scripts.bench import Bench


def test_meta_fields_are_set_and_removed(bench: Bench) -> None:
    bench.run(queues.set_meta(bench.keys, {"max": 5, "duration": 1000}))
    assert bench.run(queues.get_meta(bench.keys)) == {"max": "5", "duration": "1000"}
    bench.run(queues.remove_meta(bench.keys, ["max", "duration"]))
    assert bench.run(queues.get_meta(bench.keys)) == {}


def test_a_queue_held_by_hand_is_limited_for_that_long(bench: Bench) -> None:
    bench.add("a")
    bench.run(queues.hold(bench.keys, 5_000))
    assert 4_000 < bench.take().limited_ms <= 5_000

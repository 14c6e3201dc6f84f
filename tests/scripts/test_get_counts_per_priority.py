"""The script that counts the ready jobs of each priority."""

from __future__ import annotations

from oxmq.ops import changes, queues
from tests.scripts.bench import Bench


def test_each_priority_is_counted_and_zero_is_all_that_wait(bench: Bench) -> None:
    bench.add("a", "b", "c")
    bench.add("d", "e", priority=1)
    bench.add("f", priority=2_097_151)
    bench.run(changes.change_priority(bench.keys, "e", 2, lifo=True))
    bench.client.lpush("bull:q:paused", "g")
    before = bench.dump()
    counts = bench.run(queues.get_counts_per_priority(bench.keys, [0, 1, 2, 3, 2_097_151]))
    assert counts == {0: 4, 1: 1, 2: 1, 3: 0, 2_097_151: 1}
    assert bench.dump() == before

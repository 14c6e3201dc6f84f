"""The script that counts the jobs in containers."""

from __future__ import annotations

from oxmq.ops import queues
from tests.scripts.bench import CONTAINERS, Bench, fill


def test_counts_of_all_containers(bench: Bench) -> None:
    fill(bench)
    before = bench.dump()
    counts = bench.run(queues.get_counts(bench.keys, CONTAINERS))
    assert counts == {container: at for at, container in enumerate(CONTAINERS, start=1)}
    assert bench.dump() == before


def test_counts_of_an_empty_queue(bench: Bench) -> None:
    assert bench.run(queues.get_counts(bench.keys, ["wait", "failed"])) == {"wait": 0, "failed": 0}

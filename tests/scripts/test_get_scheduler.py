"""The script that reads one scheduler."""

from __future__ import annotations

from oxmq import every
from oxmq.ops import schedulers
from tests.scripts.bench import NOW, Bench
from tests.scripts.schedulers import record_of, upsert


def test_a_scheduler_is_read_with_its_time(bench: Bench) -> None:
    upsert(bench, every(60, limit=3), data=[1], attempts=2)
    before = bench.dump()
    stored = bench.run(schedulers.get_record(bench.keys, "s"))
    assert stored is not None
    assert (stored.next_ms, stored.fields) == (NOW, record_of(bench))
    found = bench.run(schedulers.get(bench.keys, "s"))
    assert found is not None
    assert found.schedule == every(60, limit=3, offset=20)
    assert (found.data, found.options.attempts, found.iteration_count) == ([1], 2, 1)
    assert bench.dump() == before


def test_one_that_is_not_there_is_none(bench: Bench) -> None:
    upsert(bench, every(60), scheduler="other")
    assert bench.run(schedulers.get(bench.keys, "s")) is None
    assert bench.run(schedulers.get_record(bench.keys, "s")) is None

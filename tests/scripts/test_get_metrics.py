"""The script that reads how many jobs ended in each minute."""

from __future__ import annotations

from datetime import UTC, datetime

from oxmq.ops import metrics
from oxmq.ops.metrics import Metrics, MetricsMeta
from tests.scripts.bench import NOW, Bench


def test_a_page_of_the_minutes_with_the_totals(bench: Bench) -> None:
    bench.client.hset("bull:q:metrics:completed", mapping={"count": 9, "prevTS": NOW, "prevCount": 4})
    bench.client.rpush("bull:q:metrics:completed:data", 3, 2, 1)
    before = bench.dump()
    since = datetime.fromtimestamp(NOW / 1000, UTC)
    read = metrics.get_metrics(bench.keys, "completed", 1, -1)
    assert bench.run(read) == Metrics(MetricsMeta(9, since, 4), [2, 1], 3)
    assert bench.dump() == before


def test_no_metrics_are_zeros(bench: Bench) -> None:
    assert bench.run(metrics.get_metrics(bench.keys, "failed", 0, -1)) == Metrics(MetricsMeta(0, None, 0), [], 0)


def test_what_is_no_number_counts_as_nothing(bench: Bench) -> None:
    bench.client.hset("bull:q:metrics:completed", mapping={"count": "x", "prevTS": 10**30, "prevCount": "-4"})
    bench.client.rpush("bull:q:metrics:completed:data", 3, "\ufffd", 1)
    found = bench.run(metrics.get_metrics(bench.keys, "completed", 0, -1))
    assert found == Metrics(MetricsMeta(0, None, 0), [3, 0, 1], 3)

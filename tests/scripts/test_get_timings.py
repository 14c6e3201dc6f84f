"""The script that reads how long the last jobs took."""

from __future__ import annotations

from typing import Any

from oxmq.ops import running
from oxmq.ops.running import Timing
from tests.scripts.bench import NOW, Bench


def put(bench: Bench, job_id: str, finished: int, **fields: Any) -> None:
    """Put a job that has completed."""
    bench.client.hset(bench.keys.job(job_id), mapping={"name": "job", "timestamp": NOW, "opts": "{}", **fields})
    bench.client.zadd(bench.of("completed"), {job_id: finished})


def test_how_long_jobs_ran_and_had_waited_the_newest_first(bench: Bench) -> None:
    put(bench, "a", NOW + 300, processedOn=NOW + 100, finishedOn=NOW + 300, ats=1)
    put(bench, "b", NOW + 900, processedOn=NOW + 700, finishedOn=NOW + 900, ats=1, opts='{"delay":500}')
    before = bench.dump()
    assert bench.run(running.get_timings(bench.keys, "completed", 0, 10)) == [
        Timing(name="job", run_ms=200, wait_ms=200),
        Timing(name="job", run_ms=200, wait_ms=100),
    ]
    assert bench.dump() == before
    assert len(bench.run(running.get_timings(bench.keys, "completed", 1, 10))) == 1
    assert len(bench.run(running.get_timings(bench.keys, "completed", 0, 1))) == 1


def test_what_is_not_known(bench: Bench) -> None:
    put(bench, "again", NOW + 1, processedOn=NOW + 100, finishedOn=NOW + 150, ats=2)
    put(bench, "never", NOW + 2)
    put(bench, "broken", NOW + 3, processedOn="x", finishedOn="y", timestamp="z")
    bench.client.zadd(bench.of("completed"), {"gone": NOW + 4})
    assert bench.run(running.get_timings(bench.keys, "completed", 0, 10)) == [
        Timing(name="job", run_ms=None, wait_ms=None),
        Timing(name="job", run_ms=None, wait_ms=None),
        Timing(name="job", run_ms=50, wait_ms=None),
    ]


def test_no_jobs_or_a_broken_key(bench: Bench) -> None:
    assert bench.run(running.get_timings(bench.keys, "failed", 0, 10)) == []
    bench.client.set(bench.of("failed"), "x")
    assert bench.run(running.get_timings(bench.keys, "failed", 0, 10)) == []

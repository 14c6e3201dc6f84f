"""The script that reads which jobs run."""

from __future__ import annotations

from oxmq.ops import running
from oxmq.ops.lifecycle import TakeTerms
from oxmq.ops.running import RunningJob
from tests.scripts.bench import NOW, Bench


def test_the_jobs_that_run_and_by_whom(bench: Bench) -> None:
    bench.add("a", "b", "c")
    bench.take(2, terms=TakeTerms(lock_ms=60_000, worker_name="w1"))
    before = bench.dump()
    found = bench.run(running.get_running(bench.keys, 10))
    assert [(job.id, job.name, job.worker, job.since_ms) for job in found] == [
        ("a", "job", "w1", NOW),
        ("b", "job", "w1", NOW),
    ]
    assert all(0 < job.lock_ms <= 60_000 for job in found)
    assert bench.dump() == before


def test_a_job_without_a_lock_and_one_of_no_name(bench: Bench) -> None:
    bench.start("a", "b")
    bench.client.delete(f"{bench.keys.job('a')}:lock")
    bench.client.hdel(bench.keys.job("b"), "name")
    bench.client.hset(bench.keys.job("a"), "processedOn", "soon")
    expected = [RunningJob(id="a", name="job", worker="", since_ms=0, lock_ms=-2)]
    assert bench.run(running.get_running(bench.keys, 10)) == expected


def test_only_so_many_are_read_those_taken_first(bench: Bench) -> None:
    bench.start("a", "b", "c")
    assert [job.id for job in bench.run(running.get_running(bench.keys, 2))] == ["a", "b"]


def test_nothing_runs_or_the_key_is_broken(bench: Bench) -> None:
    assert bench.run(running.get_running(bench.keys, 2)) == []
    bench.client.set(bench.of("active"), "x")
    assert bench.run(running.get_running(bench.keys, 2)) == []

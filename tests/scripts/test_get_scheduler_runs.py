"""The script that finds the newest jobs of a scheduler that were started."""

from __future__ import annotations

from datetime import UTC, datetime

from oxmq import every
from oxmq.ops import schedulers
from oxmq.ops.schedulers import SchedulerRun
from tests.scripts.bench import NOW, Bench, plain_hash
from tests.scripts.schedulers import job_at, step, upsert

MINUTE = 60_000


def runs(bench: Bench, limit: int = 10, scheduler: str = "s") -> list[SchedulerRun]:
    return bench.run(schedulers.get_last_runs(bench.keys, scheduler, limit))


def when(ms: int) -> datetime:
    return datetime.fromtimestamp((NOW + ms) / 1000, UTC)


def test_runs_of_every_state_are_found_the_newest_first(bench: Bench) -> None:
    upsert(bench, every(60))
    for number in range(3):
        step(bench, NOW + number * MINUTE)
    assert bench.codes(bench.complete(job_at(0)), now=NOW + 5) == [0]
    assert bench.codes(bench.fail(job_at(MINUTE)), now=NOW + MINUTE + 7) == [0]
    assert runs(bench) == [
        SchedulerRun(job_at(2 * MINUTE), "active", when(2 * MINUTE), None),
        SchedulerRun(job_at(MINUTE), "failed", when(MINUTE), when(MINUTE + 7)),
        SchedulerRun(job_at(0), "completed", when(0), when(5)),
    ]
    assert [run.job_id for run in runs(bench, 1)] == [job_at(2 * MINUTE)]


def test_jobs_of_others_are_not_its_own(bench: Bench) -> None:
    for job_id in ("repeat:s:x", "repeat:s2:5", "repeat:s", "repeat:s:", "repeat:s:1:2", "job"):
        bench.client.zadd(bench.of("completed"), {job_id: NOW})
        bench.client.hset(bench.keys.job(job_id), mapping=plain_hash(processedOn=NOW))
    assert runs(bench) == []
    assert [run.job_id for run in runs(bench, scheduler="s2")] == ["repeat:s2:5"]


def test_times_that_cannot_be_read_are_left_out(bench: Bench) -> None:
    bench.client.zadd(bench.of("failed"), {job_at(0): NOW, job_at(1): NOW})
    bench.client.hset(bench.keys.job(job_at(0)), mapping=plain_hash(processedOn="soon", finishedOn="1e300"))
    assert runs(bench) == [SchedulerRun(job_at(1), "failed", None, None), SchedulerRun(job_at(0), "failed", None, None)]


def test_only_the_newest_are_searched(bench: Bench) -> None:
    bench.client.zadd(bench.of("completed"), {job_at(0): NOW} | {f"job-{number}": NOW + 1 for number in range(1_000)})
    assert runs(bench) == []

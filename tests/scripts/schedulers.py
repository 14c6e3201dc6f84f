"""What the tests of the schedulers' scripts do: make a scheduler, take its jobs, and look at it."""

from __future__ import annotations

import json
from typing import Any

from msgspec import UNSET

from oxmq import JobOptions, Schedule
from oxmq.ops import iterations, schedulers
from oxmq.ops.iterations import Verdict
from oxmq.options import NO_OPTIONS
from oxmq.records import JobRecord
from tests.scripts.bench import NOW, Bench


def upsert(
    bench: Bench,
    schedule: Schedule,
    *,
    now: int = NOW,
    scheduler: str = "s",
    data: object = UNSET,
    declared: bool = False,
    **options: Any,
) -> JobRecord | None:
    """Make or change a scheduler; return its next job."""
    template = schedulers.template("job", data, JobOptions(**options) if options else NO_OPTIONS, NO_OPTIONS)
    fields = schedulers.definition(schedule, template, declared=declared)
    return bench.run(schedulers.upsert(bench.keys, scheduler, now, schedule, template, fields))


def take_current(bench: Bench, now: int = NOW, token: str = "t") -> JobRecord:
    """Take the one job that is ready."""
    (record,) = bench.take(now=now, token=token).jobs
    return record


def advance(bench: Bench, record: JobRecord, now: int = NOW) -> Verdict:
    """Make the job that follows."""
    return bench.run(iterations.advance(bench.keys, record, now))


def step(bench: Bench, now: int = NOW, token: str = "t") -> Verdict:
    """Take the one job that is ready and make the one that follows."""
    return advance(bench, take_current(bench, now, token), now)


def due(bench: Bench, scheduler: str = "s") -> int | None:
    """Return when the scheduler's job is due, counted from the tests' now."""
    score = bench.client.zscore(bench.of("repeat"), scheduler)
    return None if score is None else int(score) - NOW


def record_of(bench: Bench, scheduler: str = "s") -> dict[str, str]:
    """Return a scheduler's record."""
    found: dict[str, str] = bench.client.hgetall(bench.of(f"repeat:{scheduler}"))
    return found


def job_at(after: int, scheduler: str = "s") -> str:
    """Return the id of a scheduler's job that is due so many milliseconds after the tests' now."""
    return f"repeat:{scheduler}:{NOW + after}"


def opts_of(bench: Bench, job_id: str) -> dict[str, Any]:
    """Return a job's options as they are stored."""
    stored: dict[str, Any] = json.loads(bench.hash(job_id)["opts"])
    return stored


def jobs_of(bench: Bench, scheduler: str = "s") -> set[str]:
    """Return the ids of all jobs that a scheduler has."""
    prefix = bench.of(f"repeat:{scheduler}:")
    keys: list[str] = bench.client.keys(f"{prefix}*")
    return {key.removeprefix(bench.keys.base) for key in keys if not key.endswith(":lock")}

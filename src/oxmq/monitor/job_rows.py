"""Show a job as one row of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oxmq.codec import read_options
from oxmq.monitor.job_refs import JobRef, read_ref
from oxmq.monitor.moments import moment, seconds_between
from oxmq.monitor.payloads import preview, read_payload, shown_text
from oxmq.monitor.site import Site
from oxmq.ops.lookups import get_due_times
from oxmq.records import JobRecord
from oxmq.states import JobState

#: How much is shown of names and of reasons, in characters, and of progress values, in bytes.
MAX_NAME, _MAX_REASON, _MAX_PROGRESS = 1024, 300, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """Hold what a list shows of a job. Instants are in UTC, lengths of time in seconds.

    Attributes:
        state: as of `oxmq.states.JobState`.
        attempts_made: how many attempts have ended.
        attempts_allowed: how many it may have in all.
        priority: 1 is the most urgent, but 0, the default, comes before all.
        progress: what its worker reported last; null for nothing.
        delay: the delay last asked for; 0 once it has passed.
        due_at: when it becomes due, of a delayed job.
        started_at: when its latest run started.
        run_time: how long its latest run took, when it has ended.
        wait_time: how long it waited from being due to its start, when it was started once.
        failed_reason: why its latest attempt failed, the first 300 characters.
        worker: the name of the worker of its latest run.
        data_preview: the beginning of its data, at most 200 characters.
        scheduler: the schedule that made it.
        parent: the job that waits for it.
    """

    id: str
    name: str
    state: str
    queue: str
    attempts_made: int
    attempts_allowed: int
    priority: int
    progress: Any  # whatever its worker reported
    added_at: datetime | None
    delay: float
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    run_time: float | None
    wait_time: float | None
    failed_reason: str | None
    worker: str | None
    data_preview: str
    scheduler: str | None
    parent: JobRef | None


def job_row(site: Site, queue: str, record: JobRecord, state: str, due_ms: int | None = None) -> JobRow:
    """Return the row of a job that was found in a state."""
    return JobRow(**row_fields(site, queue, record, state, due_ms))


def row_fields(site: Site, queue: str, record: JobRecord, state: str, due_ms: int | None) -> dict[str, Any]:
    """Return the fields of a row: others show them, too."""
    finished = record.finished_on if state in (JobState.COMPLETED, JobState.FAILED) else None
    return {
        "id": shown_text(record.id, len(record.id)),
        "name": shown_text(record.name, MAX_NAME),
        "state": state,
        "queue": queue,
        "attempts_made": record.attempts_made,
        "attempts_allowed": attempts_allowed(record),
        "priority": record.priority,
        "progress": read_payload(record.progress, site.redact, _MAX_PROGRESS).value,
        "added_at": moment(record.timestamp),
        "delay": record.delay / 1000,
        "due_at": moment(due_ms),
        "started_at": moment(record.processed_on),
        "finished_at": moment(finished),
        "run_time": seconds_between(record.processed_on, finished),
        "wait_time": _wait_time(record),
        "failed_reason": None if record.failed_reason is None else shown_text(record.failed_reason, _MAX_REASON),
        "worker": None if record.processed_by is None else shown_text(record.processed_by, MAX_NAME),
        "data_preview": preview(record.data, site.redact),
        "scheduler": None if record.scheduler_id is None else shown_text(record.scheduler_id, MAX_NAME),
        "parent": read_ref(record.parent_key, site.prefix),
    }


async def job_rows(site: Site, queue: str, records: Sequence[JobRecord], state: str) -> list[JobRow]:
    """Return the rows of jobs that were found in one state."""
    due: list[int | None] = [None] * len(records)
    if records and state == JobState.DELAYED:
        due = await site.runner.run(get_due_times(site.keys(queue), [record.id for record in records]))
    return [job_row(site, queue, record, state, due_ms) for record, due_ms in zip(records, due, strict=True)]


def attempts_allowed(record: JobRecord) -> int:
    """Return how often a job may be tried in all."""
    try:
        return max(1, int(read_options(record.opts).attempts))
    except (ValueError, OverflowError, RecursionError):
        return 1


def original_delay_ms(record: JobRecord) -> int:
    """Return for how long the job was to wait at first, in milliseconds."""
    try:
        delay = read_options(record.opts).delay
        return max(0, int(delay)) if isinstance(delay, int | float) else 0
    except (ValueError, OverflowError, RecursionError):
        return 0


def _wait_time(record: JobRecord) -> float | None:
    if record.attempts_started > 1:  # the start of the first run is not kept
        return None
    return seconds_between(record.timestamp + original_delay_ms(record), record.processed_on)

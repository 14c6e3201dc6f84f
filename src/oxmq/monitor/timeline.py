"""Tell what happened to a job, one thing after the other, as far as its hash keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from oxmq.monitor.job_rows import original_delay_ms
from oxmq.monitor.moments import moment, seconds_between
from oxmq.monitor.payloads import shown_text
from oxmq.ops.lookups import Found
from oxmq.records import JobRecord
from oxmq.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """Hold one thing that happened to a job, or will.

    Attributes:
        state: the state that the job came to.
        at: when; null when that is not kept.
        text: what happened, in words.
        duration: for how many seconds the job was in that state; null when it still is, or when that is not known.
    """

    state: str
    at: datetime | None
    text: str
    duration: float | None


@dataclass(slots=True)
class _Step:
    state: str
    at_ms: int | None
    text: str


def timeline_of(found: Found, now_ms: int) -> list[TimelineEntry]:
    """Return what happened to a job, in order."""
    steps = [*_beginning(found, now_ms), *_runs(found), *_present(found, now_ms)]
    return [
        TimelineEntry(
            state=step.state,
            at=moment(step.at_ms),
            text=step.text,
            duration=seconds_between(step.at_ms, following.at_ms) if following else None,
        )
        for step, following in zip(steps, [*steps[1:], None], strict=True)
    ]


def _beginning(found: Found, now_ms: int) -> list[_Step]:
    record = found.record
    delay_ms = original_delay_ms(record)
    by = f" by the schedule {record.scheduler_id!r}" if record.scheduler_id else ""
    ready = JobState.PRIORITIZED if record.priority else JobState.WAITING
    children = found.processed + found.unprocessed + found.failed + found.ignored
    if children:
        return [_Step(JobState.WAITING_CHILDREN, record.timestamp, f"Added{by}, with {_number(children, 'child')}")]
    if not delay_ms:
        return [_Step(ready, record.timestamp, f"Added{by}")]
    added = _Step(JobState.DELAYED, record.timestamp, f"Added{by}, to run later")
    due_ms = record.timestamp + delay_ms
    has_run = record.attempts_started or record.processed_on is not None
    if found.state == JobState.DELAYED and not has_run:
        return [added]
    # A job that was promoted ran before it was due.
    was_due = due_ms <= (record.processed_on or now_ms)
    return [added, _Step(ready, due_ms, "Became due")] if was_due else [added]


def _runs(found: Found) -> list[_Step]:
    record = found.record
    steps: list[_Step] = []
    earlier = record.attempts_started - 1
    if earlier > 0:
        steps.append(_Step(JobState.ACTIVE, None, f"Ran {_times(earlier)} before{_because(record)}"))
    if record.processed_on is not None:
        by = f" by worker {shown_text(record.processed_by, 200)!r}" if record.processed_by else ""
        number = f"Run {record.attempts_started} was started" if record.attempts_started > 1 else "Was started"
        steps.append(_Step(JobState.ACTIVE, record.processed_on, number + by))
    return steps


def _present(found: Found, now_ms: int) -> list[_Step]:
    record = found.record
    if found.state == JobState.COMPLETED:
        return [_Step(found.state, record.finished_on, "Completed")]
    if found.state == JobState.FAILED:
        return [_Step(found.state, record.finished_on, f"Failed{_attempt(record)}")]
    if found.state == JobState.DELAYED:
        return _delayed(found, now_ms)
    if record.processed_on is not None and found.state != JobState.ACTIVE:
        return [_Step(found.state, None, _BACK.get(found.state, "Is in no state: no worker finds it"))]
    if found.state == JobState.UNKNOWN:
        return [_Step(found.state, None, "Is in no state: no worker finds it")]
    return []


_BACK: dict[str, str] = {
    JobState.WAITING: "Went back to the jobs that wait",
    JobState.PRIORITIZED: "Went back to the jobs that wait",
    JobState.WAITING_CHILDREN: "Waits for its children",
}


def _delayed(found: Found, now_ms: int) -> list[_Step]:
    record, due_ms = found.record, found.due_ms
    text = "Will be due" if due_ms is not None and due_ms > now_ms else "Is due"
    if record.attempts_made:
        text = f"{text} to be tried again{_attempt(record)}"
    return [_Step(found.state, due_ms, text)]


def _because(record: JobRecord) -> str:
    made = record.attempts_made - (1 if record.finished_on is not None else 0)
    return f", and failed {_times(made)}" if made > 0 and record.failed_reason is not None else ""


def _attempt(record: JobRecord) -> str:
    return f" after {_number(record.attempts_made, 'attempt')}" if record.attempts_made else ""


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _number(count: int, noun: str) -> str:
    plural = {"child": "children"}.get(noun, f"{noun}s")
    return f"{count} {noun if count == 1 else plural}"

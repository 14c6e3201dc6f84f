"""Say what job schedulers do: each has one job that is to come, made when the one before it is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.model.draft import Draft, place, store
from tests.model.queue import Queue, Refused
from tests.model.removal import drop

#: The only pattern that the model knows: every full minute.
MINUTELY = "* * * * *"
MINUTE = 60_000
#: How far ahead a free time is looked for.
STEPS = 32
OFFERED = 8


@dataclass(frozen=True)
class Plan:
    """Hold when a scheduler's jobs are due, and what they are; a pattern where there is no interval."""

    every: int | None
    offset: int | None = None
    limit: int | None = None
    start: int | None = None
    end: int | None = None
    missed: str = "one"
    overlap: str = "allow"
    priority: int = 0
    next_up: bool = False
    data: str = "{}"
    opts: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def repeat(self) -> dict[str, Any]:
        """Return the plan as a job's options have it."""
        times = {"every": self.every} if self.every else {"pattern": MINUTELY, "tz": "UTC"}
        bounds = {"limit": self.limit, "startDate": self.start, "endDate": self.end}
        return times | {name: value for name, value in bounds.items() if value is not None}

    @property
    def record(self) -> dict[str, str]:
        """Return the plan as a scheduler's record has it."""
        fields = {name: str(value) for name, value in self.repeat.items()}
        fields |= {"missed": self.missed} if self.missed != "one" else {}
        fields |= {"overlap": self.overlap} if self.overlap != "allow" else {}
        fields |= {"data": self.data} if self.data != "{}" else {}
        return fields | ({"opts": json.dumps(self.opts, separators=(",", ":"))} if self.opts else {})


def run_id(scheduler: str, due: int) -> str:
    return f"repeat:{scheduler}:{due}"


def minutes_after(moment: int, end: int | None) -> list[int]:
    first = (moment // MINUTE + 1) * MINUTE
    times = [first + step * MINUTE for step in range(OFFERED)]
    return [time for time in times if end is None or time <= end]


def next_on_phase(every: int, offset: int, now: int) -> int:
    """Return the first time after now that is a multiple of the interval plus the offset."""
    due = now // every * every + offset % every
    return due if due > now else due + every


def last_due(queue: Queue, scheduler: str) -> int | None:
    """Return when a scheduler's last job is or was due; the time of a paused one is put off by a millisecond."""
    score = queue.schedule.get(scheduler)
    return score if score is None else score - ("paused" in queue.records[scheduler])


def upsert(queue: Queue, scheduler: str, now: int, plan: Plan) -> str | None:
    """Make or change a scheduler and make its job, in the place of the one that waits; None when no time is left.

    A paused one makes none, and stays paused.
    """
    current, old = last_due(queue, scheduler), queue.records.get(scheduler, {})
    waiting = current if current is not None and _is_waiting(queue, run_id(scheduler, current)) else None
    due = _first_due(queue, scheduler, now, plan, waiting)
    if due is None:
        return None
    if waiting is not None:
        queue.take_out(run_id(scheduler, waiting))
        drop(queue, run_id(scheduler, waiting))
    past = {name: old[name] for name in ("ic", "ran") if name in old}
    offset = str(plan.offset if plan.offset is not None else due % plan.every if plan.every else 0)
    is_paused = "paused" in old
    keeps_time = is_paused and old.get("every") == (str(plan.every) if plan.every else None)
    if plan.offset is None and (waiting is not None or keeps_time):
        offset = old["offset"]
    if is_paused and waiting is not None:
        past["ic"] = str(int(past["ic"]) - 1)
    queue.records[scheduler] = {"name": "job", "ic": "1", "offset": offset} | past | plan.record
    if is_paused and current is not None:
        _hold(queue, scheduler, current if plan.every and keeps_time else due, 1)
        return None
    options = plan.opts | {
        "repeat": plan.repeat | ({} if plan.offset is None else {"offset": plan.offset}) | {"count": 1}
    }
    return _make(queue, scheduler, now, due, "job", plan.data, options, plan.priority, next_up=plan.next_up)


def _is_waiting(queue: Queue, job_id: str) -> bool:
    """Tell whether a job can be withdrawn. In a paused queue one without delay or priority cannot, as in BullMQ."""
    job = queue.jobs.get(job_id)
    in_line = job_id in queue.wait and "paused" not in queue.meta
    is_there = in_line or job_id in queue.delayed or job_id in queue.prioritized
    return bool(job and is_there and not job.lock and "finishedOn" not in job.fields)


def _first_due(queue: Queue, scheduler: str, now: int, plan: Plan, waiting: int | None) -> int | None:
    if not plan.every:
        base = max(now, plan.start or 0)
        times = minutes_after(base, plan.end)
        for due in times if waiting is not None else times[:1]:
            if due == waiting or run_id(scheduler, due) not in queue.jobs:
                return due
        if times:
            raise Refused(-10)
        return None
    due = _first_of_interval(queue, scheduler, now, plan, plan.every, waiting)
    if plan.end and due > plan.end:
        return None
    if due == waiting:
        return due
    found, is_full = _free_time(queue, scheduler, due, plan.every, plan.end)
    if is_full:
        raise Refused(-11)
    return found


def _first_of_interval(queue: Queue, scheduler: str, now: int, plan: Plan, every: int, waiting: int | None) -> int:
    current = last_due(queue, scheduler)
    if current is not None and queue.records[scheduler].get("every") == str(every):
        if waiting is not None:
            return waiting
        due = current + every
        return next_on_phase(every, plan.offset or 0, now) if due < now else due
    if plan.start:
        return max(plan.start, now)
    return next_on_phase(every, plan.offset, now) if plan.offset else now


def _free_time(queue: Queue, scheduler: str, due: int, every: int, end: int | None) -> tuple[int | None, bool]:
    """Return the first time from `due` on of which there is no job, if the end is not before; or that all are taken."""
    for time in range(due, due + STEPS * every + 1, every):
        if end and time > end:
            return None, False
        if run_id(scheduler, time) not in queue.jobs:
            return time, False
    return None, True


def _make(
    queue: Queue, scheduler: str, now: int, due: int, name: str, data: str, opts: dict[str, Any], priority: int, *,
    next_up: bool,
) -> str:  # fmt: skip
    job_id, delay = run_id(scheduler, due), max(0, due - now)
    opts = opts | {"repeatJobKey": scheduler, "timestamp": now, "delay": delay, "jobId": job_id}
    opts |= {"prevMillis": due} if "pattern" in opts["repeat"] else {}
    queue.schedule[scheduler] = due
    queue.counter += 1
    draft = Draft(job_id, name, data, json.dumps(opts, sort_keys=True), now, delay, priority, next_up)
    store(queue, draft, rjk=scheduler)
    place(queue, draft)
    return job_id


def advance(queue: Queue, job_id: str, now: int) -> tuple[str | None, str | None]:
    """Make the job that follows one that was taken; return its id, and why the one that was taken is not to run."""
    job = queue.jobs[job_id]
    scheduler, options = job.fields["rjk"], json.loads(job.fields["opts"])
    current, record = queue.schedule.get(scheduler), queue.records.get(scheduler, {})
    if current is None:
        return None, None
    if "paused" in record or job_id != run_id(scheduler, current):
        return None, job.fields.get("skip") if "atm" not in job.fields else None
    every = int(record["every"]) if "every" in record else options["repeat"].get("every")
    end = int(record["endDate"]) if "endDate" in record else None
    skipped = _why_not(queue, record, _successor(current, every, end), now)
    if skipped:
        job.set(skip=skipped)
    elif record.get("overlap") == "skip":
        record["ran"] = job_id
    count = options["repeat"].get("count", 0) + 1
    due = None
    if count <= options["repeat"].get("limit", count):
        due = _next_due(queue, scheduler, current, now, every, end, options["repeat"].get("startDate", 0))
    if due is None:
        return None, skipped
    record["ic"] = str(int(record["ic"]) + 1)
    own = ("delay", "jobId", "timestamp", "prevMillis", "repeat", "repeatJobKey")
    kept = {"attempts": 0} | {name: value for name, value in options.items() if name not in own}
    opts = kept | {"repeat": options["repeat"] | {"count": count}}
    priority, next_up = options.get("priority", 0), options.get("lifo", False)
    data = record.get("data", "{}")
    return _make(queue, scheduler, now, due, record["name"], data, opts, priority, next_up=next_up), skipped


def _successor(current: int, every: int | None, end: int | None) -> int | None:
    return current + every if every else next(iter(minutes_after(current, end)), None)


def _why_not(queue: Queue, record: dict[str, str], successor: int | None, now: int) -> str | None:
    if record.get("missed") == "skip" and successor and successor <= now:
        return "missed"
    earlier = queue.jobs.get(record.get("ran", ""))
    if record.get("overlap") == "skip" and earlier and "finishedOn" not in earlier.fields:
        return "overlap"
    return None


def _next_due(
    queue: Queue, scheduler: str, current: int, now: int, every: int | None, end: int | None, start: int
) -> int | None:
    record = queue.records[scheduler]
    one_by_one = record.get("missed") == "all"
    if every:
        due = current + every
        if due < now and not one_by_one:
            due = next_on_phase(every, int(record["offset"]), now)
        found, is_full = _free_time(queue, scheduler, due, every, end)
        if is_full:
            queue.tell("duplicated", jobId=run_id(scheduler, due))
        return found
    times = minutes_after(max(now, current, start), end)
    offered = ([*minutes_after(current, end)[:1]] if one_by_one else []) + times
    free = [time for time in offered if run_id(scheduler, time) not in queue.jobs]
    if not free and times:
        queue.tell("duplicated", jobId=run_id(scheduler, times[0]))
    return free[0] if free else None


def _hold(queue: Queue, scheduler: str, due: int, count: int) -> None:
    queue.schedule[scheduler] = due + 1
    queue.records[scheduler] |= {"paused": "1", "count": str(count)}


def pause(queue: Queue, scheduler: str) -> bool:
    """Have a scheduler make no jobs, and remove its next one while that is delayed and was not started."""
    if scheduler not in queue.schedule:
        raise Refused(-12)
    record = queue.records[scheduler]
    if "paused" in record:
        return False
    due, made = queue.schedule[scheduler], int(record["ic"])
    job_id = run_id(scheduler, due)
    job = queue.jobs.get(job_id)
    count = json.loads(job.fields["opts"])["repeat"]["count"] if job else made
    if job and job_id in queue.delayed and "ats" not in job.fields:
        queue.take_out(job_id)
        drop(queue, job_id)
        queue.tell("removed", jobId=job_id, prev="delayed")
        record["ic"] = str(made - 1)
    else:
        count += 1
    _hold(queue, scheduler, due, count)
    return True


def resume(queue: Queue, scheduler: str, now: int) -> bool:
    """Have a paused scheduler make jobs again, from its first time that is yet to come."""
    if scheduler not in queue.schedule:
        raise Refused(-12)
    record = queue.records[scheduler]
    if "paused" not in record:
        return False
    due, count = queue.schedule[scheduler] - 1, int(record["count"])
    job = queue.jobs.get(run_id(scheduler, due))
    is_ready = job is not None and "ats" not in job.fields and "finishedOn" not in job.fields
    is_over = count > int(record.get("limit", count))
    following = None if is_ready or is_over else _following(queue, scheduler, now, due)
    del record["paused"], record["count"]
    queue.schedule[scheduler] = due
    if following is None:
        return True
    record["ic"] = str(int(record["ic"]) + 1)
    every, opts = record.get("every"), json.loads(record.get("opts", "{}"))
    repeat: dict[str, Any] = {"every": int(every), "offset": int(record["offset"])} if every else {
        "pattern": MINUTELY, "tz": "UTC"
    }  # fmt: skip
    repeat |= {name: int(record[name]) for name in ("limit", "startDate", "endDate") if name in record}
    options = {"attempts": 0} | opts | {"repeat": repeat | {"count": count}}
    priority, next_up = opts.get("priority", 0), opts.get("lifo", False)
    data = record.get("data", "{}")
    _make(queue, scheduler, now, following, record["name"], data, options, priority, next_up=next_up)
    return True


def _following(queue: Queue, scheduler: str, now: int, due: int) -> int | None:
    record = queue.records[scheduler]
    end = int(record["endDate"]) if "endDate" in record else None
    if "every" in record:
        every = int(record["every"])
        first = due if due > now else next_on_phase(every, int(record["offset"]), now)
        found, is_full = _free_time(queue, scheduler, first, every, end)
        if is_full:
            raise Refused(-11)
        return found
    times = minutes_after(max(now, int(record.get("startDate", 0))), end)
    free = [time for time in times if run_id(scheduler, time) not in queue.jobs]
    if times and not free:
        raise Refused(-10)
    return free[0] if free else None


def remove(queue: Queue, scheduler: str) -> bool:
    """Remove a scheduler, and its next job while that is delayed."""
    if scheduler not in queue.schedule:
        return False
    job_id = run_id(scheduler, queue.schedule.pop(scheduler))
    del queue.records[scheduler]
    if job_id in queue.delayed:
        del queue.delayed[job_id], queue.jobs[job_id]
        queue.tell("removed", jobId=job_id, prev="delayed")
    return True

"""Describe the operations on job schedulers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from oxmq.codec import MAX_VALUE_BYTES, encode_json, instant, read_options, wire_options
from oxmq.errors import ConfigurationError, job_error
from oxmq.keys import QueueKeys, check_job_name
from oxmq.ops.call import Call, Reply, Word, command, number, run_script, text
from oxmq.ops.iterations import Members, job_words, optional, own_options, read_members
from oxmq.ops.jobs import NewJob
from oxmq.options import JobOptions
from oxmq.records import JobRecord
from oxmq.schedules import JobScheduler, Schedule, read_schedule, read_scheduler

#: Options that make no sense for jobs that a scheduler makes: it gives them these itself, or they have one parent.
NOT_FOR_TEMPLATES = ("job_id", "delay", "timestamp", "deduplication", "parent")

#: What the record holds of a scheduler's past and state rather than of its definition.
_PAST = ("ic", "offset", "ran", "paused", "count")
#: What `resume` answers when the scheduler was changed since its record was read.
CHANGED: Final = 2
#: The last moment that a date can hold, in milliseconds since the epoch.
_LAST_DATE: Final = 253_402_300_799_000
#: How many of the newest jobs of each state are searched for those of one scheduler.
_SEARCHED = 1_000


class Template(Struct, frozen=True):
    """Hold what the jobs of a scheduler have in common, in the wire's encoding.

    Attributes:
        name: their name.
        data: their payload.
        opts: their options, each by its name on the wire.
        priority: their priority.
        next_up: whether they run before the jobs that are waiting.
    """

    name: str
    data: bytes
    opts: Members
    priority: int = 0
    next_up: bool = False


class Stored(Struct, frozen=True):
    """Hold a scheduler's record as it is stored."""

    next_ms: int
    fields: dict[str, str]

    @property
    def is_legacy(self) -> bool:
        """Tell whether BullMQ made it with an interface that version 6 has dropped."""
        return "ic" not in self.fields


def template(name: str, data: object, options: JobOptions, defaults: JobOptions) -> Template:
    """Return the template of a scheduler's jobs.

    Raises:
        ConfigurationError: the name, the data or an option is not acceptable.
    """
    check_job_name(name)
    for field in NOT_FOR_TEMPLATES:
        if getattr(options, field) is not UNSET:
            raise ConfigurationError(f"{field} cannot be given for the jobs of a scheduler")
    merged = options.over(msgspec.structs.replace(defaults, **dict.fromkeys(NOT_FOR_TEMPLATES, UNSET)))
    members = read_members(encode_json(wire_options(merged), "options"))
    if merged.attempts is UNSET:
        del members["attempts"]
    limit = MAX_VALUE_BYTES if isinstance(merged.size_limit, UnsetType) else merged.size_limit
    return Template(
        name=name,
        data=encode_json({} if data is UNSET else data, f"data of scheduler's job {name!r}", limit),
        opts=members,
        priority=0 if isinstance(merged.priority, UnsetType) else merged.priority,
        next_up=merged.lifo is True,
    )


def definition(schedule: Schedule, template: Template, *, declared: bool) -> dict[str, Word]:
    """Return the fields of a scheduler's record that define it."""
    fields: dict[str, Word] = {"name": template.name, **schedule.stored_fields()}
    if template.data != b"{}":
        fields["data"] = template.data
    if template.opts:
        fields["opts"] = msgspec.json.encode(template.opts)
    if declared:
        fields["declared"] = "1"
    return fields


def is_defined_so(stored: Stored, schedule: Schedule, wanted: Mapping[str, Word]) -> bool:
    """Tell whether a scheduler's record already says what is wanted."""
    if schedule.offset_ms is not None and stored.fields.get("offset") != str(schedule.offset_ms):
        return False
    defining = {name: value for name, value in stored.fields.items() if name not in _PAST}
    return defining == {name: text(value) for name, value in wanted.items()}


class SchedulerRun(Struct, frozen=True):
    """Hold one run of a scheduler's job.

    Attributes:
        job_id: the job.
        state: ``"active"``, ``"completed"`` or ``"failed"``.
        started: when it last started; None when that is not recorded.
        finished: when it ended; None while it runs.
    """

    job_id: str
    state: str
    started: datetime | None
    finished: datetime | None


def upsert(
    keys: QueueKeys,
    scheduler_id: str,
    now_ms: int,
    schedule: Schedule,
    template: Template,
    fields: Mapping[str, Word],
) -> Call[JobRecord | None]:
    """Make or change a scheduler; the result is its next job.

    It is None when no time is left, and then nothing changes; and when the scheduler is paused, which it stays.
    """

    def decode(reply: Reply) -> JobRecord | None:
        if isinstance(reply, int):
            raise job_error(reply, job_id=scheduler_id, queue=keys.name, operation="upsert_job_scheduler")
        if reply is None:
            return None
        job_id, delay, opts = reply
        return JobRecord(
            id=text(job_id),
            name=template.name,
            data=template.data,
            opts=opts,
            timestamp=now_ms,
            delay=number(delay),
            priority=template.priority,
            scheduler_id=scheduler_id,
        )

    times = schedule.times_after(now_ms)
    repeat = msgspec.json.encode({**schedule.repeat_options(), "count": 1})
    words = (
        *job_words(scheduler_id, now_ms, template.opts, repeat, template.priority, template.next_up),
        template.name,
        template.data,
        optional(schedule.every_ms),
        *_bounds(schedule),
        optional(schedule.offset_ms),
        len(times),
        *times,
        *chain.from_iterable((name, value) for name, value in fields.items() if name != "name"),
    )
    return run_script("upsert_scheduler", keys.base, *words, decode=decode)


def remove(keys: QueueKeys, scheduler_id: str) -> Call[bool]:
    """Remove a scheduler, and its next job while that is delayed; the result says whether there was one."""
    return run_script("remove_scheduler", keys.base, scheduler_id, decode=bool)


def pause(keys: QueueKeys, scheduler_id: str) -> Call[bool]:
    """Have a scheduler make no jobs; the result says whether it was not paused already.

    Raises:
        SchedulerNotFoundError: there is no such scheduler.
        JobStateError: it is one of BullMQ's older kind.
    """
    decode = _changed(keys, scheduler_id, "pause")
    return run_script("pause_scheduler", keys.base, scheduler_id, decode=lambda reply: decode(reply) == 1)


def resume(keys: QueueKeys, scheduler_id: str, now_ms: int, stored: Stored) -> Call[int]:
    """Have a paused scheduler make jobs again; the result is 1, 0 when it was not paused, or `CHANGED`.

    Args:
        stored: its record, read just before.

    Raises:
        SchedulerNotFoundError: there is no such scheduler.
        SchedulerSlotError: jobs of its next times exist.
        ConfigurationError: its pattern or time zone cannot be read here.
    """
    fields = stored.fields
    schedule = read_schedule(fields) or Schedule()
    opts = own_options(fields.get("opts", "{}").encode())
    options = read_options(msgspec.json.encode(opts))
    counted = fields.get("count", "")
    number_of_next = int(counted) if counted.isdecimal() else 1
    times = schedule.times_after(now_ms)
    words = (
        *job_words(
            scheduler_id,
            now_ms,
            opts,
            msgspec.json.encode({**schedule.repeat_options(), "count": number_of_next}),
            0 if isinstance(options.priority, UnsetType) else int(options.priority),
            options.lifo is True,
        ),
        "1" if schedule.limit is None or number_of_next <= schedule.limit else "",
        len(times),
        *times,
        *chain.from_iterable(fields.items()),
    )
    return run_script("resume_scheduler", keys.base, *words, decode=_changed(keys, scheduler_id, "resume"))


def manual_run(scheduler_id: str, stored: Stored, job_id: str, now_ms: int) -> NewJob:
    """Return a plain job such as the scheduler makes, to be run at once. The scheduler does not know of it."""
    fields = stored.fields
    members = own_options(fields.get("opts", "{}").encode())
    for member in ("de", "parent"):
        members.pop(member, None)
    opts = msgspec.json.encode(members)
    options = read_options(opts)
    return NewJob(
        id=job_id,
        name=fields.get("name", scheduler_id),
        data=fields.get("data", "{}").encode(),
        opts=opts,
        timestamp=now_ms,
        priority=0 if isinstance(options.priority, UnsetType) else int(options.priority),
        next_up=options.lifo is True,
    )


def get_last_runs(keys: QueueKeys, scheduler_id: str, limit: int) -> Call[list[SchedulerRun]]:
    """Find up to `limit` of a scheduler's jobs that were started, the newest first.

    They are looked for among the newest 1,000 jobs of each state.
    """

    def decode(reply: Reply) -> list[SchedulerRun]:
        runs = [SchedulerRun(text(job_id), text(state), _time(on), _time(end)) for job_id, state, on, end in reply]
        return sorted(runs, key=_order, reverse=True)[:limit]

    return run_script("get_scheduler_runs", keys.base, scheduler_id, limit, _SEARCHED, decode=decode)


def count(keys: QueueKeys) -> Call[int]:
    return command("ZCARD", keys.of("repeat"), decode=number)


def get_record(keys: QueueKeys, scheduler_id: str) -> Call[Stored | None]:
    """Read a scheduler's record as it is stored; None when there is no such scheduler."""
    return run_script("get_scheduler", keys.base, scheduler_id, decode=_stored)


def get(keys: QueueKeys, scheduler_id: str) -> Call[JobScheduler | None]:
    """Read a scheduler; None when there is none of that id."""

    def decode(reply: Reply) -> JobScheduler | None:
        stored = _stored(reply)
        return None if stored is None else read_scheduler(scheduler_id, stored.next_ms, stored.fields)

    return run_script("get_scheduler", keys.base, scheduler_id, decode=decode)


def get_page(keys: QueueKeys, start: int, end: int, *, asc: bool) -> Call[list[JobScheduler]]:
    """Read the schedulers from `start` to `end`, both included; the one whose job is due first comes first if `asc`."""
    return run_script("get_schedulers", keys.base, start, end, "1" if asc else "", decode=_schedulers)


def _schedulers(reply: Reply) -> list[JobScheduler]:
    return [
        read_scheduler(found.decode(errors="backslashreplace"), _due(score), _fields(flat))
        for found, score, flat in reply
    ]


def _stored(reply: Reply) -> Stored | None:
    return None if reply is None else Stored(_due(reply[0]), _fields(reply[1]))


def _due(score: bytes) -> int:
    """Return when a job is due; another library may have written any number, and not each is a date."""
    return int(min(max(float(score), 0), _LAST_DATE))


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    # Another library may have written anything.
    words = [word.decode(errors="backslashreplace") for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))


def _changed(keys: QueueKeys, scheduler_id: str, verb: str) -> Callable[[int], int]:
    def decode(reply: int) -> int:
        if reply < 0:
            raise job_error(reply, job_id=scheduler_id, queue=keys.name, operation=f"{verb}_job_scheduler")
        return reply

    return decode


def _time(value: bytes | None) -> datetime | None:
    try:
        return None if value is None else instant(int(float(value)))
    except (ValueError, OverflowError):
        return None


def _order(run: SchedulerRun) -> tuple[float, str]:
    return (run.started.timestamp() if run.started else 0.0, run.job_id)


def _bounds(schedule: Schedule) -> Iterable[Word]:
    fields = schedule.stored_fields()
    return (fields.get("startDate", ""), fields.get("endDate", ""))

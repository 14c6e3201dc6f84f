"""Describe the operations on job schedulers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec
from msgspec import UNSET, Struct, UnsetType

from oxmq.codec import MAX_VALUE_BYTES, encode_json, wire_options
from oxmq.errors import ConfigurationError, job_error
from oxmq.keys import QueueKeys, check_job_name
from oxmq.ops.call import Call, Reply, Word, command, number, run_script, text
from oxmq.ops.iterations import Members, job_words, optional, read_members
from oxmq.options import JobOptions
from oxmq.records import JobRecord
from oxmq.schedules import JobScheduler, Schedule, read_scheduler

#: Options that make no sense for jobs that a scheduler makes: it gives them these itself, or they have one parent.
NOT_FOR_TEMPLATES = ("job_id", "delay", "timestamp", "deduplication", "parent")

#: What the record holds of a scheduler's past rather than of its definition.
_PAST = ("ic", "offset", "ran")


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


def upsert(
    keys: QueueKeys,
    scheduler_id: str,
    now_ms: int,
    schedule: Schedule,
    template: Template,
    fields: Mapping[str, Word],
) -> Call[JobRecord | None]:
    """Make or change a scheduler; the result is its next job, None when no time is left (then nothing changes)."""

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
    return [read_scheduler(text(found), int(float(due)), _fields(flat)) for found, due, flat in reply]


def _stored(reply: Reply) -> Stored | None:
    return None if reply is None else Stored(int(float(reply[0])), _fields(reply[1]))


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    return {flat[at].decode(): flat[at + 1].decode() for at in range(0, len(flat), 2)}


def _bounds(schedule: Schedule) -> Iterable[Word]:
    fields = schedule.stored_fields()
    return (fields.get("startDate", ""), fields.get("endDate", ""))

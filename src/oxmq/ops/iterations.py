"""Describe how the jobs of a scheduler follow one another."""

from __future__ import annotations

import re
from typing import Literal, TypeGuard

import msgspec
from msgspec import Raw, Struct, UnsetType

from oxmq.codec import instant_ms, read_options
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, Word, run_script, text
from oxmq.records import JobRecord
from oxmq.schedules import Schedule, offered_times, read_schedule

Members = dict[str, Raw]
"""The members of a JSON object, each as its text."""

_decoder = msgspec.json.Decoder(Members)

#: What each job of a scheduler gets anew.
_OWN = ("delay", "jobId", "timestamp", "prevMillis", "repeat", "repeatJobKey")
#: How BullMQ before version 3 named its entries: name, job id, end, time zone, and an interval or a pattern.
_LEGACY = re.compile(r"[^:]*:[^:]*:\d*:[^:]*:(\d+|.* .*)", re.DOTALL)

Skipped = Literal["missed", "overlap"]
"""Why a job is not to run: its time has passed; an earlier one of its scheduler has not ended."""


class Verdict(Struct, frozen=True):
    """Hold what is to become of a scheduler's job that was taken.

    Attributes:
        next_id: the job that was made to follow it; None when none was.
        skipped: why it is not to run; None when it is.
        complaint: what is to be reported, though it runs; empty for nothing.
    """

    next_id: str | None = None
    skipped: Skipped | None = None
    complaint: str = ""


def advance(keys: QueueKeys, record: JobRecord, now_ms: int) -> Call[Verdict]:
    """Make the job that follows one that was taken, if that is its scheduler's current one.

    Raises:
        ConfigurationError: the pattern or the time zone that another library stored cannot be read here.
    """
    scheduler_id = record.scheduler_id or ""
    stored, options = read_members(record.opts), read_options(record.opts)
    repeat = read_members(stored.get("repeat", b"{}"))
    schedule = read_schedule(msgspec.json.decode(msgspec.json.encode(repeat))) or Schedule()
    number = _count(repeat) + 1
    template = own_options(record.opts)
    words = (
        *job_words(
            scheduler_id,
            now_ms,
            template,
            msgspec.json.encode({**repeat, "count": number}),
            0 if isinstance(options.priority, UnsetType) else int(options.priority),
            options.lifo is True,
        ),
        record.id,
        optional(schedule.every_ms),
        "1" if schedule.limit is None or number <= schedule.limit else "",
        "1" if is_legacy(scheduler_id) else "",
        "" if isinstance(options.de, UnsetType) else options.de.id,
        *_times(schedule, _due(record.id), now_ms),
    )
    return run_script("advance_scheduler", keys.base, *words, decode=lambda reply: _verdict(reply, scheduler_id))


def is_legacy(scheduler_id: str) -> bool:
    """Tell whether an id has the shape of those that BullMQ before version 3 made."""
    return _LEGACY.fullmatch(scheduler_id) is not None


def job_words(
    scheduler_id: str, now_ms: int, opts: Members, repeat: bytes, priority: int, next_up: bool
) -> tuple[Word, ...]:
    """Return what the scripts take of a job to make: its options and its id as JSON, to which they add the time."""
    members = {**opts, "repeatJobKey": scheduler_id, "repeat": Raw(repeat), "timestamp": now_ms}
    opts_head = msgspec.json.encode(members)[:-1]
    id_head = msgspec.json.encode(f"repeat:{scheduler_id}:")[:-1]
    return (scheduler_id, now_ms, opts_head, id_head, priority, "1" if next_up else "")


def optional(value: int | None) -> Word:
    """Return a number for a script that takes an empty word for none."""
    return "" if value is None else value


def read_members(json: bytes | Raw) -> Members:
    """Return the members of a JSON object; of anything else, none."""
    try:
        return _decoder.decode(json)
    except msgspec.DecodeError:
        return {}


def own_options(json: bytes) -> Members:
    """Return the options that a scheduler's next job has in common with others, of one's options or a template's."""
    members = {name: value for name, value in read_members(json).items() if name not in _OWN}
    members.setdefault("attempts", Raw(b"0"))
    return members


def _times(schedule: Schedule, due_ms: int, now_ms: int) -> tuple[Word, ...]:
    """Return the pattern's first time after the taken job's, then those after that and after now."""
    if schedule.pattern is None:
        return ()
    successor: list[Word] = [*offered_times(schedule.pattern, schedule.tz, due_ms, schedule.end)[:1]]
    base = max(now_ms, due_ms, 0 if schedule.start is None else instant_ms(schedule.start))
    return (*(successor or [""]), *offered_times(schedule.pattern, schedule.tz, base, schedule.end))


def _due(job_id: str) -> int:
    digits = job_id.rpartition(":")[2]
    return int(digits) if digits.isdecimal() else 0


def _count(repeat: Members) -> int:
    counted = msgspec.json.decode(repeat.get("count", b"0"))
    return int(counted) if _is_number(counted) else 0


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _verdict(reply: Reply, scheduler_id: str) -> Verdict:
    said, next_id = text(reply[0]), text(reply[1]) or None
    if said == "legacy":
        return Verdict(complaint=_NO_SUCCESSOR.format(scheduler_id))
    return Verdict(next_id, "missed" if said == "missed" else "overlap" if said == "overlap" else None)


#: What BullMQ says in the same place.
_NO_SUCCESSOR = (
    "Failed to add repeatable job for next iteration: Legacy repeatable job metadata is not supported "
    '(key: "{}"). Make it anew with upsert_job_scheduler and remove the old entry.'
)

"""Say when a scheduler's jobs are due, and read what is stored about schedulers.

A schedule is built with `every` or `cron`, which check it. One that another library stored is read as it is: what of
it cannot be understood shows when its next time is asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Literal, cast, get_args

from msgspec import UNSET, Struct, structs

from oxmq.codec import decode_json_or, instant, instant_ms, read_options, user_options
from oxmq.cron_pattern import check_pattern, check_zone, matches_after
from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.options import JobOptions, check_whole

Missed = Literal["one", "skip", "all"]
"""What becomes of times that passed while nobody worked: one run for all of them, none, or one for each."""

Overlap = Literal["allow", "skip"]
"""What a job does that comes up while an earlier one of its scheduler has not ended: run beside it, or not at all."""

#: How many times of a pattern are offered to a script, which takes the first that is free.
_OFFERED = 8


class Schedule(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Hold when the jobs of a scheduler are due. Build it with `every` or `cron`.

    Attributes:
        every_ms: the interval in milliseconds; None where there is a pattern.
        offset_ms: by how much the jobs' times differ from whole multiples of the interval since 1970; None: by as
            much as the first job's time happens to.
        pattern: the cron pattern; None where there is an interval.
        tz: the time zone of the pattern; None: that of whichever process makes the next job.
        limit: how many jobs are made in all; None for any number.
        start: no job is due before it.
        end: no job is due after it.
        immediately: the first job is due at once, whatever the pattern says.
        missed: what becomes of times that passed while nobody worked.
        overlap: what a job does that comes up while an earlier one has not ended.
    """

    every_ms: int | None = None
    offset_ms: int | None = None
    pattern: str | None = None
    tz: str | None = None
    limit: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    immediately: bool = False
    missed: Missed = "one"
    overlap: Overlap = "allow"

    def repeat_options(self) -> dict[str, str | int]:
        """Return the schedule as the wire spells it among a job's options, but for the count."""
        return _wire(self) | ({} if self.offset_ms is None else {"offset": self.offset_ms})

    def stored_fields(self) -> dict[str, str | int]:
        """Return the schedule as the scheduler's record holds it; where it is as BullMQ's are, nothing is added."""
        fields = _wire(self)
        if self.missed != "one":
            fields["missed"] = self.missed
        if self.overlap != "allow":
            fields["overlap"] = self.overlap
        return fields

    def times_after(self, now_ms: int) -> list[int]:
        """Return the first times of the pattern for a scheduler that is made now, in milliseconds since the epoch.

        None are left when the end has passed. An interval's times are up to the script that stores the job.
        """
        if self.pattern is None:
            return []
        base = now_ms if self.start is None else max(now_ms, instant_ms(self.start))
        times = offered_times(self.pattern, self.tz, base, self.end)
        return [now_ms, *times] if self.immediately else times


class JobScheduler(Struct, frozen=True):
    """Show a job scheduler as it was when it was read.

    Attributes:
        id: the scheduler's id.
        name: the name of its jobs.
        next: when the job that is made last is or was due.
        schedule: when its jobs are due; None when that is not recorded.
        iteration_count: how many jobs it has made; None for a legacy one.
        data: the payload of its jobs.
        options: the options of its jobs.
        declared: whether an app's code owns it.
        legacy: whether BullMQ made it with an interface that version 6 has dropped. It is shown, and left alone.
        paused: whether it makes no jobs until it is resumed. BullMQ does not know of it, and makes jobs again once it
            upserts the scheduler.
    """

    id: str
    name: str
    next: datetime
    schedule: Schedule | None
    iteration_count: int | None
    data: Any
    options: JobOptions
    declared: bool = False
    legacy: bool = False
    paused: bool = False


def every(
    interval: Duration,
    *,
    offset: Duration | None = None,
    limit: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    immediately: bool = False,
    missed: Missed = "one",
    overlap: Overlap = "allow",
) -> Schedule:
    """Make a job every `interval`, the first one at once unless `start` or `offset` says otherwise::

        @app.task(schedule=every("15m", overlap="skip"))
        async def poll() -> None: ...

    Args:
        interval: the time from one job to the next.
        offset: has jobs made at whole multiples of the interval since 1970 plus this; less than the interval. On a
            scheduler that exists it counts from the next time that is missed, or when the interval changes.
        limit: how many jobs to make in all.
        start: when the first job is due.
        end: no job is due after it.
        immediately: says what is so anyway; it cannot be given with `start` or `offset`.
        missed: after a time in which nobody worked, run once (``"one"``), not at all until the next time
            (``"skip"``), or once for each time that was missed (``"all"``).
        overlap: with ``"skip"``, a job that comes up while an earlier one has not ended does not run.

    Raises:
        ConfigurationError: an argument is not acceptable; the message names it.
    """
    every_ms = positive_milliseconds(interval, "interval")
    offset_ms = None if offset is None else milliseconds(offset, "offset")
    if offset_ms is not None and offset_ms >= every_ms:
        raise ConfigurationError(f"offset must be shorter than the interval, not {offset!r}")
    if immediately and offset_ms is not None:
        raise ConfigurationError("immediately and offset cannot be given together")
    schedule = Schedule(
        every_ms=every_ms,
        offset_ms=offset_ms,
        limit=limit,
        start=start,
        end=end,
        immediately=immediately,
        missed=missed,
        overlap=overlap,
    )
    return _checked(schedule)


def cron(
    pattern: str,
    *,
    tz: str | None = "UTC",
    limit: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    immediately: bool = False,
    missed: Missed = "one",
    overlap: Overlap = "allow",
) -> Schedule:
    """Make a job whenever the clock matches `pattern`::

        @app.task(schedule=cron("0 9 * * MON-FRI", tz="Europe/Berlin", missed="skip"))
        async def good_morning() -> None: ...

    Args:
        pattern: minute, hour, day of month, month and day of week; or six fields with the second first; or
            ``"@hourly"`` and the like. See `oxmq.cron_pattern`.
        tz: the time zone in which it is meant, such as ``"Europe/Berlin"``. None: that of whichever process makes
            the next job, as in BullMQ where nothing is said; then all of them must run in the same one.
        limit: how many jobs to make in all.
        start: jobs are due only later than this.
        end: no job is due after it.
        immediately: the first job is due at once; it cannot be given with `start`.
        missed: as for `every`.
        overlap: as for `every`.

    Raises:
        ConfigurationError: an argument is not acceptable; the message names it.
    """
    schedule = Schedule(
        pattern=check_pattern(pattern),
        tz=None if tz is None else check_zone(tz),
        limit=limit,
        start=start,
        end=end,
        immediately=immediately,
        missed=missed,
        overlap=overlap,
    )
    return _checked(schedule)


def offered_times(pattern: str, tz: str | None, after_ms: int, end: datetime | None) -> list[int]:
    """Return the next few times of a pattern strictly after a moment and not after `end`."""
    times = islice(matches_after(pattern, tz, after_ms), _OFFERED)
    return list(times) if end is None else [time for time in times if time <= instant_ms(end)]


def read_schedule(fields: Mapping[str, object]) -> Schedule | None:
    """Return the schedule among a record's fields or a job's repeat options; None when there is none.

    Nothing is checked: what cannot be understood shows when its next time is asked for.
    """
    every_ms, pattern = _number(fields.get("every")), fields.get("pattern")
    if every_ms is None and not isinstance(pattern, str):
        return None
    tz, missed, overlap = fields.get("tz"), fields.get("missed"), fields.get("overlap")
    return Schedule(
        every_ms=every_ms,
        offset_ms=None if every_ms is None else _number(fields.get("offset")),
        pattern=pattern if every_ms is None and isinstance(pattern, str) else None,
        tz=tz if isinstance(tz, str) and tz else None,
        limit=_number(fields.get("limit")),
        start=_moment(fields.get("startDate")),
        end=_moment(fields.get("endDate")),
        missed=cast("Missed", missed) if missed in get_args(Missed) else "one",
        overlap=cast("Overlap", overlap) if overlap in get_args(Overlap) else "allow",
    )


def read_scheduler(scheduler_id: str, next_ms: int, fields: Mapping[str, str]) -> JobScheduler:
    """Return what a record says; BullMQ's older kinds of entries have none, or one that counts nothing."""
    count = _number(fields.get("ic"))
    paused = "paused" in fields
    return JobScheduler(
        id=scheduler_id,
        name=fields.get("name", scheduler_id),
        # The time of a paused one is put off a little, for no job to be that of its next time.
        next=instant(next_ms - paused),
        schedule=read_schedule(fields),
        iteration_count=count,
        data=decode_json_or(fields.get("data", "{}").encode(), {}),
        options=_template_options(fields.get("opts", "{}").encode()),
        declared=fields.get("declared") == "1",
        legacy=count is None,
        paused=paused,
    )


def _template_options(text: bytes) -> JobOptions:
    options = user_options(read_options(text))
    stored = decode_json_or(text, {})
    given = isinstance(stored, dict) and "attempts" in stored
    return options if given else structs.replace(options, attempts=UNSET)


def _checked(schedule: Schedule) -> Schedule:
    for field in ("start", "end"):
        _check_moment(getattr(schedule, field), field)
    if schedule.start is not None and schedule.end is not None and schedule.end < schedule.start:
        raise ConfigurationError(f"end must not be before start, not {schedule.end!r}")
    if not isinstance(cast("object", schedule.immediately), bool):
        raise ConfigurationError(f"immediately must be True or False, not {schedule.immediately!r}")
    if schedule.immediately and schedule.start is not None:
        raise ConfigurationError("immediately and start cannot be given together")
    if schedule.limit is not None:
        check_whole(schedule.limit, "limit", least=0)
    _check_choice(schedule.missed, "missed", get_args(Missed))
    _check_choice(schedule.overlap, "overlap", get_args(Overlap))
    return schedule


def _check_moment(value: object, field: str) -> None:
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise ConfigurationError(f"{field} must be a datetime with a time zone, not {value!r:.80}")


def _check_choice(value: object, field: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(f"{field} must be one of {', '.join(choices)}, not {value!r:.80}")


def _wire(schedule: Schedule) -> dict[str, str | int]:
    members: dict[str, str | int | None] = {
        "every": schedule.every_ms,
        "pattern": schedule.pattern,
        "tz": schedule.tz,
        "limit": schedule.limit,
        "startDate": None if schedule.start is None else instant_ms(schedule.start),
        "endDate": None if schedule.end is None else instant_ms(schedule.end),
    }
    return {name: value for name, value in members.items() if value is not None}


def _number(value: object) -> int | None:
    """Return a number, which another library may have written as text or with a fraction."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return int(float(value))
    return None


def _moment(value: object) -> datetime | None:
    """Return a date that another library may have stored as milliseconds or, among a job's options, as text."""
    ms = _number(value)
    with contextlib.suppress(ValueError, OverflowError):
        if ms is not None:
            return instant(ms)
        if isinstance(value, str):
            return datetime.fromisoformat(value)
    return None

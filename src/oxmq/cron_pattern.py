"""Read cron patterns, and tell when one comes round next in a time zone.

The conventions are those of BullMQ, so that a scheduler fires at the same moments whichever library's worker makes
its next job. Five fields (minute, hour, day of month, month, day of week), or six with the second first::

    30 9 * * MON-FRI     0 0 L * *     */10 * * * * *     @hourly

Clocks that change: a time that is left out when they go forward counts as that much later (02:30 becomes 03:30); one
that comes twice when they go back counts once, unless the pattern names every hour: that runs in each real hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from oxmq.errors import ConfigurationError

_ALIASES = {
    "@secondly": "* * * * * *",
    "@minutely": "* * * * *",
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@weekdays": "0 0 * * 1-5",
    "@weekends": "0 0 * * 0,6",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_HASHED = re.compile(r"(^|,)H")
#: A range of one with a step, which the library would read as "from there on".
_SINGLE = re.compile(r"\b(\w+)-\1/\d+")
_MAX_LENGTH = 256
_ALL_HOURS = frozenset(range(24))
_DAY = timedelta(days=1)


class _Reading(Struct, frozen=True):
    """Hold a pattern as the library takes it, and whether it names every hour."""

    text: str
    every_hour: bool


def check_pattern(pattern: object, field: str = "pattern") -> str:
    """Return a cron pattern with single blanks between its fields, or raise `ConfigurationError`."""
    if not isinstance(pattern, str):
        raise ConfigurationError(f'{field} must be a cron pattern such as "0 9 * * MON-FRI", not {pattern!r:.80}')
    if len(pattern) > _MAX_LENGTH:
        raise ConfigurationError(f"{field} must have at most {_MAX_LENGTH} characters, not {len(pattern)}")
    clean = " ".join(pattern.split())
    try:
        reading = _read(clean)
    except CronSimError as error:
        raise ConfigurationError(f"{field} {pattern!r} is no cron pattern: {error}") from None
    if next(CronSim(reading.text, datetime(2000, 1, 1)), None) is None:
        raise ConfigurationError(f"{field} {pattern!r} names a date that does not exist")
    return clean


def check_zone(name: object, field: str = "tz") -> str:
    """Return the name of a time zone, or raise `ConfigurationError` when this system knows none of that name."""
    if not isinstance(name, str):
        raise ConfigurationError(f'{field} must be the name of a time zone such as "Europe/Berlin", not {name!r:.80}')
    _zone(name, field)
    return name


def spelled_out(pattern: str) -> str:
    """Return the fields that a pattern such as ``"@daily"`` stands for, with single blanks between; others as is."""
    clean = " ".join(pattern.split())
    return _ALIASES.get(clean, clean)


def next_after(pattern: str, tz: str | None, moment_ms: int) -> int | None:
    """Return the first match strictly after a moment, both in milliseconds since the epoch; None: there is none.

    Args:
        pattern: the cron pattern.
        tz: the time zone in which it is meant; None for this process's own.

    Raises:
        ConfigurationError: the pattern or the zone cannot be read.
    """
    try:
        reading = _read(" ".join(pattern.split()))
    except CronSimError as error:
        raise ConfigurationError(f"pattern {pattern!r} is no cron pattern: {error}") from None
    zone = _PROCESS_ZONE if tz is None else _zone(tz, "tz")
    moment = datetime.fromtimestamp(moment_ms // 1000, UTC)
    search = _first_real if reading.every_hour else _first_named
    found = search(reading.text, zone, moment)
    return None if found is None else int(found.timestamp()) * 1000


def matches_after(pattern: str, tz: str | None, moment_ms: int) -> Iterator[int]:
    """Give the matches strictly after a moment one by one, as `next_after` does."""
    found = next_after(pattern, tz, moment_ms)
    while found is not None:
        yield found
        found = next_after(pattern, tz, found)


def _first_real(text: str, zone: tzinfo, moment: datetime) -> datetime | None:
    """Search hour by real hour: an hour that the clocks repeat comes twice."""
    return next(CronSim(text, moment.astimezone(zone)), None)


def _first_named(text: str, zone: tzinfo, moment: datetime) -> datetime | None:
    """Search by what clocks on the wall show: each time once, and one that they leave out as much later."""
    # Seen from before a change forward that was less than a day ago, the times that it left out are yet to come.
    offset = min(_offset(zone, moment - _DAY), _offset(zone, moment))
    first: datetime | None = None
    for shown in CronSim(text, (moment + offset).replace(tzinfo=None)):
        real = shown.replace(tzinfo=zone).astimezone(UTC)
        if real <= moment:
            continue
        first = real if first is None else min(first, real)
        if real.astimezone(zone).replace(tzinfo=None) == shown:
            break  # no time that was left out: what follows comes later
    return first


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


@lru_cache(maxsize=256)
def _read(pattern: str) -> _Reading:
    fields = _ALIASES.get(pattern, pattern).upper().split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise CronSimError(f"it has {len(fields)} fields, not 5, or 6 with the second first")
    if any(_HASHED.search(field) for field in fields):
        raise CronSimError("H stands for a time drawn by each worker anew")
    second, minute, hour, day, month, weekday = (_SINGLE.sub(r"\1", "*" if field == "?" else field) for field in fields)
    if "W" in day:
        raise CronSimError("W (the nearest working day) is not supported")
    if "#" in weekday and "," in weekday:
        raise CronSimError("# cannot be in a list")
    text = " ".join((second, minute, hour, _restricted(day, "1-31"), month, _restricted(_numbered(weekday), "0-6")))
    parsed = CronSim(text, datetime(2000, 1, 1))
    return _Reading(text, parsed.hours >= _ALL_HOURS)


def _restricted(field: str, all_days: str) -> str:
    """Return a day field so that the library takes only a lone ``*`` for no restriction, not ``*/2``."""
    return field if field == "*" else ",".join(_part(part, all_days) for part in field.split(","))


def _part(part: str, all_days: str) -> str:
    return all_days + part[1:] if part.startswith("*") else part


def _numbered(weekday: str) -> str:
    """Return the day of week by number where the library reads no name: before an L."""
    return re.sub(rf"({'|'.join(_WEEKDAYS)})(?=L)", lambda found: str(_WEEKDAYS.index(found[1])), weekday)


def _zone(name: str, field: str) -> tzinfo:
    if name == "UTC":
        return UTC  # known even where the system has no time zones
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ConfigurationError(
            f"{field} {name!r} is no time zone that this system knows (the package tzdata brings all of them)"
        ) from None


class _ProcessZone(tzinfo):
    """Be the zone in which this process runs, with its changes of clock."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        shown = (dt or datetime.now(UTC)).replace(tzinfo=None)
        return shown - datetime.fromtimestamp(shown.timestamp(), UTC).replace(tzinfo=None)

    def dst(self, dt: datetime | None) -> None:
        """Leave unsaid which part of the offset is summer time: nobody asks."""

    def tzname(self, dt: datetime | None) -> str:
        return "local"

    def fromutc(self, dt: datetime) -> datetime:
        local = datetime.fromtimestamp(dt.replace(tzinfo=UTC).timestamp())
        return local.replace(tzinfo=self)


_PROCESS_ZONE = _ProcessZone()

"""Say in words when a schedule runs."""

from __future__ import annotations

import re
from functools import lru_cache

from cron_descriptor import ExpressionDescriptor, FormatError, MissingFieldError, Options

from oxmq.cron_pattern import check_pattern, spelled_out
from oxmq.errors import ConfigurationError
from oxmq.schedules import Schedule

#: Whole units of an interval, the longest first, in milliseconds.
_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1))
#: A description that begins with a time of day.
_TIME_OF_DAY = re.compile(r"At (?=\d\d:\d\d)")
#: What of a pattern that cannot be read is shown at most, in characters.
_SHOWN = 100


def schedule_words(schedule: Schedule | None) -> str:
    """Return when a schedule runs, as in ``"Every day at 09:00 (Europe/Berlin)"``.

    A pattern for which there are no words stands for itself.
    """
    if schedule is None:
        return "Not recorded"
    if schedule.every_ms is not None:
        return interval_words(schedule.every_ms)
    zone = schedule.tz or "the time zone of the worker"
    return f"{cron_words(schedule.pattern or '')} ({zone[:_SHOWN]})"


def interval_words(every_ms: int) -> str:
    """Return how long an interval is, as in ``"Every 15 minutes"``."""
    if not every_ms:
        return "Every 0 milliseconds"
    left, parts = every_ms, list[str]()
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}s" if count > 1 else f"1 {unit}")
    only = parts[0].removeprefix("1 ") if len(parts) == 1 else " ".join(parts)
    return f"Every {only}"


@lru_cache(maxsize=512)
def cron_words(pattern: str) -> str:
    """Return when a cron pattern matches; the pattern itself where there are no words for it."""
    try:
        clean = spelled_out(check_pattern(pattern))
        options = Options()
        options.use_24hour_time_format = True
        words = ExpressionDescriptor(clean, options).get_description()
    except (ConfigurationError, FormatError, MissingFieldError, ValueError, IndexError, KeyError):
        return f"cron {pattern[:_SHOWN]}"
    words = words.replace("At 0 minutes past the hour", "On the hour", 1)
    is_daily = all(field in "*?" for field in clean.split()[-3:])
    return _TIME_OF_DAY.sub("Every day at ", words, count=1) if is_daily else words

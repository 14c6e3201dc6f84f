"""Schedules are told in words."""

from __future__ import annotations

import pytest

from oxmq import cron, every
from oxmq.monitor.schedule_words import cron_words, interval_words, schedule_words
from oxmq.schedules import Schedule


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (900_000, "Every 15 minutes"),
        (3_600_000, "Every hour"),
        (60_000, "Every minute"),
        (1_000, "Every second"),
        (86_400_000, "Every day"),
        (5_400_000, "Every 1 hour 30 minutes"),
        (90_061_001, "Every 1 day 1 hour 1 minute 1 second 1 millisecond"),
        (250, "Every 250 milliseconds"),
        (0, "Every 0 milliseconds"),
    ],
)
def test_intervals(ms: int, words: str) -> None:
    assert interval_words(ms) == words


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("0 9 * * *", "Every day at 09:00"),
        ("30 9,17 * * *", "Every day at 09:30 and 17:30"),
        ("0 9 * * MON-FRI", "At 09:00, Monday through Friday"),
        ("0 30 9 * * 1-5", "At 09:30, Monday through Friday"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("* * * * *", "Every minute"),
        ("0 */2 * * *", "Every 2 hours"),
        ("0 9-17 * * *", "On the hour, between 09:00 and 17:59"),
        ("0 0 1 * *", "At 00:00, on day 1 of the month"),
        ("0 0 L * *", "At 00:00, on the last day of the month"),
        ("0 9 * * 1#1", "At 09:00, on the first Monday of the month"),
        ("0 22 * * 5L", "At 22:00, on the last Friday of the month"),
        ("0 0 1 * 1", "At 00:00, on day 1 of the month, or on Monday"),
        ("59 59 23 31 12 *", "At 23:59:59, on day 31 of the month, only in December"),
        ("  0   9  *  * * ", "Every day at 09:00"),
        ("@daily", "Every day at 00:00"),
        ("@hourly", "Every hour"),
        ("@weekdays", "At 00:00, Monday through Friday"),
        ("0 0 15W * *", "cron 0 0 15W * *"),
        ("every now and then", "cron every now and then"),
        ("x" * 5_000, "cron " + "x" * 100),
        ("", "cron "),
    ],
)
def test_patterns(pattern: str, words: str) -> None:
    assert cron_words(pattern) == words


def test_zones() -> None:
    assert schedule_words(cron("0 9 * * *", tz="Europe/Berlin")) == "Every day at 09:00 (Europe/Berlin)"
    assert schedule_words(cron("0 9 * * *")) == "Every day at 09:00 (UTC)"
    assert schedule_words(cron("0 9 * * *", tz=None)) == "Every day at 09:00 (the time zone of the worker)"
    assert schedule_words(every("15m")) == "Every 15 minutes"
    assert schedule_words(None) == "Not recorded"
    assert schedule_words(Schedule(pattern="nonsense", tz="Mars/Olympus")) == "cron nonsense (Mars/Olympus)"

"""Cron patterns: the conventions of BullMQ, and clocks that change."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.cron_pattern import check_pattern, check_zone, matches_after, next_after
from oxmq.errors import ConfigurationError

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def ms(text: str, zone: str = "UTC") -> int:
    """Return a local time as milliseconds since the epoch; one with an offset as it is."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)


def times(pattern: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    """Return the next matches in the zone's own time."""
    found = islice(matches_after(pattern, zone, ms(after, zone)), count)
    return [datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).isoformat(timespec="seconds") for at in found]


def days(pattern: str, after: str, count: int) -> list[str]:
    """Return the days of the next matches, in UTC."""
    return [at[:10] for at in times(pattern, after, count)]


# ---- fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("30 9 * * *", ["2024-04-01T09:30:00", "2024-04-02T09:30:00"]),
        ("15 30 9 * * *", ["2024-04-01T09:30:15", "2024-04-02T09:30:15"]),
        ("*/20 * * * *", ["2024-04-01T00:20:00", "2024-04-01T00:40:00"]),
        ("*/20 * * * * *", ["2024-04-01T00:00:20", "2024-04-01T00:00:40"]),
        ("5/25 * * * *", ["2024-04-01T00:05:00", "2024-04-01T00:30:00"]),
        ("1-5/2 * * * *", ["2024-04-01T00:01:00", "2024-04-01T00:03:00"]),
        ("7-7/2 * * * *", ["2024-04-01T00:07:00", "2024-04-01T01:07:00"]),
        ("0 12/5 * * *", ["2024-04-01T12:00:00", "2024-04-01T17:00:00"]),
        ("? ? * * ?", ["2024-04-01T00:01:00", "2024-04-01T00:02:00"]),
        (" 0   0  *  *\t* ", ["2024-04-02T00:00:00", "2024-04-03T00:00:00"]),
        ("0 0 1 jan,Feb *", ["2025-01-01T00:00:00", "2025-02-01T00:00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ("@yearly", ["2025-01-01T00:00:00", "2026-01-01T00:00:00"]),
        ("@monthly", ["2024-05-01T00:00:00", "2024-06-01T00:00:00"]),
        ("@weekly", ["2024-04-07T00:00:00", "2024-04-14T00:00:00"]),
        ("@weekdays", ["2024-04-02T00:00:00", "2024-04-03T00:00:00"]),
        ("@weekends", ["2024-04-06T00:00:00", "2024-04-07T00:00:00"]),
        ("@daily", ["2024-04-02T00:00:00", "2024-04-03T00:00:00"]),
        ("@hourly", ["2024-04-01T01:00:00", "2024-04-01T02:00:00"]),
        ("@minutely", ["2024-04-01T00:01:00", "2024-04-01T00:02:00"]),
        ("@secondly", ["2024-04-01T00:00:01", "2024-04-01T00:00:02"]),
    ],
)
def test_a_pattern_matches(pattern: str, expected: list[str]) -> None:
    assert check_pattern(pattern) == " ".join(pattern.split())
    assert [at[:19] for at in times(pattern, "2024-04-01T00:00:00", 2)] == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("0 0 L * *", ["2024-04-30", "2024-05-31", "2024-06-30"]),
        ("0 0 L 2 *", ["2025-02-28", "2026-02-28", "2027-02-28"]),
        ("0 0 1,L * *", ["2024-04-30", "2024-05-01", "2024-05-31"]),
        ("0 0 * * 5L", ["2024-04-26", "2024-05-31", "2024-06-28"]),
        ("0 0 * * FRIL", ["2024-04-26", "2024-05-31", "2024-06-28"]),
        ("0 0 * * 1#2", ["2024-04-08", "2024-05-13", "2024-06-10"]),
        ("0 0 * * MON#2", ["2024-04-08", "2024-05-13", "2024-06-10"]),
        ("0 0 * * 0", ["2024-04-07", "2024-04-14", "2024-04-21"]),
        ("0 0 * * 7", ["2024-04-07", "2024-04-14", "2024-04-21"]),
        ("0 0 * * 5-7", ["2024-04-05", "2024-04-06", "2024-04-07"]),
        ("0 0 * * MON-TUE", ["2024-04-02", "2024-04-08", "2024-04-09"]),
        # Both restricted: either matches, and what begins with a star and a step is a restriction.
        ("0 0 13 * 5", ["2024-04-05", "2024-04-12", "2024-04-13"]),
        ("0 0 */10 * 1", ["2024-04-08", "2024-04-11", "2024-04-15"]),
        ("0 0 15 * */3", ["2024-04-03", "2024-04-06", "2024-04-07"]),
        # One not restricted: the other decides.
        ("0 0 ? * MON", ["2024-04-08", "2024-04-15", "2024-04-22"]),
        ("0 0 13 * *", ["2024-04-13", "2024-05-13", "2024-06-13"]),
        # A day that this month never has, beside a weekday that it has.
        ("0 0 31 4 1", ["2024-04-08", "2024-04-15", "2024-04-22"]),
    ],
)
def test_a_pattern_names_days(pattern: str, expected: list[str]) -> None:
    assert days(pattern, "2024-04-01T00:00:00", 3) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "bogus",
        "a b c d e",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "0 22-2 * * *",
        "0 0 15W * *",
        "0 0 LW * *",
        "0 0 L-2 * *",
        "0 0 * * L",
        "0 0 * * L5",
        "0 0 * * 1#0",
        "0 0 * * 1#6",
        "0 0 * * 1#2,3",
        "*/0 * * * *",
        "1.5 * * * *",
        "5, * * * *",
        "/5 * * * *",
        "-5 * * * *",
        "H * * * *",
        "H/5 * * * *",
        "0 0 31 2 *",
        "0 0 30,31 2 *",
        "0 0 31 4,6 *",
        "@reboot",
        "@Hourly",
        "@midnight",
        "* " * 200,
        5,
        None,
    ],
)
def test_what_is_no_pattern_is_refused(pattern: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^when "):
        check_pattern(pattern, "when")


def test_a_stored_pattern_that_cannot_be_read_is_refused_when_its_time_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match=r"'H 1 \* \* \*' is no cron pattern: H stands"):
        next_after("H 1 * * *", "UTC", 0)


# ---- moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "expected"), [(-1, 0), (0, 60), (1, 60), (59_999, 60), (60_000, 120)])
def test_a_match_is_strictly_after_the_moment(after: int, expected: int) -> None:
    noon = ms("2024-04-01T12:00:00")
    assert next_after("* * * * *", "UTC", noon + after) == noon + expected * 1000


@given(st.integers(0, 2**41), st.sampled_from(["*/7 * * * *", "0 0 L * *", "15 3 * * 1-5", "@secondly"]))
def test_matches_go_on_for_ever_and_never_back(after: int, pattern: str) -> None:
    first, second = islice(matches_after(pattern, BERLIN, after), 2)
    assert after < first < second
    assert next_after(pattern, BERLIN, second - 1) == second


# ---- clocks that change --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "pattern", "after", "expected"),
    [
        (BERLIN, "30 2 * * *", "2024-03-30T12:00", ["2024-03-31T03:30:00+02:00", "2024-04-01T02:30:00+02:00"]),
        (BERLIN, "0 30 2 * * *", "2024-03-30T12:00", ["2024-03-31T03:30:00+02:00", "2024-04-01T02:30:00+02:00"]),
        (NEW_YORK, "30 2 * * *", "2024-03-09T12:00", ["2024-03-10T03:30:00-04:00", "2024-03-11T02:30:00-04:00"]),
        (BERLIN, "15,45 2 * * *", "2024-03-31T01:00", ["2024-03-31T03:15:00+02:00", "2024-03-31T03:45:00+02:00"]),
        (BERLIN, "0 */2 * * *", "2024-03-31T01:00", ["2024-03-31T03:00:00+02:00", "2024-03-31T04:00:00+02:00"]),
        (BERLIN, "15 2-3 * * *", "2024-03-31T01:00", ["2024-03-31T03:15:00+02:00", "2024-04-01T02:15:00+02:00"]),
        (BERLIN, "*/30 * * * *", "2024-03-31T01:10", ["2024-03-31T01:30:00+01:00", "2024-03-31T03:00:00+02:00"]),
        (NEW_YORK, "0 * * * *", "2024-03-10T00:30", ["2024-03-10T01:00:00-05:00", "2024-03-10T03:00:00-04:00"]),
        # Half an hour is left out here: what was to be in it comes after a time that stayed.
        (
            "Australia/Lord_Howe",
            "20,40 2 * * *",
            "2024-10-06T01:00",
            ["2024-10-06T02:40:00+11:00", "2024-10-06T02:50:00+11:00"],
        ),
    ],
)
def test_clocks_go_forward(zone: str, pattern: str, after: str, expected: list[str]) -> None:
    assert times(pattern, after, 2, zone) == expected


@pytest.mark.parametrize(
    ("zone", "pattern", "after", "expected"),
    [
        (BERLIN, "30 2 * * *", "2024-10-26T12:00", ["2024-10-27T02:30:00+02:00", "2024-10-28T02:30:00+01:00"]),
        (NEW_YORK, "30 1 * * *", "2024-11-02T12:00", ["2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"]),
        (NEW_YORK, "0 30 1 * * *", "2024-11-02T12:00", ["2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"]),
        (BERLIN, "15 1-3 * * *", "2024-10-27T02:00", ["2024-10-27T02:15:00+02:00", "2024-10-27T03:15:00+01:00"]),
        (BERLIN, "15 */2 * * *", "2024-10-27T01:00", ["2024-10-27T02:15:00+02:00", "2024-10-27T04:15:00+01:00"]),
        (BERLIN, "30 2 * * *", "2024-10-27T02:10:00+01:00", ["2024-10-28T02:30:00+01:00", "2024-10-29T02:30:00+01:00"]),
    ],
)
def test_clocks_go_back_and_a_named_hour_comes_once(zone: str, pattern: str, after: str, expected: list[str]) -> None:
    assert times(pattern, after, 2, zone) == expected


@pytest.mark.parametrize("pattern", ["*/30 * * * *", "*/30 0-23 * * *", "0 */30 */1 * * *"])
@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        (BERLIN, "2024-10-27T01:40", ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00"]),
        (NEW_YORK, "2024-11-03T00:40", ["01:00:00-04:00", "01:30:00-04:00", "01:00:00-05:00", "01:30:00-05:00"]),
    ],
)
def test_clocks_go_back_and_every_real_hour_counts(pattern: str, zone: str, after: str, expected: list[str]) -> None:
    assert [at[11:] for at in times(pattern, after, 4, zone)] == expected


# ---- zones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Asia/Kolkata"])
def test_a_zone_is_known(name: str) -> None:
    assert check_zone(name) == name


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", 1, None])
def test_what_is_no_zone_is_refused(name: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^tz "):
        check_zone(name)


@pytest.fixture
def process_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let this process run in New York."""
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", NEW_YORK)
    time.tzset()
    yield NEW_YORK
    if before is None:
        os.environ.pop("TZ")
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize("pattern", ["30 2 * * *", "30 1 * * *", "*/30 * * * *", "0 0 1 * *"])
@pytest.mark.parametrize(
    "after", ["2024-03-10T01:10", "2024-11-03T00:40", "2024-07-01T12:00", "2024-11-03T06:10:00+00:00"]
)
def test_without_a_zone_the_process_s_own_counts(process_zone: str, pattern: str, after: str) -> None:
    moment = ms(after, process_zone)
    own = list(islice(matches_after(pattern, None, moment), 4))
    assert own == list(islice(matches_after(pattern, process_zone, moment), 4))
    assert own[0] > moment
    assert datetime.fromtimestamp(own[0] / 1000, UTC).microsecond == 0

"""Schedules: checked when they are built, read as they are when somebody else wrote them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

from oxmq import ConfigurationError, Schedule, cron, every
from oxmq.schedules import offered_times, read_schedule, read_scheduler

NOW = 1_700_000_000_000
MOMENT = datetime.fromtimestamp(NOW / 1000, UTC)
LATER = MOMENT + timedelta(hours=1)


# ---- every and cron ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [90, 90.0, timedelta(seconds=90), "1m30s"])
def test_an_interval_in_each_form(interval: Any) -> None:
    assert every(interval).stored_fields() == {"every": 90_000}


def test_an_interval_with_everything() -> None:
    schedule = every("10s", offset="3s", limit=5, start=MOMENT, end=LATER, missed="all", overlap="skip")
    wire = {"every": 10_000, "limit": 5, "startDate": NOW, "endDate": NOW + 3_600_000}
    assert schedule.repeat_options() == {**wire, "offset": 3_000}
    assert schedule.stored_fields() == {**wire, "missed": "all", "overlap": "skip"}


def test_a_pattern_is_in_utc_unless_said_otherwise() -> None:
    assert cron("0 9 * * *").repeat_options() == {"pattern": "0 9 * * *", "tz": "UTC"}
    assert cron(" 0  9 * * *", tz="Europe/Berlin").stored_fields() == {"pattern": "0 9 * * *", "tz": "Europe/Berlin"}


def test_a_pattern_can_be_in_the_zone_of_each_process() -> None:
    assert cron("0 9 * * *", tz=None).repeat_options() == {"pattern": "0 9 * * *"}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"interval": 0}, "interval"),
        ({"interval": -1}, "interval"),
        ({"interval": "soon"}, "interval"),
        ({"interval": None}, "interval"),
        ({"offset": "often"}, "offset"),
        ({"offset": 60}, "offset"),
        ({"offset": -1}, "offset"),
        ({"offset": 1, "immediately": True}, "immediately and offset"),
        ({"start": MOMENT, "immediately": True}, "immediately and start"),
        ({"start": MOMENT.replace(tzinfo=None)}, "start"),
        ({"start": NOW}, "start"),
        ({"end": "tomorrow"}, "end"),
        ({"start": LATER, "end": MOMENT}, "end"),
        ({"limit": -1}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": True}, "limit"),
        ({"immediately": 1}, "immediately"),
        ({"missed": "none"}, "missed"),
        ({"overlap": True}, "overlap"),
    ],
)
def test_a_bad_interval_is_refused_by_name(arguments: dict[str, Any], field: str) -> None:
    defaults: dict[str, Any] = {"interval": 60}
    with pytest.raises(ConfigurationError, match=f"^{field} "):
        every(**(defaults | arguments))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"pattern": "bogus"}, "pattern"),
        ({"pattern": "0 0 31 2 *"}, "pattern"),
        ({"pattern": None}, "pattern"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": 1}, "tz"),
        ({"start": MOMENT, "immediately": True}, "immediately and start"),
        ({"start": LATER, "end": MOMENT}, "end"),
        ({"limit": "2"}, "limit"),
        ({"missed": None}, "missed"),
        ({"overlap": "deny"}, "overlap"),
    ],
)
def test_a_bad_pattern_is_refused_by_name(arguments: dict[str, Any], field: str) -> None:
    defaults: dict[str, Any] = {"pattern": "* * * * *"}
    with pytest.raises(ConfigurationError, match=f"^{field} "):
        cron(**(defaults | arguments))


# ---- times of a pattern ------------------------------------------------------------------------------------------


def ms(hours: float) -> int:
    """Return a time of the day on which the tests take place, which is 22:13:20 UTC now."""
    return 1_699_920_000_000 + round(hours * 3_600_000)


def test_times_come_after_now() -> None:
    assert cron("0 * * * *").times_after(NOW)[:2] == [ms(23), ms(24)]


def test_times_come_after_the_start() -> None:
    assert cron("0 * * * *", start=datetime.fromtimestamp(ms(30) / 1000, UTC)).times_after(NOW)[0] == ms(31)
    assert cron("0 * * * *", start=MOMENT - timedelta(days=1)).times_after(NOW)[0] == ms(23)


def test_times_end() -> None:
    ends = cron("0 * * * *", end=datetime.fromtimestamp(ms(24) / 1000, UTC))
    assert ends.times_after(NOW) == [ms(23), ms(24)]
    assert ends.times_after(ms(23)) == [ms(24)]
    assert ends.times_after(ms(24)) == []


def test_the_first_time_can_be_now() -> None:
    assert cron("0 * * * *", immediately=True).times_after(NOW)[:2] == [NOW, ms(23)]


def test_an_interval_s_times_are_the_script_s_affair() -> None:
    assert every(5).times_after(NOW) == []


def test_as_many_times_are_offered_as_a_script_may_have_to_skip() -> None:
    assert len(offered_times("* * * * *", "UTC", NOW, None)) == 8


# ---- what is stored ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        every("90s"),
        every("90s", limit=3, start=MOMENT, end=LATER, missed="skip", overlap="skip"),
        cron("0 9 * * MON", tz="Europe/Berlin"),
        cron("@daily", tz=None, limit=3, start=MOMENT, end=LATER, missed="all"),
    ],
)
def test_what_is_stored_is_read_again(schedule: Schedule) -> None:
    assert read_schedule({name: str(value) for name, value in schedule.stored_fields().items()}) == schedule
    repeat = read_schedule(schedule.repeat_options())
    assert repeat is not None
    assert repeat.repeat_options() == schedule.repeat_options()


def test_a_record_s_offset_is_read() -> None:
    assert read_schedule({"every": "10000", "offset": "3000"}) == every(10, offset=3)
    assert read_schedule({"pattern": "* * * * *", "tz": "UTC", "offset": "0"}) == cron("* * * * *")


def test_what_is_foreign_is_read_as_far_as_it_goes() -> None:
    odd = {"pattern": "H * * * *", "tz": "", "limit": "many", "startDate": "x", "missed": "?", "overlap": ""}
    assert read_schedule(odd) == Schedule(pattern="H * * * *")
    assert read_schedule({"every": 1e4, "endDate": "2023-11-14T22:13:20.000Z"}) == Schedule(every_ms=10_000, end=MOMENT)
    assert read_schedule({"startDate": "9" * 30, "every": "1"}) == Schedule(every_ms=1)
    assert read_schedule({"name": "x"}) is None
    assert read_schedule({"pattern": 5}) is None


def test_a_scheduler_is_read() -> None:
    fields = {"name": "job", "every": "5000", "ic": "3", "data": "[1]", "opts": '{"priority":2}', "declared": "1"}
    found = read_scheduler("s", NOW, {**fields, "offset": "0"})
    assert (found.id, found.name, found.next, found.iteration_count) == ("s", "job", MOMENT, 3)
    assert (found.data, found.options.priority, found.options.attempts) == ([1], 2, UNSET)
    assert (found.schedule, found.declared, found.legacy) == (every(5, offset=0), True, False)


def test_a_scheduler_without_payload_and_options() -> None:
    found = read_scheduler("s", NOW, {"name": "job", "pattern": "* * * * *", "ic": "1", "opts": '{"attempts":3}'})
    assert (found.data, found.options.attempts, found.declared) == ({}, 3, False)


def test_entries_of_older_kinds_are_legacy() -> None:
    without_count = read_scheduler("0f3c", NOW, {"name": "job", "tz": "", "pattern": "* * * * *"})
    assert without_count.legacy
    assert without_count.schedule == cron("* * * * *", tz=None)
    without_record = read_scheduler("job::::* * * * *", NOW, {})
    assert without_record.legacy
    assert (without_record.name, without_record.schedule) == ("job::::* * * * *", None)

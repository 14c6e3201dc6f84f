"""What is shown of a schedule: its coming times, what it has made, whether it is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from oxmq import cron, every
from oxmq.codec import instant_ms
from oxmq.monitor.schedules import ScheduleView, schedule_view
from oxmq.monitor.site import show_all
from oxmq.ops.schedulers import SchedulerRun
from oxmq.options import JobOptions
from oxmq.schedules import JobScheduler, Schedule

NOW = datetime(2030, 3, 30, 12, 0, tzinfo=UTC)


def _view(schedule: Schedule | None, due: datetime, made: int | None = 1, **more: Any) -> ScheduleView:
    scheduler = JobScheduler("s", "name", due, schedule, made, {"a": 1}, JobOptions(attempts=3))
    return schedule_view("q", structs.replace(scheduler, **more), [], instant_ms(NOW), show_all)


def test_the_times_of_a_pattern_keep_to_the_clock_on_the_wall() -> None:
    # On 31 March 2030 the clocks of Berlin go forward.
    view = _view(cron("0 9 * * *", tz="Europe/Berlin"), datetime(2030, 3, 31, 7, 0, tzinfo=UTC))
    assert [time.hour for time in view.next_five] == [7, 7, 7, 7, 7]
    before = _view(cron("0 9 * * *", tz="Europe/Berlin"), datetime(2030, 3, 30, 8, 0, tzinfo=UTC))
    assert [time.hour for time in before.next_five] == [8, 7, 7, 7, 7]


def test_the_times_of_an_interval_go_on_from_the_next_one() -> None:
    view = _view(every("15m"), NOW + timedelta(minutes=7))
    assert view.next_five == [NOW + timedelta(minutes=7 + 15 * step) for step in range(5)]
    assert (view.every, view.cron, view.late) == (900, None, False)


def test_times_that_passed_do_not_come_again() -> None:
    view = _view(every("15m"), NOW - timedelta(minutes=100))
    assert view.next_five[:2] == [NOW - timedelta(minutes=100), NOW + timedelta(minutes=5)]
    assert view.late


def test_limits_and_ends_bound_the_times() -> None:
    assert len(_view(every("1m", limit=3), NOW, made=2).next_five) == 2
    assert len(_view(every("1m", limit=3), NOW, made=3).next_five) == 1
    assert len(_view(every("1m", end=NOW + timedelta(minutes=2)), NOW).next_five) == 3
    assert len(_view(cron("* * * * *", end=NOW + timedelta(minutes=2)), NOW).next_five) == 3


def test_a_paused_one_has_no_times() -> None:
    view = _view(every("1m"), NOW - timedelta(days=1), made=4, paused=True)
    assert (view.next_at, view.next_five, view.late, view.runs_made) == (None, [], False, 4)


def test_what_another_library_left_is_shown_all_the_same() -> None:
    unknown = _view(None, NOW, None, legacy=True)
    assert (unknown.words, unknown.next_five, unknown.runs_made, unknown.legacy) == ("Not recorded", [NOW], None, True)
    strange = _view(Schedule(pattern="nonsense", tz="Mars/Olympus"), NOW)
    assert (strange.cron, strange.time_zone, strange.next_five) == ("nonsense", "Mars/Olympus", [NOW])
    never = _view(Schedule(every_ms=0), NOW)
    assert never.next_five == [NOW]


def test_runs_are_told_with_how_long_they_took() -> None:
    scheduler = JobScheduler("s", "name", NOW, every("1m"), 3, {}, JobOptions())
    later = NOW + timedelta(seconds=2.5)
    runs = [SchedulerRun("repeat:s:2", "active", NOW, None), SchedulerRun("repeat:s:1", "failed", NOW, later)]
    view = schedule_view("q", scheduler, runs, instant_ms(NOW), show_all)
    assert [(run.job_id, run.state, run.run_time) for run in view.last_runs] == [
        ("repeat:s:2", "active", None),
        ("repeat:s:1", "failed", 2.5),
    ]
    assert view.runs_made == 2


def test_secrets_are_taken_out() -> None:
    scheduler = JobScheduler("s", "name", NOW, every("1m"), 1, {"token": "x"}, JobOptions(attempts=3))
    view = schedule_view("q", scheduler, [], instant_ms(NOW), lambda _: "[redacted]")
    assert (view.data, view.options) == ("[redacted]", {"attempts": 3})

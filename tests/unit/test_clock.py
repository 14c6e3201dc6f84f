"""The clocks: one that follows the server's, one that is moved by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from oxmq import ConfigurationError
from oxmq.clock import Clock, ManualClock, SystemClock


def test_the_system_clock_tells_milliseconds_since_the_epoch() -> None:
    before = time.time()
    now = SystemClock().now_ms()
    assert before * 1000 - 1 <= now <= time.time() * 1000 + 1


def test_the_system_clock_follows_the_server() -> None:
    clock, plain = SystemClock(), SystemClock()
    clock.follow(-60_000)
    assert 59_000 < plain.now_ms() - clock.now_ms() < 61_000


def test_a_difference_within_a_round_trip_is_left_alone() -> None:
    clock = SystemClock()
    clock.follow(60_000)
    clock.follow(SystemClock.TOLERANCE_MS)
    assert clock.offset_ms == 0
    clock.follow(SystemClock.TOLERANCE_MS + 1)
    assert clock.offset_ms == SystemClock.TOLERANCE_MS + 1


def test_the_manual_clock_stands_until_it_is_moved() -> None:
    clock: Clock = ManualClock(1_000)
    clock.follow(60_000)
    assert clock.now_ms() == clock.now_ms() == 1_000


def test_the_manual_clock_moves_by_seconds() -> None:
    clock = ManualClock()
    start = clock.now_ms()
    clock.advance(1.5)
    clock.advance(0.0006)
    assert clock.now_ms() - start == 1_501


def test_the_manual_clock_moves_by_durations_and_to_moments() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance("1h30m")
    assert clock.now() == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    clock.advance(timedelta(days=1))
    assert repr(clock) == "<ManualClock at 2026-01-02T01:30:00+00:00>"
    clock.travel_to(datetime(2025, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")))
    assert clock.now() == datetime(2025, 7, 1, 10, tzinfo=UTC)


def test_listeners_hear_of_each_move_until_they_take_that_back() -> None:
    clock, heard = ManualClock(0), list[int]()
    stop = clock.on_move(lambda: heard.append(clock.now_ms()))
    clock.advance(1)
    clock.travel_to(datetime(1970, 1, 1, tzinfo=UTC))
    stop()
    clock.advance(1)
    assert heard == [1_000, 0]


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), "2026-01-01", None])
def test_a_moment_needs_a_time_zone(moment: Any) -> None:
    with pytest.raises(ConfigurationError, match="moment must be a datetime with a time zone"):
        ManualClock().travel_to(moment)
    with pytest.raises(ConfigurationError, match="duration must be between 0 and 100 years"):
        ManualClock().advance(-1)

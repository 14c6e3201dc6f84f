"""The clocks: one that follows the server's, one that is moved by hand."""

from __future__ import annotations

import time

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

"""Tell the time, in a form that tests can hold still.

The wire format's times come from the client. `SystemClock` follows the server's clock once a connection has
measured the difference, so that workers on hosts whose clocks disagree still agree on what is due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, cast

from oxmq.durations import Duration, milliseconds
from oxmq.errors import ConfigurationError


class Clock(Protocol):
    """Tell wall-clock time in milliseconds since the epoch."""

    def now_ms(self) -> int:
        """Return the time now, in whole milliseconds since the epoch."""
        ...

    def follow(self, offset_ms: int) -> None:
        """Take note that the server's clock is `offset_ms` ahead of this host's."""
        ...


class SystemClock:
    """Tell this host's time, corrected by the measured offset of the server's clock."""

    #: Offsets up to this many milliseconds are within what a round trip can tell, and are left alone.
    TOLERANCE_MS = 100

    def __init__(self) -> None:
        self.offset_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def follow(self, offset_ms: int) -> None:
        self.offset_ms = offset_ms if abs(offset_ms) > self.TOLERANCE_MS else 0


class ManualClock:
    """Stand still until told to move: for tests and replays. Safe for threads.

    Workers that go by it look for work at once when it moves.

    Args:
        start: where it stands at first: milliseconds since the epoch, or a `datetime` with a time zone.
    """

    def __init__(self, start: int | datetime = 1_700_000_000_000) -> None:
        self._now_ms = start if isinstance(start, int) else _ms_of(start)
        self._listeners: list[Callable[[], object]] = []

    def __repr__(self) -> str:
        return f"<ManualClock at {self.now().isoformat()}>"

    def now_ms(self) -> int:
        return self._now_ms

    def now(self) -> datetime:
        """Return where it stands, in UTC."""
        return datetime.fromtimestamp(self._now_ms / 1000, UTC)

    def follow(self, offset_ms: int) -> None:
        """Ignore the server: a manual clock is moved by hand alone."""

    def advance(self, duration: Duration) -> None:
        """Move forward, by seconds, a `timedelta` or a text such as ``"2h30m"``."""
        self._move_to(self._now_ms + milliseconds(duration, "duration"))

    def travel_to(self, moment: datetime) -> None:
        """Move to `moment`, which must have a time zone; it may lie in the past.

        Jobs that were added at later times than `moment` stay as they are: go back before anything is added.
        """
        self._move_to(_ms_of(moment))

    def on_move(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` whenever the clock has moved, in the thread that moved it; return what takes that back."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _move_to(self, now_ms: int) -> None:
        self._now_ms = now_ms
        for listener in tuple(self._listeners):
            listener()


def _ms_of(moment: datetime) -> int:
    if not isinstance(cast("object", moment), datetime) or moment.tzinfo is None:
        raise ConfigurationError(f"moment must be a datetime with a time zone, not {moment!r}")
    return round(moment.timestamp() * 1000)

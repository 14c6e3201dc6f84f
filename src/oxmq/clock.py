"""Tell the time, in a form that tests can hold still.

The wire format's times come from the client. `SystemClock` follows the server's clock once a connection has
measured the difference, so that workers on hosts whose clocks disagree still agree on what is due.
"""

from __future__ import annotations

import time
from typing import Protocol


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
    """Stand still until told to move: for tests and replays.

    Args:
        start_ms: where it stands at first, in milliseconds since the epoch.
    """

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    def follow(self, offset_ms: int) -> None:
        """Ignore the server: a manual clock is moved by hand alone."""

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now_ms += round(seconds * 1000)

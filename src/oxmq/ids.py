"""Make the ids of jobs and the tokens of locks.

Job ids are made by the client, so that repeating an add whose answer was lost adds nothing twice. They are UUIDs of
version 7 (RFC 9562, section 5.7): ordered by time, and within a millisecond by a counter (method 1 of section 6.2).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

IdFactory = Callable[[int], str]
"""Return a new id for a job made at the given time, in milliseconds since the epoch."""


#: The hex digit that carries the variant's two bits (binary 10), for each digit drawn in its place.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_DIGITS = 16


class Uuid7Factory:
    """Make UUIDs of version 7 that rise strictly within a process. Safe across threads and forks."""

    #: How many ids' worth of entropy to ask the system for at once: asking costs more than the rest of an id.
    _POOLED = 128

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._lock = threading.Lock()
        self._pool = ""
        self._last_ms = -1
        self._counter = 0
        self._beginning = ""

    def __call__(self, now_ms: int) -> str:
        with self._lock:
            drawn = self._draw()
            self._advance(now_ms, drawn)
            return f"{self._beginning}{self._counter:03x}-{_VARIANT[drawn[0]]}{drawn[1:4]}-{drawn[4:]}"

    def forget(self) -> None:
        """Drop the entropy at hand: a forked child must not make its parent's ids."""
        self._lock = threading.Lock()
        self._pool = ""

    def _draw(self) -> str:
        if not self._pool:
            self._pool = self._entropy(_DIGITS // 2 * self._POOLED).hex()
        drawn, self._pool = self._pool[:_DIGITS], self._pool[_DIGITS:]
        return drawn

    def _advance(self, now_ms: int, drawn: str) -> None:
        if now_ms > self._last_ms:
            # Half of the counter's room is left for this millisecond's other ids.
            self._move_to(now_ms, int(drawn[-3:], 16) & 0x7FF)
        elif self._counter < 0xFFF:
            self._counter += 1
        else:
            self._move_to(self._last_ms + 1, 0)

    def _move_to(self, ms: int, counter: int) -> None:
        self._last_ms, self._counter = ms, counter
        self._beginning = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"


_factory = Uuid7Factory()
os.register_at_fork(after_in_child=_factory.forget)

uuid7: IdFactory = _factory
"""The process's own maker of job ids."""

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


class Uuid7Factory:
    """Make UUIDs of version 7 that rise strictly within a process. Safe across threads and forks."""

    #: How many ids' worth of entropy to ask the system for at once: asking costs more than the rest of an id.
    _POOLED = 128

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._lock = threading.Lock()
        self._pool = b""
        self._last_ms = -1
        self._counter = 0

    def __call__(self, now_ms: int) -> str:
        with self._lock:
            random = self._draw()
            millis, counter = self._advance(now_ms, random)
        text = f"{millis << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random >> 2:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def forget(self) -> None:
        """Drop the entropy at hand: a forked child must not make its parent's ids."""
        self._lock = threading.Lock()
        self._pool = b""

    def _draw(self) -> int:
        if not self._pool:
            self._pool = self._entropy(8 * self._POOLED)
        drawn, self._pool = self._pool[:8], self._pool[8:]
        return int.from_bytes(drawn)

    def _advance(self, now_ms: int, random: int) -> tuple[int, int]:
        if now_ms > self._last_ms:
            # Half of the counter's room is left for this millisecond's other ids.
            self._last_ms, self._counter = now_ms, random & 0x7FF
        elif self._counter < 0xFFF:
            self._counter += 1
        else:
            self._last_ms, self._counter = self._last_ms + 1, 0
        return self._last_ms, self._counter


_factory = Uuid7Factory()
os.register_at_fork(after_in_child=_factory.forget)

uuid7: IdFactory = _factory
"""The process's own maker of job ids."""

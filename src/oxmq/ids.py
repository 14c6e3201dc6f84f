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
    """Make UUIDs of version 7 that rise strictly within a process."""

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._lock = threading.Lock()
        self._last_ms = -1
        self._counter = 0

    def __call__(self, now_ms: int) -> str:
        random = int.from_bytes(self._entropy(8))
        with self._lock:
            millis, counter = self._advance(now_ms, random)
        value = millis << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random >> 2
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _advance(self, now_ms: int, random: int) -> tuple[int, int]:
        if now_ms > self._last_ms:
            # Half of the counter's room is left for this millisecond's other ids.
            self._last_ms, self._counter = now_ms, random & 0x7FF
        elif self._counter < 0xFFF:
            self._counter += 1
        else:
            self._last_ms, self._counter = self._last_ms + 1, 0
        return self._last_ms, self._counter


uuid7: IdFactory = Uuid7Factory()
"""The process's own maker of job ids."""

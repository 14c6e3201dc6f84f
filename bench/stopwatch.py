"""Count the jobs that a worker handles and take a reading when it is warm and when it is done."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from bench.meter import Meter, Reading


class Stopwatch:
    """Start after `warm` jobs and call `on_end` after `jobs` more. Safe to mark from many threads."""

    def __init__(self, meter: Meter, warm: int, jobs: int, on_end: Callable[[], object]) -> None:
        self.begin: Reading | None = None
        self.end: Reading | None = None
        self._meter = meter
        self._warm = warm
        self._last = warm + jobs
        self._on_end = on_end
        self._next = itertools.count(1).__next__

    def mark(self, _number: int) -> None:
        """Count one handled job."""
        count = self._next()
        if count == self._warm:
            self.begin = self._meter.read()
        elif count == self._last:
            self.end = self._meter.read()
            self._on_end()

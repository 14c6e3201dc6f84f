"""Notice how much processor time programs take that have no part in a measurement: they spoil it."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Self

from bench.server import Server

#: Cores in use by others from which on a measurement counts as disturbed: the kernel's own work stays below.
TOLERATED = 0.25
#: Columns of the first line of /proc/stat that say what the processors did: user, nice, system, irq, softirq, steal.
BUSY_COLUMNS = (1, 2, 3, 6, 7, 8)
STAT = Path("/proc/stat")
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class Disturbance:
    """Watch the machine while the context is open; `cores` says afterwards how many cores others used.

    Where the system does not tell (it does on Linux), `cores` is 0.
    """

    def __init__(self, server: Server) -> None:
        self.cores = 0.0
        self._server = server

    def __enter__(self) -> Self:
        self._begin = self._foreign_seconds()
        self._clock = time.perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        seconds = self._foreign_seconds() - self._begin
        self.cores = max(0.0, seconds / (time.perf_counter() - self._clock))

    def _foreign_seconds(self) -> float:
        """Return the processor time of everything but the server, this process and the children that it waited for."""
        own = sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, WHO))
        return busy_seconds() - own - self._server.cpu_seconds() if STAT.exists() else 0.0


def busy_seconds() -> float:
    """Return the processor time that the whole machine has used since its start."""
    columns = STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
    return sum(int(columns[place]) for place in BUSY_COLUMNS) / os.sysconf("SC_CLK_TCK")

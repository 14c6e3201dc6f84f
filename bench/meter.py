"""Read the clock, the processor time of Redis and that of the worker: what every figure is computed from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import redis


class Reading(NamedTuple):
    """One moment: the clock and the processor time used so far, all in seconds."""

    clock: float
    redis_cpu: float
    own_cpu: float


class Meter:
    """Read one Redis server and the process that works for it.

    `own_cpu` returns the seconds of processor time of the worker; by default all threads of this process.
    """

    def __init__(self, url: str, own_cpu: Callable[[], float] = time.process_time) -> None:
        self._client: Any = redis.Redis.from_url(url)
        self._own_cpu = own_cpu
        self._client.ping()

    def read(self) -> Reading:
        """Return the present reading; blocks for one round trip."""
        cpu = self._client.info("cpu")
        return Reading(time.perf_counter(), cpu["used_cpu_user"] + cpu["used_cpu_sys"], self._own_cpu())

    def completed(self, queue: str) -> int:
        """Return how many completed jobs BullMQ's layout records for `queue`."""
        return int(self._client.zcard(f"bull:{queue}:completed"))

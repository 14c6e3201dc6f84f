"""Give back the jobs of workers that died: any worker does it for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from oxmq.clock import Clock
from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import lifecycle
from oxmq.transport.runner import AsyncRunner
from oxmq.worker.service import Service


class StalledChecker(Service):
    """Look for stalled jobs once in each interval.

    A job is recovered at the second check after its lock ran out.
    """

    def __init__(
        self,
        runner: AsyncRunner,
        keys: QueueKeys,
        clock: Clock,
        interval_ms: int,
        max_stalled_count: int,
        on_stalled: Callable[[list[str]], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._runner = runner
        self._keys = keys
        self._clock = clock
        self._interval_ms = interval_ms
        self._max_stalled_count = max_stalled_count
        self._on_stalled = on_stalled
        self._on_error = on_error

    async def check(self) -> list[str]:
        """Check now, unless some worker has in this interval; return the ids recovered."""
        call = lifecycle.recover_stalled(self._keys, self._clock.now_ms(), self._max_stalled_count, self._interval_ms)
        return await self._runner.run(call)

    async def _run(self) -> None:
        while True:
            try:
                if recovered := await self.check():
                    self._on_stalled(recovered)
            except OxmqError as error:
                self._on_error(error)
            await asyncio.sleep(self._interval_ms / 1000)

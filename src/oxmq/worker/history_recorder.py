"""Write down what went on in the queue, minute by minute: any worker does it for all."""

from __future__ import annotations

import asyncio
import contextlib
import random

from oxmq.clock import Clock
from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import history
from oxmq.ops.history import MINUTE_MS
from oxmq.transport.runner import AsyncRunner
from oxmq.worker.service import Service

#: How long after the end of a minute it is written down, in seconds: workers do not all come at once.
_EARLIEST, _LATEST = 1.0, 10.0


class HistoryRecorder(Service):
    """Write down each minute that has passed, unless another worker has. Nothing depends on it."""

    def __init__(self, runner: AsyncRunner, keys: QueueKeys, clock: Clock) -> None:
        self._runner = runner
        self._keys = keys
        self._clock = clock

    async def record(self) -> bool:
        """Write the last full minute down; return whether this call did."""
        now = self._clock.now_ms()
        return await self._runner.run(history.record(self._keys, history.last_full_minute(now), now))

    async def _run(self) -> None:
        while True:
            left = MINUTE_MS - self._clock.now_ms() % MINUTE_MS
            await asyncio.sleep(left / 1000 + random.uniform(_EARLIEST, _LATEST))
            with contextlib.suppress(OxmqError):
                await self.record()

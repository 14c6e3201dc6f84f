"""Stop what runs and was cancelled elsewhere."""

from __future__ import annotations

import asyncio

from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import lifecycle
from oxmq.transport.runner import AsyncRunner
from oxmq.worker.executor import Executor
from oxmq.worker.service import Service

#: How often to ask, in seconds. Jobs that end sooner are never asked about.
_INTERVAL = 0.5
#: How many jobs one call asks about.
_ASKED_AT_ONCE = 500


class CancelWatch(Service):
    """Ask about the jobs that have been running for a while whether somebody has cancelled them."""

    def __init__(self, runner: AsyncRunner, keys: QueueKeys, executor: Executor) -> None:
        self._runner = runner
        self._keys = keys
        self._executor = executor

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            ids = self._executor.running_for(_INTERVAL)
            for first in range(0, len(ids), _ASKED_AT_ONCE):
                await self._ask(ids[first : first + _ASKED_AT_ONCE])

    async def _ask(self, ids: list[str]) -> None:
        try:
            cancelled = await self._runner.run(lifecycle.find_cancelled(self._keys, ids))
        except OxmqError:
            return  # the jobs go on; the next round asks again
        for job_id, reason in cancelled.items():
            self._executor.cancel(reason, job_id)

"""Give every background duty of a worker the same two verbs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import final


class Service(ABC):
    """Run one duty in a task of its own, from `start` to `stop`.

    `stop` may be called at any time, more than once, and without a start.
    """

    _task: asyncio.Task[None] | None = None

    @final
    def start(self) -> None:
        """Start the duty on the running loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=type(self).__name__)

    @final
    async def stop(self) -> None:
        """Stop the duty and wait until it has."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @abstractmethod
    async def _run(self) -> None:
        """Do the duty until cancelled."""

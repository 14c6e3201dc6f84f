"""Keep blocking database work off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class DatabaseThread:
    """Run pieces of work one after the other in one thread: some drivers bind a connection to the thread it is of.

    When a caller is cancelled, the piece under way ends in peace, and what the caller cleans up comes after it.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "oxmq-outbox")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """End the thread after the work that it has. Later work gets another one."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

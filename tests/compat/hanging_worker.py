"""Run a worker whose handler never returns, for a test to kill: ``python hanging_worker.py <url> <queue>``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from oxmq import Job, Worker


async def hang(_job: Job[Any]) -> None:
    """Work for ever."""
    await asyncio.Event().wait()


async def main(url: str, queue: str) -> None:
    """Take jobs until killed."""
    async with Worker(queue, hang, connection=url, lock_duration=1, stalled_interval=0.5) as worker:
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

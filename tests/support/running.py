"""Work a queue until it is empty, from a test that has no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from oxmq import Queue, Worker
from tests.support.waiting import eventually


def run_jobs(url: str, prefix: str, name: str, process: Callable[..., Any]) -> None:
    """Run what is ready in a queue, and return when nothing is left to run."""
    asyncio.run(_run_jobs(url, prefix, name, process))


async def _run_jobs(url: str, prefix: str, name: str, process: Callable[..., Any]) -> None:
    async with Queue(name, url, prefix=prefix) as queue, Worker(name, process, url, prefix=prefix) as worker:

        async def is_done() -> bool:
            return await queue.get_job_count_by_types("waiting", "prioritized", "active") == 0

        worker.start()
        await eventually(is_done, 20, f"queue {name} is not worked off")

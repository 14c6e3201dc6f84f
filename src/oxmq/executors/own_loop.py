"""Run a coroutine to its end from code that cannot await it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_on_own_loop(call: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on a loop of its own: in this thread or, where that has a running loop, in another one."""

    async def run() -> T:
        return await call()

    def run_here() -> T:
        # With a factory the thread's own loop, if it has one, is left alone.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(run())

    if not is_on_loop():
        return run_here()
    with ThreadPoolExecutor(1, thread_name_prefix="oxmq-inline") as pool:
        return pool.submit(contextvars.copy_context().run, run_here).result()


def is_on_loop() -> bool:
    """Tell whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

"""Tell the handler of a process's only job that it should stop: what SIGTERM means there."""

from __future__ import annotations

import asyncio
import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable


def stop_handler_on_sigterm(on_stop: Callable[[], None] | None = None) -> None:
    """Have SIGTERM raise `SystemExit` in a plain handler, and `asyncio.CancelledError` in a coroutine.

    Must be called in the main thread, and the handler must run there. `on_stop` is called first.
    """

    def stop(*_: object) -> None:
        if on_stop is not None:
            on_stop()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise SystemExit("the job was told to stop by SIGTERM") from None
        # Not here and now: this may have interrupted the loop in the middle of anything.
        loop.call_soon_threadsafe(_cancel_all, loop)

    signal.signal(signal.SIGTERM, stop)


def _cancel_all(loop: AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel("the job was told to stop by SIGTERM")

"""Tell listeners in the same process what a worker does."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, get_args

from oxmq.errors import ConfigurationError

logger = logging.getLogger("oxmq.worker")

_FAILED = "a listener to %r failed"

WorkerEvent = Literal[
    "ready",
    "active",
    "progress",
    "completed",
    "failed",
    "retrying",
    "drained",
    "stalled",
    "lock_lost",
    "error",
    "paused",
    "resumed",
    "closing",
    "closed",
]
"""What a worker can tell: see `Worker.on`."""

Callback = Callable[..., Any]
"""``def`` or ``async def``; what it returns is not looked at."""


def check_event(event: str) -> None:
    """Refuse what is no event of a worker.

    Raises:
        ConfigurationError: it is none; the message names those that there are.
    """
    if event not in get_args(WorkerEvent):
        raise ConfigurationError(f"event must be one of {', '.join(get_args(WorkerEvent))}, not {event!r}")


class Listeners:
    """Hold who wants to hear what."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def add(self, event: str, callback: Callback) -> None:
        """Call `callback` at each `event` from now on."""
        self._callbacks.setdefault(event, []).append(callback)

    def remove(self, event: str, callback: Callback) -> None:
        """Take back one `add`, if there was one."""
        callbacks = self._callbacks.get(event, [])
        if callback in callbacks:
            callbacks.remove(callback)

    def wanted(self, event: str) -> bool:
        """Tell whether anybody listens to `event`."""
        return bool(self._callbacks.get(event))

    def tell(self, event: str, *details: object) -> None:
        """Call everybody who listens to `event`; what a listener raises is logged and goes no further."""
        for callback in tuple(self._callbacks.get(event, ())):
            try:
                said = callback(*details)
            except Exception:
                logger.exception(_FAILED, event)
            else:
                if inspect.iscoroutine(said):
                    self._await(event, said)

    def _await(self, event: str, said: Coroutine[Any, Any, object]) -> None:
        async def hear() -> None:
            try:
                await said
            except Exception:
                logger.exception(_FAILED, event)

        task = asyncio.get_running_loop().create_task(hear())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

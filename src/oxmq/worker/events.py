"""Tell listeners in the same process what a worker does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

logger = logging.getLogger("oxmq.worker")

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


class Listeners:
    """Hold who wants to hear what."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {}

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
                callback(*details)
            except Exception:
                logger.exception("a listener to %r failed", event)

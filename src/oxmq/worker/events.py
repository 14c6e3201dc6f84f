"""Tell listeners in the same process what a worker does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

logger = logging.getLogger("oxmq.worker")

WorkerEvent = Literal["active", "completed", "failed", "retrying", "stalled", "lock_lost", "error", "closed"]
"""What a worker can tell: see `Worker.on`."""

Callback = Callable[..., Any]


class Listeners:
    """Hold who wants to hear what."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {}

    def add(self, event: str, callback: Callback) -> None:
        """Call `callback` at each `event` from now on."""
        self._callbacks.setdefault(event, []).append(callback)

    def wanted(self, event: str) -> bool:
        """Tell whether anybody listens to `event`."""
        return event in self._callbacks

    def tell(self, event: str, *details: object) -> None:
        """Call everybody who listens to `event`; what a listener raises is logged and goes no further."""
        for callback in self._callbacks.get(event, ()):
            try:
                callback(*details)
            except Exception:
                logger.exception("a listener to %r failed", event)

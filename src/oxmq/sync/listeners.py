# Written by tools/unasync.py from oxmq/client/listeners.py; change that file, not this one.
"""Hold who wants to hear of which event of a queue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from oxmq.records import Event
from oxmq.transport.sync_stream import settle

logger = logging.getLogger("oxmq.events")

Listener = Callable[[Event], Any]
"""Hear of an event."""


class Listeners:
    """Call functions at events."""

    def __init__(self) -> None:
        self._of_all: dict[tuple[str, str | None], list[Listener]] = {}

    def add(self, name: str, listener: Listener, job_id: str | None) -> None:
        """Call `listener` at each event of that name, of one job or of any."""
        self._of_all.setdefault((name, job_id), []).append(listener)

    def remove(self, name: str, listener: Listener, job_id: str | None) -> None:
        """Take back one `add`, if there was one."""
        listeners = self._of_all.get((name, job_id), [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._of_all.pop((name, job_id), None)

    def tell(self, event: Event) -> None:
        """Call everybody who wants to hear of it; what a listener raises is logged and goes no further."""
        wanted = dict.fromkeys(((event.name, None), (event.name, event.job_id)))
        for listener in [listener for key in wanted for listener in self._of_all.get(key, ())]:
            try:
                settle(listener(event))
            except Exception:
                logger.exception("a listener to %r failed", event.name)

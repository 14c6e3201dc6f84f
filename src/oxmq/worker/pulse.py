"""Show that the event loop is alive."""

from __future__ import annotations

import asyncio

from oxmq.worker.lock_renewer import LockRenewer
from oxmq.worker.service import Service

_BEAT = 0.5


class Pulse(Service):
    """Beat twice a second, for the lock renewer to see, and note how late the loop is."""

    def __init__(self, renewer: LockRenewer) -> None:
        self._renewer = renewer
        self._latest = 0.0
        self.lag = 0.0
        """By how many seconds the last beat was late."""

    def take_lag(self) -> float:
        """Return by how many seconds a beat was late at most since this was last asked."""
        latest, self._latest = self._latest, 0.0
        return latest

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._renewer.beat()
            due = loop.time() + _BEAT
            await asyncio.sleep(_BEAT)
            self.lag = max(0.0, loop.time() - due)
            self._latest = max(self._latest, self.lag)

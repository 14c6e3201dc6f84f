"""Show that the event loop is alive, and how late it runs."""

from __future__ import annotations

import asyncio

from oxmq.worker.lock_renewer import LockRenewer
from oxmq.worker.service import Service

_BEAT = 0.5


class Pulse(Service):
    """Beat twice a second, for the lock renewer to see.

    Attributes:
        lag: by how many seconds the latest beat came late: for so long the loop was blocked.
    """

    def __init__(self, renewer: LockRenewer) -> None:
        self._renewer = renewer
        self.lag = 0.0

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._renewer.beat()
            due = loop.time() + _BEAT
            await asyncio.sleep(_BEAT)
            self.lag = max(0.0, loop.time() - due)

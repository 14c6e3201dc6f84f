"""Show that the event loop is alive."""

from __future__ import annotations

import asyncio

from oxmq.worker.lock_renewer import LockRenewer
from oxmq.worker.service import Service

_BEAT = 0.5


class Pulse(Service):
    """Beat twice a second, for the lock renewer to see."""

    def __init__(self, renewer: LockRenewer) -> None:
        self._renewer = renewer

    async def _run(self) -> None:
        while True:
            self._renewer.beat()
            await asyncio.sleep(_BEAT)

"""Bear that Redis or the database is away: say so once, and wait longer each time."""

from __future__ import annotations

import logging
import random
import time
from typing import Final

logger = logging.getLogger("oxmq.outbox")

#: The first pause and the longest, in seconds.
_FIRST_PAUSE: Final = 0.5
_LAST_PAUSE: Final = 15.0


class Outage:
    """Remember whether, since when and why nothing can be relayed.

    Attributes:
        reason: why; empty while all is well.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._since = 0.0
        self._pause = _FIRST_PAUSE

    @property
    def seconds(self) -> float:
        """Return how long it has lasted; 0 while all is well."""
        return time.monotonic() - self._since if self.reason else 0.0

    def note(self, error: Exception) -> float:
        """Note a failure; return how long to wait, in seconds."""
        reason = f"{type(error).__name__}: {error}"
        if not self.reason:
            self._since = time.monotonic()
            logger.error("nothing is relayed for now, the rows stay: %s", reason)
        self.reason = reason
        pause, self._pause = self._pause, min(self._pause * 2, _LAST_PAUSE)
        # Up to a quarter less, so that many relays do not come back all at once.
        return pause * random.uniform(0.75, 1)

    def end(self) -> None:
        """Note a success."""
        if self.reason:
            logger.info("relaying again, after %.0f s", self.seconds)
        self.reason, self._pause = "", _FIRST_PAUSE

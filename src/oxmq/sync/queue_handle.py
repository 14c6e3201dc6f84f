# Written by tools/unasync.py from oxmq/client/queue_handle.py; change that file, not this one.
"""Hold what every part of a queue's interface needs: its surroundings, its name, its end."""

from __future__ import annotations

from oxmq.sync.closing import Closing
from oxmq.sync.context import QueueContext


class QueueHandle(Closing):
    """Be tied to one queue."""

    _context: QueueContext

    @property
    def name(self) -> str:
        return self._context.keys.name

    @property
    def qualified_name(self) -> str:
        """Return prefix and name, as parents of jobs are named."""
        return self._context.keys.qualified_name

    def close(self) -> None:
        """Close the connection. Jobs go on; a later call connects again."""
        self._context.close()

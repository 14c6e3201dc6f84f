"""Hold what every part of a queue's interface needs: its surroundings, its name, its end."""

from __future__ import annotations

from oxmq.client.closing import Closing
from oxmq.client.context import QueueContext


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

    async def close(self) -> None:
        """Close the connection. Jobs go on; a later call connects again."""
        await self._context.close()

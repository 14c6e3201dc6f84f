"""Say what a relay needs of a database: rows to relay, and the news of what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from msgspec import Struct

from oxmq.errors import OxmqError
from oxmq.outbox.row import OutboxRow

#: Rows are counted up to here: an exact number would take a scan of the table.
MOST_COUNTED: Final = 100_000


class DatabaseError(OxmqError):
    """Say that the database could not be asked; the rows are where they were."""


class Refusal(Struct, frozen=True):
    """Hold why a row was not taken, and when to try it again.

    Attributes:
        id: the row.
        due_ms: when to try it again, in milliseconds since the epoch.
        attempts: how often it was refused, with this time.
        error: the reason.
    """

    id: str
    due_ms: int
    attempts: int
    error: str


class Backlog(Struct, frozen=True):
    """Hold what waits in an outbox.

    Attributes:
        rows: how many rows there are; counted up to 100,000.
        refused: how many of them Redis has refused, so that somebody should look; counted likewise.
        oldest: how long the oldest has been there, in seconds; 0 without rows.
    """

    rows: int
    refused: int
    oldest: float


class Batch(Protocol):
    """Hold rows that are being relayed. Where the database can, nobody else gets them meanwhile."""

    @property
    def rows(self) -> Sequence[OutboxRow]:
        """Return the rows, the oldest first; none when there are none, or another relay is at work."""
        ...

    async def settle(self, added: Sequence[str], refused: Sequence[Refusal]) -> None:
        """Delete the rows that were added and note the refusals, in one transaction; leave the others as they are."""
        ...


class Store(Protocol):
    """Hold an outbox's rows. What the database refuses is raised as `DatabaseError`."""

    def batch(self, now_ms: int, limit: int) -> AbstractAsyncContextManager[Batch]:
        """Give the oldest rows that are due, until the block ends; what was not settled then is as it was."""
        ...

    async def backlog(self, now_ms: int) -> Backlog:
        """Return what waits."""
        ...

    async def close(self) -> None:
        """Let go of what the store opened. A later call opens it anew."""
        ...

"""What a peer has to offer so that it can be measured: a few verbs, in an asyncio and in a blocking form."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

#: The queue that every peer uses; the server is empty before each measurement.
QUEUE = "bench"
#: Jobs handed over in one call where a peer can add in bulk.
CHUNK = 1_000
#: Adds in flight at a time where a peer has to add one by one.
IN_FLIGHT = 100

#: Called by the job with its number: the whole work of a job.
Handler = Callable[[int], object]


class AsyncPeer(Protocol):
    """A library whose producer and worker run on an event loop."""

    def version(self) -> str:
        """Return the release that is measured."""
        ...

    async def open(self, url: str) -> None:
        """Connect the producer."""
        ...

    async def close(self) -> None:
        """Disconnect the producer."""
        ...

    async def add(self, number: int) -> None:
        """Add one job with the payload ``{"i": number}`` and return when Redis has it."""
        ...

    async def add_many(self, count: int) -> None:
        """Add the jobs 0 to `count` - 1 in the fastest way that the library has."""
        ...

    def worker(self, concurrency: int, handler: Handler) -> AbstractAsyncContextManager[None]:
        """Run a worker in this process while the context is open."""
        ...

    def records_completion(self) -> bool:
        """Return whether the layout is BullMQ's, where the completed jobs can be counted."""
        ...


class BlockingPeer(Protocol):
    """A library whose producer blocks and whose worker runs jobs in threads or processes."""

    def version(self) -> str:
        """Return the release that is measured."""
        ...

    def open(self, url: str) -> None:
        """Connect the producer."""
        ...

    def close(self) -> None:
        """Disconnect the producer."""
        ...

    def add(self, number: int) -> None:
        """Add one job with the payload ``{"i": number}`` and return when Redis has it."""
        ...

    def add_many(self, count: int) -> None:
        """Add the jobs 0 to `count` - 1 in the fastest way that the library has."""
        ...

    def worker(self, concurrency: int, handler: Handler) -> AbstractContextManager[None]:
        """Run a worker while the context is open."""
        ...

    def own_cpu(self) -> float:
        """Return the seconds of processor time that the worker used so far."""
        ...

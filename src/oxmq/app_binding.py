"""Hold what an application's calls go through: a server, a prefix, a clock. An application can change from one to
another and back, for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from oxmq.client.context import QueueContext
from oxmq.client.results import ResultReader
from oxmq.clock import Clock
from oxmq.keys import QueueKeys
from oxmq.ops.drafts import IdKind, JobDrafter
from oxmq.options import JobOptions
from oxmq.sync.context import QueueContext as SyncQueueContext
from oxmq.sync.results import ResultReader as SyncResultReader
from oxmq.tracing import Telemetry
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from oxmq.transport.sync_runner import SyncRunner


class AppBinding:
    """Hold one server, prefix and clock, and what is made of them. Building one connects to nothing.

    Args:
        endpoint: where the server is.
        prefix: with what all keys begin.
        clock: gives the time.
        defaults: options under those of each task.
        ids: who makes the ids of jobs.
        runner: executes calls on an event loop; one for the endpoint when not given.
        sync_runner: executes calls from blocking code; one for the endpoint when not given.
        telemetry: follows the jobs; None for nothing.
        stands_in: whether this stands in for an application's own, for a test: what a child process would find by
            importing the application is then not what the test sees.
        inline: whether jobs run where they are enqueued, so that there is nothing for a worker to do.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        prefix: str,
        clock: Clock,
        defaults: JobOptions | None,
        ids: IdKind,
        *,
        runner: AsyncRunner | None = None,
        sync_runner: SyncRunner | None = None,
        telemetry: Telemetry | None = None,
        stands_in: bool = False,
        inline: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.prefix = prefix
        self.clock = clock
        self.ids: IdKind = ids
        self.stands_in = stands_in
        self.inline = inline
        self.telemetry = telemetry
        self.drafter = JobDrafter(clock, defaults, ids)
        # The jobs of a flow name each other, so that their ids must be known beforehand.
        self.flow_drafter = JobDrafter(clock, defaults, "uuid")
        self.runner = runner or AsyncRunner(endpoint, clock)
        self.sync_runner = sync_runner or SyncRunner(endpoint, clock)
        self._contexts: dict[str, QueueContext] = {}
        self._sync_contexts: dict[str, SyncQueueContext] = {}

    def context(self, queue: str) -> QueueContext:
        """Return a queue's surroundings."""
        if queue not in self._contexts:
            self._contexts[queue] = QueueContext(
                self.runner, QueueKeys(queue, self.prefix), self.clock, telemetry=self.telemetry
            )
        return self._contexts[queue]

    def sync_context(self, queue: str) -> SyncQueueContext:
        """Return a queue's surroundings for code without an event loop."""
        if queue not in self._sync_contexts:
            self._sync_contexts[queue] = SyncQueueContext(
                self.sync_runner, QueueKeys(queue, self.prefix), self.clock, telemetry=self.telemetry
            )
        return self._sync_contexts[queue]

    def follow(self, telemetry: Telemetry | None) -> None:
        """Let `telemetry` follow the jobs from now on, and nothing else."""
        self.telemetry = telemetry
        for context in self._contexts.values():
            context.telemetry = telemetry
        for twin in self._sync_contexts.values():
            twin.telemetry = telemetry

    def take_over(self, other: AppBinding) -> None:
        """Let the queues and jobs that were made on `other` go through this one from now on."""
        for queue, context in other._contexts.items():
            context.runner, context.keys, context.clock = self.runner, QueueKeys(queue, self.prefix), self.clock
            context.results = ResultReader(self.runner, context.keys)
            self._contexts[queue] = context
        for queue, twin in other._sync_contexts.items():
            twin.runner, twin.keys, twin.clock = self.sync_runner, QueueKeys(queue, self.prefix), self.clock
            twin.results = SyncResultReader(self.sync_runner, twin.keys)
            self._sync_contexts[queue] = twin

    async def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        for context in self._contexts.values():
            await context.results.close()
        await self.runner.close()
        await asyncio.to_thread(self.sync_runner.close)

    def release(self) -> None:
        """Close the connections from code without an event loop, whatever became of the loop that opened them."""
        for context in self._sync_contexts.values():
            context.results.close()
        self.sync_runner.close()
        self.runner.release()


AppT = TypeVar("AppT")


class Bound(Generic[AppT]):
    """Bind an application for as long as a ``with`` or ``async with`` block lasts. Made by `Oxmq.bound_to`.

    Args:
        app: the application, which the block is given.
        binding: to what it is bound.
        swap: gives the application a binding, and returns the one that it had.
    """

    def __init__(self, app: AppT, binding: AppBinding, swap: Callable[[AppBinding], AppBinding]) -> None:
        self._app = app
        self._binding = binding
        self._swap = swap
        self._before: list[AppBinding] = []

    def __enter__(self) -> AppT:
        before = self._swap(self._binding)
        self._binding.take_over(before)
        self._before.append(before)
        return self._app

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()
        self._binding.release()

    async def __aenter__(self) -> AppT:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()
        await self._binding.close()

    def _put_back(self) -> None:
        before = self._before.pop()
        self._swap(before)
        before.take_over(self._binding)

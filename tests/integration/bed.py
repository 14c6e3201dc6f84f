"""Make queues, workers and apps for a test, and close them all at its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from oxmq import FlowProducer, Job, Oxmq, Queue, QueueEvents, Worker
from oxmq.app_worker import AppWorker
from tests.support.waiting import eventually

T = TypeVar("T")

#: The queue of tests that need only one.
QUEUE = "q"


class Bed:
    """Make what a test needs under one prefix.

    Attributes:
        url: the server's address.
        prefix: with what all keys begin.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self._open: list[Any] = []

    def queue(self, name: str = QUEUE, **options: Any) -> Queue:
        """Return a queue."""
        return self._keep(Queue(name, self.url, prefix=self.prefix, **options))

    def producer(self, **options: Any) -> FlowProducer:
        """Return a producer of flows."""
        return self._keep(FlowProducer(self.url, prefix=self.prefix, **options))

    def worker(self, process: Callable[..., Any], name: str = QUEUE, **options: Any) -> Worker:
        """Return a worker that does not work yet."""
        return self._keep(Worker(name, process, self.url, prefix=self.prefix, **options))

    def working(self, process: Callable[..., Any], name: str = QUEUE, **options: Any) -> Worker:
        """Return a worker that works."""
        worker = self.worker(process, name, **options)
        worker.start()
        return worker

    def events(self, name: str = QUEUE, last_event_id: str = "0") -> QueueEvents:
        """Return a reader of the queue's events, from the first one on."""
        return self._keep(QueueEvents(name, self.url, prefix=self.prefix, last_event_id=last_event_id))

    def app(self, **options: Any) -> Oxmq:
        """Return an app without tasks."""
        return self._keep(Oxmq(self.url, prefix=self.prefix, **options))

    def app_worker(self, app: Oxmq, **options: Any) -> AppWorker:
        """Return a worker of an app that does not work yet."""
        return self._keep(app.worker(**options))

    @contextlib.asynccontextmanager
    async def working_app(self, app: Oxmq) -> AsyncGenerator[None]:
        """Have a worker of an app at work in a ``with`` block."""
        worker = self.app_worker(app)
        running = asyncio.create_task(worker.run(handle_signals=False))
        yield
        await worker.close(grace=0)
        await running

    async def close(self) -> None:
        """Close everything, the last first."""
        for thing in reversed(self._open):
            await (thing.close(grace=0) if isinstance(thing, Worker | AppWorker) else thing.close())

    def _keep(self, thing: T) -> T:
        self._open.append(thing)
        return thing


async def reaches(job: Job[Any], state: str, timeout: float = 5.0) -> None:
    """Wait until the job is in the given state, then read it anew."""

    async def is_there() -> bool:
        return await job.get_state() == state

    await eventually(is_there, timeout, f"job {job.id} does not become {state}")
    await job.refresh()


def at_once(events: list[Any]) -> Callable[..., None]:
    """Return a listener that notes what it hears."""

    def note(*details: Any) -> None:
        events.append(details[0] if len(details) == 1 else details)

    return note

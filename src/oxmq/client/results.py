"""Wait for jobs to end: one reader of the event stream serves all who wait on a queue."""

from __future__ import annotations

import asyncio
import contextlib
import time

from oxmq.codec import encode_json
from oxmq.errors import BackendError
from oxmq.keys import QueueKeys
from oxmq.ops import jobs
from oxmq.ops.jobs import Ended
from oxmq.records import Event
from oxmq.transport.runner import AsyncRunner
from oxmq.transport.stream import BlockingConnection, newest_event_id, read_events

#: How long one read of the stream blocks, in seconds.
_BLOCK = 5.0
#: How often a waiter looks for itself, in seconds: events can be trimmed, or lost with a connection.
_LOOK = 5.0
#: How long to wait after the connection broke, in seconds.
_RETRY_PAUSE = 0.2


class ResultReader:
    """Read the ends of one queue's jobs."""

    def __init__(self, runner: AsyncRunner, keys: QueueKeys) -> None:
        self._runner = runner
        self._keys = keys
        self._waiters: dict[str, set[asyncio.Future[Ended]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = asyncio.Event()

    async def wait(self, job_id: str, timeout: float | None) -> Ended:
        """Return how the job ended, waiting for it at most `timeout` seconds.

        Raises:
            TimeoutError: it had not ended in time.
            JobNotFoundError: there is no such job.
        """
        future = self._register(job_id)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            # Listen first, then ask: so a job that ends in between is not missed.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._listening.wait()
            while True:
                ended = future.result() if future.done() else await self._look(job_id)
                if ended is not None:
                    return ended
                slice_ = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
                if slice_ <= 0:
                    raise TimeoutError(f"job {job_id} of queue {self._keys.name!r} did not end within {timeout} s")
                await asyncio.wait({future}, timeout=slice_)
        finally:
            self._unregister(job_id, future)

    async def _look(self, job_id: str) -> Ended | None:
        return await self._runner.run(jobs.is_finished(self._keys, job_id))

    async def close(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _register(self, job_id: str) -> asyncio.Future[Ended]:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._task, self._waiters, self._listening = loop, None, {}, asyncio.Event()
        future: asyncio.Future[Ended] = loop.create_future()
        self._waiters.setdefault(job_id, set()).add(future)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._read())
        return future

    def _unregister(self, job_id: str, future: asyncio.Future[Ended]) -> None:
        waiters = self._waiters.get(job_id, set())
        waiters.discard(future)
        if not waiters:
            self._waiters.pop(job_id, None)

    async def _read(self) -> None:
        """Read on until nobody has waited for the length of a read."""
        connection = BlockingConnection(self._runner.endpoint, "")
        events = self._keys.of("events")
        after: str | None = None
        idle = False
        try:
            while self._waiters or not idle:
                idle = not self._waiters
                try:
                    after = after or await newest_event_id(connection, events)
                    self._listening.set()
                    for event in await read_events(connection, events, after, _BLOCK):
                        after = event.id
                        self._deliver(event)
                except BackendError:
                    # The waiters look for themselves meanwhile; the stream is read on where it was left.
                    await asyncio.sleep(_RETRY_PAUSE)
        finally:
            self._listening.clear()
            self._task = None
            await connection.close()

    def _deliver(self, event: Event) -> None:
        waiters = self._waiters.get(event.job_id or "")
        if not waiters or event.name not in ("completed", "failed"):
            return
        if event.name == "completed":
            ended = Ended(value=encode_json(event.fields.get("returnvalue"), "result", None))
        else:
            ended = Ended(reason=str(event.fields.get("failedReason", "")))
        for future in waiters:
            if not future.done():
                future.set_result(ended)

"""Wait for jobs to end: all who wait on one server, in one event loop, share one connection."""

from __future__ import annotations

import asyncio
import time
from weakref import WeakKeyDictionary, WeakSet

from oxmq.errors import BackendError
from oxmq.keys import QueueKeys
from oxmq.ops import jobs
from oxmq.ops.jobs import Ended
from oxmq.transport.connect import Endpoint
from oxmq.transport.ends import EndReader
from oxmq.transport.runner import AsyncRunner

#: How long a waiter trusts to events before it looks for itself, at first and in the end, in seconds: they can be
#: trimmed, or be lost with a server.
_FIRST_LOOK, _LAST_LOOK = 5.0, 30.0


class SharedReader:
    """Read for all users of one server in one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.reader = EndReader(endpoint)
        self._users = WeakSet[ResultReader]()
        self._task: asyncio.Task[None] | None = None

    def join(self, user: ResultReader) -> EndReader:
        """Return the reader, for as long as the user does not leave."""
        self._users.add(user)
        return self.reader

    def begin(self, key: str, after: str) -> None:
        """Read a stream from the entry after `after` on."""
        if self.reader.begin(key, after):
            self._task = asyncio.get_running_loop().create_task(self.reader.run())

    async def leave(self, user: ResultReader) -> None:
        """Close the connection when the last user leaves and nobody waits any more."""
        self._users.discard(user)
        task = self._task
        ours = task is not None and task.get_loop() is asyncio.get_running_loop()
        if task is not None and ours and not self._users and self.reader.release():
            await asyncio.wait({task})


#: Of each event loop that lives the readers, by server.
_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, SharedReader]] = WeakKeyDictionary()


class ResultReader:
    """Wait for the ends of one queue's jobs."""

    def __init__(self, runner: AsyncRunner, keys: QueueKeys) -> None:
        self._runner = runner
        self._keys = keys
        self._events = keys.of("events")
        self._shared: SharedReader | None = None

    async def wait(self, job_id: str, timeout: float | None) -> Ended:
        """Return how the job ended, waiting for it at most `timeout` seconds.

        Once it is known that the job exists, a server that cannot be reached for a while is waited for, too.

        Raises:
            TimeoutError: it had not ended in time.
            JobNotFoundError: there is no such job.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._shared = shared = _shared_reader(self._runner.endpoint)
        reader = shared.join(self)
        heard: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

        def hear(ended: Ended) -> None:
            if not heard.done():
                heard.set_result(ended)

        # Listen first, then ask: so a job that ends in between is not missed.
        reader.listen(self._events, job_id, hear)
        try:
            found = await self._look(job_id)
            if isinstance(found, Ended):
                return found
            shared.begin(self._events, found)
            ended = await self._await_end(job_id, heard, deadline)
        finally:
            reader.ignore(self._events, job_id, hear)
        if ended is None:
            raise TimeoutError(f"job {job_id} of queue {self._keys.name!r} did not end within {timeout} s")
        return ended

    async def close(self) -> None:
        """Leave the connection to those who still wait; the last one closes it."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.leave(self)

    async def _await_end(self, job_id: str, heard: asyncio.Future[Ended], deadline: float | None) -> Ended | None:
        pause = _FIRST_LOOK
        while not heard.done():
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            await asyncio.wait({heard}, timeout=min(pause, left))
            if not heard.done() and isinstance(found := await self._look_again(job_id), Ended):
                return found
            pause = min(2 * pause, _LAST_LOOK)
        return heard.result()

    async def _look(self, job_id: str) -> Ended | str:
        return await self._runner.run(jobs.is_finished(self._keys, job_id))

    async def _look_again(self, job_id: str) -> Ended | str | None:
        try:
            return await self._look(job_id)
        except BackendError:
            return None


def _shared_reader(endpoint: Endpoint) -> SharedReader:
    of_loop = _readers.setdefault(asyncio.get_running_loop(), {})
    if endpoint.identity not in of_loop:
        of_loop[endpoint.identity] = SharedReader(endpoint)
    return of_loop[endpoint.identity]

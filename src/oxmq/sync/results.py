"""Wait for jobs to end: all threads that wait on one server share one connection, read by a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from weakref import WeakSet

from oxmq.errors import BackendError
from oxmq.keys import QueueKeys
from oxmq.ops import jobs
from oxmq.ops.jobs import Ended
from oxmq.transport.connect import Endpoint
from oxmq.transport.ends import EndReader
from oxmq.transport.sync_runner import SyncRunner

#: How long a waiter trusts to events before it looks for itself, at first and in the end, in seconds: they can be
#: trimmed, or be lost with a server.
_FIRST_LOOK, _LAST_LOOK = 5.0, 30.0
#: For how long `close` waits for the reader's thread to end, in seconds.
_JOIN = 2.0


class SharedReader:
    """Read for all users of one server in this process."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.reader = EndReader(endpoint)
        self._users = WeakSet[ResultReader]()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def join(self, user: ResultReader) -> EndReader:
        """Return the reader, for as long as the user does not leave."""
        with self._lock:
            self._users.add(user)
        return self.reader

    def begin(self, key: str, after: str) -> None:
        """Read a stream from the entry after `after` on."""
        if self.reader.begin(key, after):
            self._thread = threading.Thread(target=self._serve, name="oxmq-results", daemon=True)
            self._thread.start()

    def leave(self, user: ResultReader) -> None:
        """Close the connection when the last user leaves and nobody waits any more."""
        with self._lock:
            self._users.discard(user)
            last, thread = not self._users, self._thread
        if last and thread is not None and self.reader.release():
            thread.join(_JOIN)

    def _serve(self) -> None:
        asyncio.run(self.reader.run())


_readers: dict[object, SharedReader] = {}
_opening = threading.Lock()


class ResultReader:
    """Wait for the ends of one queue's jobs, in any thread."""

    def __init__(self, runner: SyncRunner, keys: QueueKeys) -> None:
        self._runner = runner
        self._keys = keys
        self._events = keys.of("events")
        self._shared: SharedReader | None = None

    def wait(self, job_id: str, timeout: float | None) -> Ended:
        """Return how the job ended, waiting for it at most `timeout` seconds.

        Once it is known that the job exists, a server that cannot be reached for a while is waited for, too.

        Raises:
            TimeoutError: it had not ended in time.
            JobNotFoundError: there is no such job.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._shared = shared = _shared_reader(self._runner.endpoint)
        reader = shared.join(self)
        heard = Future[Ended]()

        def hear(ended: Ended) -> None:
            with suppress(InvalidStateError):
                heard.set_result(ended)

        # Listen first, then ask: so a job that ends in between is not missed.
        reader.listen(self._events, job_id, hear)
        try:
            found = self._look(job_id)
            if isinstance(found, Ended):
                return found
            shared.begin(self._events, found)
            ended = self._await_end(job_id, heard, deadline)
        finally:
            reader.ignore(self._events, job_id, hear)
        if ended is None:
            raise TimeoutError(f"job {job_id} of queue {self._keys.name!r} did not end within {timeout} s")
        return ended

    def close(self) -> None:
        """Leave the connection to those who still wait; the last one closes it."""
        shared, self._shared = self._shared, None
        if shared is not None and shared in _readers.values():
            shared.leave(self)

    def _await_end(self, job_id: str, heard: Future[Ended], deadline: float | None) -> Ended | None:
        pause = _FIRST_LOOK
        while not heard.done():
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            wait_for([heard], timeout=min(pause, left))
            if not heard.done() and isinstance(found := self._look_again(job_id), Ended):
                return found
            pause = min(2 * pause, _LAST_LOOK)
        return heard.result()

    def _look(self, job_id: str) -> Ended | str:
        return self._runner.run(jobs.is_finished(self._keys, job_id))

    def _look_again(self, job_id: str) -> Ended | str | None:
        try:
            return self._look(job_id)
        except BackendError:
            return None


def _shared_reader(endpoint: Endpoint) -> SharedReader:
    with _opening:
        if endpoint.identity not in _readers:
            _readers[endpoint.identity] = SharedReader(endpoint)
        return _readers[endpoint.identity]


def _start_anew() -> None:
    """Forget what belongs to the parent of a forked process: its thread and its connection."""
    global _opening  # noqa: PLW0603 - a lock may have been held by a thread that is not here any more
    _opening = threading.Lock()
    _readers.clear()


os.register_at_fork(after_in_child=_start_anew)

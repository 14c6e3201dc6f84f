"""Wait for jobs to end, in the thread that asks."""

from __future__ import annotations

import time

from oxmq.errors import BackendError
from oxmq.keys import QueueKeys
from oxmq.ops import jobs
from oxmq.ops.jobs import Ended
from oxmq.transport.sync_runner import SyncRunner
from oxmq.transport.sync_stream import BlockingConnection, newest_event_id, read_events

#: How long one read of the stream blocks, in seconds; after it the waiter looks for itself.
_BLOCK = 2.0


class ResultReader:
    """Wait for the ends of one queue's jobs."""

    def __init__(self, runner: SyncRunner, keys: QueueKeys) -> None:
        self._runner = runner
        self._keys = keys

    def wait(self, job_id: str, timeout: float | None) -> Ended:
        """Return how the job ended, waiting for it at most `timeout` seconds.

        Raises:
            TimeoutError: it had not ended in time.
            JobNotFoundError: there is no such job.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        connection = BlockingConnection(self._runner.endpoint, "")
        events = self._keys.of("events")
        try:
            after = newest_event_id(connection, events)
            while True:
                ended = self._runner.run(jobs.is_finished(self._keys, job_id))
                if ended is not None:
                    return ended
                block = _BLOCK if deadline is None else min(_BLOCK, deadline - time.monotonic())
                if block <= 0:
                    raise TimeoutError(f"job {job_id} of queue {self._keys.name!r} did not end within {timeout} s")
                after = self._await_news(connection, after, block)
        finally:
            connection.close()

    def _await_news(self, connection: BlockingConnection, after: str, block: float) -> str:
        try:
            events = read_events(connection, self._keys.of("events"), after, block)
        except BackendError:
            return after
        return events[-1].id if events else after

    def close(self) -> None:
        """Do nothing: each wait closes what it opened."""

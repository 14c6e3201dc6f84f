# Written by tools/unasync.py from oxmq/client/queue_events.py; change that file, not this one.
"""Follow what happens in a queue, from any process."""

from __future__ import annotations

import base64
from collections import deque
from typing import Self

from oxmq.errors import BackendError, ConfigurationError
from oxmq.keys import DEFAULT_PREFIX, QueueKeys
from oxmq.records import Event
from oxmq.sync.closing import Closing
from oxmq.transport.connect import Endpoint
from oxmq.transport.sync_stream import BlockingConnection, newest_event_id, pause, read_events

#: How long one read blocks, in seconds.
_BLOCK = 5.0
#: How long to wait after the connection broke, in seconds.
_RETRY_PAUSE = 0.5


class QueueEvents(Closing):
    """Read a queue's events one after the other, for as long as one asks::

        with QueueEvents("email") as events:
            for event in events:
                print(event.name, event.job_id)

    A connection that breaks is made anew, and reading goes on after the last event seen. Events that were trimmed
    from the stream in the meantime are not seen.

    Args:
        name: the queue's name.
        connection: as for `Queue`.
        last_event_id: read what came after this id; ``"$"``, the default, reads what comes from now on, and ``"0"``
            all that the stream still has.
    """

    def __init__(
        self, name: str, connection: object = None, *, prefix: str = DEFAULT_PREFIX, last_event_id: str = "$"
    ) -> None:
        if not last_event_id:
            raise ConfigurationError('last_event_id must be "$", "0" or the id of an event')
        self._keys = QueueKeys(name, prefix)
        encoded_name = base64.b64encode(name.encode()).decode()
        self._connection = BlockingConnection(Endpoint(connection), f"{prefix}:{encoded_name}:qe")
        self._pending: deque[Event] = deque()
        self.last_event_id = last_event_id

    def __enter__(self) -> Self:
        self._settle_start()
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._pending:
            try:
                self._settle_start()
                self._pending.extend(read_events(self._connection, self._keys.of("events"), self.last_event_id, _BLOCK))
            except BackendError:
                pause(_RETRY_PAUSE)
        event = self._pending.popleft()
        self.last_event_id = event.id
        return event

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _settle_start(self) -> None:
        # "From now on" means from here, not from whenever the next read happens to start.
        if self.last_event_id == "$":
            self.last_event_id = newest_event_id(self._connection, self._keys.of("events"))

"""Follow what happens in a queue, from any process."""

from __future__ import annotations

from collections import deque
from typing import Final, Self

from oxmq.client.closing import Closing
from oxmq.client.listeners import Listener, Listeners
from oxmq.errors import BackendError, ConfigurationError
from oxmq.keys import DEFAULT_PREFIX, QueueKeys
from oxmq.records import GAP, Event
from oxmq.transport.connect import Endpoint
from oxmq.transport.position import Position
from oxmq.transport.stream import BlockingConnection, pause, read_events, stream_facts

#: How long one read blocks, in seconds.
_BLOCK = 5.0
#: How long to wait after the connection broke, in seconds.
_RETRY_PAUSE = 0.5


class QueueEvents(Closing):
    """Read a queue's events one after the other, for as long as one asks::

        async with QueueEvents("email") as events:
            async for event in events:
                print(event.name, event.job_id)

    Or be called back::

        events.on("completed", lambda event: print(event.job_id, event.fields["returnvalue"]))
        await events.run()

    A connection that breaks is made anew, and reading goes on after the last event seen. The server keeps only the
    newest events (about 10,000, or as many as `Queue.set_max_events` says). Where some were removed before they were
    read, the next event is one named `QueueEvents.GAP`, which no queue writes: its fields are ``missed``, how many are
    gone (None where nobody can know, and perhaps none), and ``reason``: ``"trimmed"``, or ``"deleted"`` when the whole
    stream went away, as `Queue.obliterate` does or a server that forgot. Look for yourself how the jobs are, then.

    Args:
        name: the queue's name.
        connection: as for `Queue`.
        last_event_id: read what came after this id; ``"$"``, the default, reads what comes from now on, and ``"0"``
            all that the stream still has.
    """

    #: The name of the event that stands for events that were removed before they were read.
    GAP: Final = GAP

    def __init__(
        self, name: str, connection: object = None, *, prefix: str = DEFAULT_PREFIX, last_event_id: str = "$"
    ) -> None:
        keys = QueueKeys(name, prefix)
        self._stream = keys.of("events")
        self._position = Position(last_event_id)
        self._connection = BlockingConnection(Endpoint(connection), f"{keys.client_name}:qe")
        self._listeners = Listeners()
        self._pending: deque[Event] = deque()
        self._closed = False

    @property
    def last_event_id(self) -> str:
        """Return the id of the event seen last: another reader can resume from it."""
        return self._position.last_event_id

    async def __aenter__(self) -> Self:
        await self._settle_start()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._next()
        await self._listeners.tell(event)
        return event

    def on(self, name: str, listener: Listener, *, job_id: str | None = None) -> None:
        """Call `listener` with each event of that name that is read, before the loop that reads gets it.

        What a listener returns is awaited, if it can be; what it raises is logged.

        Args:
            name: such as ``"completed"``, or the name of a custom event, or `QueueEvents.GAP`.
            listener: called with the `Event`.
            job_id: only hear of this job.
        """
        if not name or not callable(listener):
            raise ConfigurationError(f"on() needs the name of an event and a function, not {name!r} and {listener!r}")
        self._listeners.add(name, listener, job_id)

    def off(self, name: str, listener: Listener, *, job_id: str | None = None) -> None:
        """Take back what `on` was called with."""
        self._listeners.remove(name, listener, job_id)

    async def run(self) -> None:
        """Read events for the listeners, until `close` is called."""
        async for _ in self:
            pass

    async def close(self) -> None:
        """Close the connection, and end the loop that reads: in another thread it takes up to a second."""
        self._closed = True
        await self._connection.close()

    async def _next(self) -> Event:
        while not self._closed:
            if self._pending:
                event = self._pending.popleft()
                self._position.advance(event.id)
                return event
            try:
                gap = await self._read()
            except BackendError:
                await pause(_RETRY_PAUSE)
            else:
                if gap is not None:
                    return gap
        raise StopAsyncIteration

    async def _read(self) -> Event | None:
        """Read on; return the event that tells of a gap instead, if there is one."""
        await self._settle_start()
        gap = self._position.find_gap(await stream_facts(self._connection, self._stream))
        if gap is None:
            self._pending.extend(await read_events(self._connection, self._stream, self.last_event_id, _BLOCK))
        return gap

    async def _settle_start(self) -> None:
        # "From now on" means from here, not from whenever the next read happens to start.
        if self.last_event_id == "$":
            self._position.start(await stream_facts(self._connection, self._stream))

"""Hold what everything that is shown comes from: one server, one prefix, and the queues found there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from oxmq.client.closing import Closing
from oxmq.client.context import QueueContext
from oxmq.client.queue import Queue
from oxmq.clock import Clock, SystemClock
from oxmq.errors import BackendError
from oxmq.keys import DEFAULT_PREFIX, QueueKeys
from oxmq.monitor.discovery import Discovery, FoundQueues
from oxmq.monitor.watch import Watch
from oxmq.ops.call import Call
from oxmq.transport.connect import COMMAND_TIMEOUT, Endpoint
from oxmq.transport.runner import AsyncRunner

T = TypeVar("T")

Redact = Callable[[object], object]
"""Return a JSON value without what must not be shown."""


def show_all(value: object) -> object:
    """Return the value as it is: for those who may read the server anyway."""
    return value


class Site(Closing):
    """Stand for the queues of one server and prefix. Building one connects to nothing; the first call does.

    Args:
        connection: a URL, a redis-py client, an `Endpoint`, or None for ``$OXMQ_URL``, else the embedded server.
        prefix: with what all keys begin.
        known: queues to show even before anything was added to them.
        redact: what is done to each payload before it is shown, cut or searched.
        timeout: how long one operation may take, in seconds.
        clock: gives the time.
        runner: executes the site's calls, in place of one of its own for `connection`.

    Attributes:
        watch: looks at all queues at once, and remembers for a while what was seen.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """

    def __init__(
        self,
        connection: object = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        known: Iterable[str] = (),
        redact: Redact = show_all,
        timeout: float = COMMAND_TIMEOUT,
        clock: Clock | None = None,
        runner: AsyncRunner | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.prefix = prefix
        self.redact = redact
        self.runner = runner or AsyncRunner(_endpoint(connection), self.clock, timeout)
        self.known = frozenset(QueueKeys(name, prefix).name for name in known)
        self._discovery = Discovery(self.runner, prefix, self.known)
        self.watch = Watch(self.runner, self.clock, prefix, self.known, self.queue_names)

    def keys(self, name: str) -> QueueKeys:
        """Return the keys of a queue, which need not exist."""
        return QueueKeys(name, self.prefix)

    def context(self, name: str) -> QueueContext:
        """Return the surroundings of a queue on the site's connection."""
        return QueueContext(self.runner, self.keys(name), self.clock)

    def queue(self, name: str) -> Queue:
        """Return a queue on the site's connection."""
        return Queue.within(self.context(name))

    async def queue_names(self) -> FoundQueues:
        """Return the queues that are there, as far as they have been found."""
        return await self._discovery.find()

    async def read_or(self, call: Call[T], fallback: T) -> T:
        """Return what a call reads, or `fallback` where the server finds fault with it: a key is of a wrong type.

        Raises:
            UnavailableError: the server does not answer.
        """
        try:
            return await self.runner.run(call)
        except BackendError as error:
            if type(error) is BackendError:
                return fallback
            raise

    def note_queue(self, name: str) -> None:
        """Take note that a queue was seen, which the next search for queues might find only some time later."""
        self._discovery.note(name)

    async def close(self) -> None:
        """Close the connection. A later call connects again."""
        await self.watch.close()
        await self._discovery.close()
        await self.runner.close()


def _endpoint(connection: object) -> Endpoint:
    return connection if isinstance(connection, Endpoint) else Endpoint(connection)

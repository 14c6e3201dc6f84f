"""Wait on a connection of one's own: for the marker that wakes workers, and for entries of the event stream.

Every wait is bounded and asked for anew by its caller's loop, so that no read outlives its deadline. After any doubt
the connection is dropped; the next wait opens another.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Sequence

from oxmq.errors import UnavailableError
from oxmq.ops.call import Reply, Word
from oxmq.records import Event
from oxmq.transport import redis_errors
from oxmq.transport.connect import Endpoint
from oxmq.transport.entries import events_question, marker_question, read_entries, read_marker
from oxmq.transport.faults import is_missing_key
from oxmq.transport.position import StreamFacts, facts_question, read_facts
from oxmq.transport.wire import CONNECT_TIMEOUT, AsyncWire, pack

#: How long after the end of a wait its answer may still come, in seconds.
_MARGIN = 2.0


class BlockingConnection:
    """Ask one blocking question at a time.

    Args:
        endpoint: where the server is.
        client_name: the name under which the server lists the connection; empty for none.
    """

    def __init__(self, endpoint: Endpoint, client_name: str) -> None:
        self._endpoint = endpoint
        self._client_name = client_name or None
        self._connection: AsyncWire | None = None
        self._closed = False

    async def ask(self, words: Sequence[Word], block: float) -> Reply:
        """Send a command that blocks for at most `block` seconds, and return its reply.

        Returns:
            None when nothing came, and when the key that is asked about does not exist.

        Raises:
            UnavailableError: no answer came in time, or the connection broke; the connection is dropped.
        """
        try:
            async with asyncio.timeout(block + _MARGIN):
                connection = self._connection or await self._connect()
                await connection.send_packed_command(pack(words))
                return await connection.read_response(disable_decoding=True)
        except (redis_errors.RedisError, OSError, TimeoutError) as error:
            if is_missing_key(error):
                return None
            await self._drop()
            raise UnavailableError(f"{words[0]!s}: {error or 'no answer in time'}") from error
        except BaseException:
            # Cancelled while waiting: the answer would be taken for the next question's.
            await self._drop(nowait=False)
            raise

    async def open(self) -> None:
        """Connect, unless that is done.

        Raises:
            UnavailableError: that was not possible.
        """
        try:
            if self._connection is None:
                await self._connect()
        except (redis_errors.RedisError, OSError, TimeoutError) as error:
            await self._drop()
            raise UnavailableError(f"cannot connect to {self._endpoint.address}: {error or 'no answer'}") from error
        except BaseException:
            await self._drop(nowait=False)
            raise

    async def close(self) -> None:
        """Drop the connection for good."""
        self._closed = True
        await self._drop(nowait=False)

    async def _drop(self, *, nowait: bool = True) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(redis_errors.RedisError, OSError):
                # Of TLS the other side takes part in the end; a loop that ends sooner leaves the socket open.
                await connection.disconnect(nowait=nowait)

    async def _connect(self) -> AsyncWire:
        if self._endpoint.needs_preparing:
            await asyncio.to_thread(self._endpoint.prepare)
        self._connection = connection = self._endpoint.async_wire(self._client_name)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.connect()
        if self._closed:
            # While it was being made. Nobody would close it.
            self._connection = connection
            raise redis_errors.RedisError("closed")
        return connection


async def wait_for_marker(connection: BlockingConnection, key: str, block: float) -> float | None:
    """Wait at most `block` seconds for a marker of the queue.

    Returns:
        None when none came, 0 when a job is ready, else the time in ms when the next delayed job is due.
    """
    return read_marker(await connection.ask(marker_question(key, block), block))


async def read_events(connection: BlockingConnection, key: str, after: str, block: float) -> list[Event]:
    """Wait at most `block` seconds for entries of the stream after the id `after`."""
    return read_entries(await connection.ask(events_question({key: after}, block), block))


async def stream_facts(connection: BlockingConnection, key: str) -> StreamFacts | None:
    """Ask what the server knows of a stream; None when there is none."""
    return read_facts(await connection.ask(facts_question(key), 0))


async def pause(seconds: float) -> None:
    """Wait before trying again."""
    await asyncio.sleep(seconds)


async def settle(value: object) -> None:
    """Wait for what a listener returned, if it can be waited for."""
    if inspect.isawaitable(value):
        await value

"""Carry many calls over one connection of an event loop, in order.

One task writes and one reads, so that a caller that is cancelled leaves nothing half-read behind. Requests made in one
turn of the loop leave in one write. At the first doubt (an error, an answer that does not come in time) the connection
is dropped with everything on it, and the next request opens a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from oxmq.ops.call import Reply, Word
from oxmq.transport import redis_errors
from oxmq.transport.connect import COMMAND_TIMEOUT, Endpoint
from oxmq.transport.faults import NotSentError, ReplyLostError
from oxmq.transport.wire import CONNECT_TIMEOUT, AsyncWire, pack

_Waiting = tuple["asyncio.Future[Reply]", float]

#: For how long an answer that is overdue may still be found to have come, in seconds.
_SECOND_LOOK = 0.05


class Channel:
    """Send commands over one connection and hand each its reply.

    Args:
        endpoint: where the server is.
        greet: called with each new connection, before anything else uses it.
        timeout: how long a reply may take, in seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        greet: Callable[[AsyncWire], Awaitable[None]] | None = None,
        timeout: float = COMMAND_TIMEOUT,
    ) -> None:
        self._endpoint = endpoint
        self._greet = greet
        self._timeout = timeout
        self._connection: AsyncWire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._outbox: list[tuple[bytes, asyncio.Future[Reply]]] = []
        self._waiting: deque[_Waiting] = deque()
        self._outgoing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: asyncio.TimerHandle | None = None

    async def request(self, words: Sequence[Word], connect_within: float = CONNECT_TIMEOUT) -> Reply:
        """Send a command and return its reply.

        Args:
            words: the command.
            connect_within: how long to wait for a connection, if there is none, in seconds.

        Raises:
            NotSentError: no connection could be made, or it broke before the command left.
            ReplyLostError: the command left and no reply came.
            ResponseError: the server answered with an error.
        """
        connection = self._connection or await self._connect(connect_within)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        packed = pack(words)
        if self._waiting or self._outbox:
            self._outbox.append((packed, future))
            self._outgoing.set()
        else:
            # Nothing to travel with: it leaves at once.
            self._expect(future)
            await self._put_on_wire(connection, packed)
        return await future

    def drop(self, reason: str = "dropped") -> None:
        """Give the connection up; whatever is under way on it fails."""
        self._fail(redis_errors.RedisError(reason))

    async def close(self) -> None:
        """Close the connection; whatever is under way on it fails."""
        tasks = self._tasks
        if self._connecting is not None:
            self._connecting.cancel()
            tasks = [*tasks, self._connecting]
        self._fail(redis_errors.RedisError("closed"))
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, timeout: float) -> AsyncWire:
        """Return the connection, once the attempt that all share has made it; wait at most `timeout` seconds."""
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._try_to_connect())
            # Every caller that waits for it may be cancelled: somebody must look at how it ended.
            self._connecting.add_done_callback(_error_of)
        attempt = self._connecting
        # Not awaited itself: a caller that is cancelled leaves it to the others.
        await asyncio.wait({attempt}, timeout=timeout)
        if not attempt.done():
            raise NotSentError(f"cannot connect to {self._endpoint.address}: no answer in time")
        if self._connection is None:
            error = _error_of(attempt) or redis_errors.RedisError("it was closed")
            raise NotSentError(f"cannot connect to {self._endpoint.address}: {error}", _as_exception(error)) from error
        return self._connection

    async def _try_to_connect(self) -> None:
        try:
            if self._endpoint.needs_preparing:
                await asyncio.to_thread(self._endpoint.prepare)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self._connection = await self._open()
        except TimeoutError:
            raise redis_errors.RedisError(f"no answer within {CONNECT_TIMEOUT:g} s") from None
        finally:
            self._connecting = None

    async def _open(self) -> AsyncWire:
        connection = self._endpoint.async_wire()
        try:
            await connection.connect()
            if self._greet is not None:
                await self._greet(connection)
        except BaseException:
            await _discard(connection)
            raise
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._write(connection)), loop.create_task(self._read(connection))]
        return connection

    async def _write(self, connection: AsyncWire) -> None:
        while connection is self._connection:
            await self._outgoing.wait()
            self._outgoing.clear()
            outbox, self._outbox = self._outbox, []
            for _, future in outbox:
                self._expect(future)
            await self._put_on_wire(connection, b"".join(packed for packed, _ in outbox))

    def _expect(self, future: asyncio.Future[Reply]) -> None:
        loop = asyncio.get_running_loop()
        self._waiting.append((future, loop.time()))
        if self._watch is None:
            self._watch = loop.call_later(self._timeout, self._check_deadline)

    async def _put_on_wire(self, connection: AsyncWire, packed: bytes) -> None:
        try:
            await connection.send_packed_command(packed)
        except (redis_errors.RedisError, OSError) as error:
            self._fail(error, connection)

    async def _read(self, connection: AsyncWire) -> None:
        while connection is self._connection:
            reply: Reply = None
            try:
                reply = await connection.read_response(disable_decoding=True)
            except redis_errors.ResponseError as error:
                reply = error
            except (redis_errors.RedisError, OSError) as error:
                self._fail(error, connection)
                return
            future, _ = self._waiting.popleft()
            if not future.done():
                if isinstance(reply, redis_errors.ResponseError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)

    def _check_deadline(self, suspect: asyncio.Future[Reply] | None = None) -> None:
        self._watch = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        oldest, sent_at = self._waiting[0]
        overdue = sent_at + self._timeout
        if overdue > loop.time():
            self._watch = loop.call_at(overdue, self._check_deadline)
        elif oldest is suspect:
            self._fail(redis_errors.RedisError(f"no answer within {self._timeout} s"))
        else:
            # The loop itself may have been late: answers that came in time are read first.
            self._watch = loop.call_later(_SECOND_LOOK, self._check_deadline, oldest)

    def _fail(self, error: Exception, connection: AsyncWire | None = None) -> None:
        broken = self._connection
        if broken is None or (connection is not None and connection is not broken):
            return
        self._connection = None
        waiting, self._waiting = self._waiting, deque()
        outbox, self._outbox = self._outbox, []
        self._stop_tasks(broken)
        _fail_all((future for future, _ in waiting), ReplyLostError, error)
        _fail_all((future for _, future in outbox), NotSentError, error)

    def _stop_tasks(self, broken: AsyncWire) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._tasks = [asyncio.get_running_loop().create_task(_discard(broken))]


def _error_of(attempt: asyncio.Task[None]) -> BaseException | None:
    return None if attempt.cancelled() else attempt.exception()


def _fail_all(futures: Iterable[asyncio.Future[Reply]], kind: type[Exception], cause: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(kind(str(cause)))


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else redis_errors.RedisError(str(error))


async def _discard(connection: AsyncWire) -> None:
    with contextlib.suppress(redis_errors.RedisError, OSError):
        await connection.disconnect(nowait=True)

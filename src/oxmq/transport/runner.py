"""Execute calls on an event loop: retries by retry class, scripts loaded when missing, errors in oxmq's words.

Calls that may travel together, such as the adds of one turn of the loop, become one command.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from oxmq.clock import Clock, SystemClock
from oxmq.errors import BackendError
from oxmq.ops.call import MAX_ROWS, Call, Reply, Word
from oxmq.transport import redis_errors
from oxmq.transport.channel import Channel
from oxmq.transport.connect import COMMAND_TIMEOUT, Endpoint
from oxmq.transport.faults import Attempts, NotSentError, ReplyLostError, needs_other_server
from oxmq.transport.wire import AsyncWire, clock_reading, pack

T = TypeVar("T")

#: How many rows are worth a command of their own, while others could come with them.
_WORTH_A_CALL = 16
#: How soon after a batch the next one is taken to come from the same callers, in seconds.
_HEELS = 0.005
#: How many calls of one `run_all` are under way at once.
_UNDER_WAY = 3

_Gathered = tuple[Call[Any], "asyncio.Future[Any]"]


class _Alone:
    """Tell a caller that nobody travels with it."""


class AsyncRunner:
    """Run calls against one server.

    Args:
        endpoint: where the server is.
        clock: told how far the server's clock is ahead, on each new connection.
        timeout: how long a call may take in all, in seconds.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock | None = None, timeout: float = COMMAND_TIMEOUT) -> None:
        self.endpoint = endpoint
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._channel: Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: dict[object, list[_Gathered]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._batch_ended = 0.0

    async def run(self, call: Call[T]) -> T:
        """Execute a call and return its result.

        Raises:
            UnavailableError: it was not done.
            OutcomeUnknownError: it may have been done.
            JobError: the script refused it.
        """
        if 0 < call.rows < MAX_ROWS:
            return await self._run_with_others(call)
        return call.decode(await self._reply(call, call.tail))

    async def run_all(self, calls: Iterable[Call[T]]) -> list[T]:
        """Execute calls in order and return their results; the next is under way before the last is answered.

        When one fails, its error is raised once those that were sent with it have ended; no further ones are sent.
        """
        results: list[T] = []
        under_way: deque[asyncio.Task[T]] = deque()
        try:
            for call in calls:
                if len(under_way) == _UNDER_WAY:
                    results.append(await under_way.popleft())
                under_way.append(asyncio.get_running_loop().create_task(self.run(call)))
                await asyncio.sleep(0)  # let it leave before the next one is packed
            while under_way:
                results.append(await under_way.popleft())
        except asyncio.CancelledError:
            for task in under_way:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*under_way, return_exceptions=True)
        return results

    async def close(self) -> None:
        """Close the connection. A later call opens a new one."""
        channel, self._channel = self._channel, None
        if self._sending:
            await asyncio.gather(*self._sending, return_exceptions=True)
        if channel is not None:
            await channel.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop that the connection belongs to; None while there is no connection."""
        return None if self._channel is None else self._loop

    def forget(self) -> None:
        """Let go of the connection without closing it: for one whose event loop is closed already."""
        self._channel = self._loop = None
        self._gathered.clear()
        self._sending.clear()

    async def _reply(self, call: Call[Any], tail: Sequence[Word]) -> Reply:
        attempts = Attempts(call.name, call.retry, self._timeout)
        while True:
            try:
                return await self._send(call, tail, attempts)
            except (NotSentError, ReplyLostError, redis_errors.ResponseError) as error:
                if needs_other_server(error):
                    self._open_channel().drop(str(error))
                pause = attempts.pause_after(error)
            await asyncio.sleep(pause)

    async def _send(self, call: Call[Any], tail: Sequence[Word], attempts: Attempts) -> Reply:
        channel, script = self._open_channel(), call.script
        if script is None:
            return await channel.request(call.words, attempts.remaining)
        words = ("EVALSHA", script.sha, *call.words, *tail)
        with contextlib.suppress(redis_errors.NoScriptError):
            return await channel.request(words, attempts.remaining)
        # Nothing ran, so that sending it again cannot do it twice.
        await channel.request(("SCRIPT", "LOAD", script.text), attempts.remaining)
        try:
            return await channel.request(words, attempts.remaining)
        except redis_errors.NoScriptError as error:
            raise NotSentError(f"script {script.name} was flushed as soon as it was loaded") from error

    async def _run_with_others(self, call: Call[T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        key = (call.script, call.words, call.retry)
        batch = self._gathered.get(key)
        if batch is None:
            batch = self._gathered[key] = []
            loop.call_soon(self._send_gathered, key)
        batch.append((call, future))
        result: T | _Alone = await future
        if isinstance(result, _Alone):
            return call.decode(await self._reply(call, call.tail))
        return result

    def _send_gathered(self, key: object) -> None:
        batch = [item for item in self._gathered.pop(key) if not item[1].done()]
        if len(batch) == 1:
            # Nobody to travel with: its caller sends it itself.
            batch[0][1].set_result(_Alone())
            return
        for calls in _chunks(batch, self._rows_a_call(len(batch))) if batch else ():
            task = asyncio.get_running_loop().create_task(self._run_batch(calls))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _rows_a_call(self, rows: int) -> int:
        in_step = asyncio.get_running_loop().time() - self._batch_ended < _HEELS
        if self._sending or not in_step or rows < 2 * _WORTH_A_CALL:
            return MAX_ROWS
        # These callers go in step: each waits for the last batch. In two halves, the server and they work at once.
        return min(MAX_ROWS, (rows + 1) // 2)

    async def _run_batch(self, batch: Sequence[_Gathered]) -> None:
        tail = [word for call, _ in batch for word in call.tail]
        try:
            reply = await self._reply(batch[0][0], tail)
        except BackendError as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(type(error)(*error.args))
            return
        self._batch_ended = asyncio.get_running_loop().time()
        start = 0
        for call, future in batch:
            part = reply[start : start + call.rows]
            start += call.rows
            _settle(future, call, part)

    def _open_channel(self) -> Channel:
        loop = asyncio.get_running_loop()
        if self._channel is None or self._loop is not loop:
            # A connection belongs to its loop; one that is gone took its connection along.
            self._loop = loop
            self._channel = Channel(self.endpoint, self._greet, self._timeout)
        return self._channel

    async def _greet(self, connection: AsyncWire) -> None:
        offset_ms = clock_reading()
        await connection.send_packed_command(pack(("TIME",)))
        self._clock.follow(offset_ms(await connection.read_response(disable_decoding=True)))


def _chunks(batch: Sequence[_Gathered], most: int) -> list[list[_Gathered]]:
    chunks: list[list[_Gathered]] = [[]]
    rows = 0
    for item in batch:
        if rows and rows + item[0].rows > most:
            chunks.append([])
            rows = 0
        chunks[-1].append(item)
        rows += item[0].rows
    return chunks


def _settle(future: asyncio.Future[Any], call: Call[Any], reply: Reply) -> None:
    if future.done():
        return
    try:
        future.set_result(call.decode(reply))
    except Exception as error:  # noqa: BLE001 - whatever decoding raises belongs to the caller
        future.set_exception(error)

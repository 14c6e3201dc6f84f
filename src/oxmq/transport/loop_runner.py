"""Execute calls on one event loop, over one connection: retries by retry class, scripts loaded when missing.

Calls that may travel together, such as the adds of one turn of the loop, become one command.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, TypeVar

from oxmq.clock import Clock
from oxmq.errors import BackendError
from oxmq.ops.call import MAX_ROWS, Call, Reply, Word
from oxmq.transport import redis_errors
from oxmq.transport.channel import Channel
from oxmq.transport.connect import Endpoint
from oxmq.transport.faults import Attempts, NotSentError, ReplyLostError, needs_other_server
from oxmq.transport.wire import AsyncWire, clock_reading, pack

T = TypeVar("T")

#: How many rows are worth a command of their own, while others could come with them.
_WORTH_A_CALL = 16
#: How soon after a batch the next one is taken to come from the same callers, in seconds.
_HEELS = 0.005

_Gathered = tuple[Call[Any], "asyncio.Future[Any]"]


class _Alone:
    """Tell a caller that nobody travels with it."""


class LoopRunner:
    """Run calls against one server on one event loop; to be used there only.

    Args:
        loop: the event loop.
        endpoint: where the server is.
        clock: told how far the server's clock is ahead, on each new connection.
        timeout: how long a call may take in all, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint, clock: Clock, timeout: float) -> None:
        self.loop = loop
        self._endpoint = endpoint
        self._clock = clock
        self._timeout = timeout
        self._channel: Channel | None = None
        self._gathered: dict[object, list[_Gathered]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._batch_ended = 0.0

    async def run_alone(self, call: Call[T]) -> T:
        """Execute a call with a command of its own, and return its result."""
        return call.decode(await self._reply(call, call.tail))

    async def run_with_others(self, call: Call[T]) -> T:
        """Execute a call that may travel with others of this turn of the loop, and return its result."""
        future: asyncio.Future[Any] = self.loop.create_future()
        key = (call.script, call.words, call.retry)
        batch = self._gathered.get(key)
        if batch is None:
            batch = self._gathered[key] = []
            self.loop.call_soon(self._send_gathered, key)
        batch.append((call, future))
        result: T | _Alone = await future
        if isinstance(result, _Alone):
            return call.decode(await self._reply(call, call.tail))
        return result

    async def close(self) -> None:
        """Close the connection. A later call opens another one."""
        channel, self._channel = self._channel, None
        if self._sending:
            await asyncio.gather(*self._sending, return_exceptions=True)
        if channel is not None:
            await channel.close()

    @property
    def is_open(self) -> bool:
        """Tell whether there is a connection, or one is being made."""
        return self._channel is not None

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

    def _send_gathered(self, key: object) -> None:
        batch = [item for item in self._gathered.pop(key) if not item[1].done()]
        if len(batch) == 1:
            # Nobody to travel with: its caller sends it itself.
            batch[0][1].set_result(_Alone())
            return
        for calls in _chunks(batch, self._rows_a_call(len(batch))) if batch else ():
            task = self.loop.create_task(self._run_batch(calls))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _rows_a_call(self, rows: int) -> int:
        in_step = self.loop.time() - self._batch_ended < _HEELS
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
        self._batch_ended = self.loop.time()
        start = 0
        for call, future in batch:
            part = reply[start : start + call.rows]
            start += call.rows
            _settle(future, call, part)

    def _open_channel(self) -> Channel:
        if self._channel is None:
            self._channel = Channel(self._endpoint, self._greet, self._timeout)
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

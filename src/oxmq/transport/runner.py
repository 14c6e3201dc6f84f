"""Execute calls on whichever event loop asks, each over a connection of its own; errors in oxmq's words."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from oxmq.clock import Clock, SystemClock
from oxmq.ops.call import MAX_ROWS, Call
from oxmq.transport.connect import COMMAND_TIMEOUT, Endpoint
from oxmq.transport.loop_runner import LoopRunner

T = TypeVar("T")

#: How many calls of one `run_all` are under way at once.
_UNDER_WAY = 3
#: How long a loop in another thread may take to close its connection, in seconds.
_CLOSING = 5.0


class AsyncRunner:
    """Run calls against one server. Any number of event loops may use it, also at once, in threads of their own.

    Args:
        endpoint: where the server is.
        clock: told how far the server's clock is ahead, on each new connection.
        timeout: how long a call may take in all, in seconds.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock | None = None, timeout: float = COMMAND_TIMEOUT) -> None:
        self.endpoint = endpoint
        self._clock = clock or SystemClock()
        self._timeout = timeout
        # What each loop has, and what the last caller's has: mostly, there is one loop.
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopRunner] = {}
        self._last: LoopRunner | None = None
        self._changing = threading.Lock()

    async def run(self, call: Call[T]) -> T:
        """Execute a call and return its result.

        Raises:
            UnavailableError: it was not done.
            OutcomeUnknownError: it may have been done.
            JobError: the script refused it.
        """
        here = self._last
        if here is None or here.loop is not asyncio.get_running_loop():
            here = self._here()
        if 0 < call.rows < MAX_ROWS:
            return await here.run_with_others(call)
        return await here.run_alone(call)

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
        """Close the connections, those of other loops included. A later call opens new ones."""
        for its in self._living():
            if its.loop is asyncio.get_running_loop():
                await its.close()
            elif its.loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(its.close(), its.loop)
                await asyncio.wait({asyncio.wrap_future(closing)}, timeout=_CLOSING)

    def release(self) -> None:
        """Close the connections from code without an event loop, whatever became of the loops that opened them."""
        for its in self._living():
            if not its.loop.is_running():
                its.loop.run_until_complete(its.close())
            elif _is_running_here(its.loop):
                self._closing = its.loop.create_task(its.close())  # kept here, for a loop keeps its tasks weakly
            else:
                asyncio.run_coroutine_threadsafe(its.close(), its.loop).result(_CLOSING)

    @property
    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """Return the event loops that have a connection."""
        return [its.loop for its in self._living() if its.is_open]

    def _living(self) -> list[LoopRunner]:
        """Return what the loops have that have not ended. The end of one cancels what reads, and so disconnects."""
        with self._changing:
            self._by_loop = {loop: its for loop, its in self._by_loop.items() if not loop.is_closed()}
            return list(self._by_loop.values())

    def _here(self) -> LoopRunner:
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._living()  # makes room: loops may come and go
        with self._changing:
            here = self._by_loop.setdefault(loop, LoopRunner(loop, self.endpoint, self._clock, self._timeout))
        self._last = here
        return here


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False

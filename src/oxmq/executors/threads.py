"""Run plain functions in threads that can be given up.

A thread cannot be stopped from outside. When a call is cancelled (at its time limit, say) its thread is given up: it no
longer counts as one of the pool's, another takes its place, and it ends with the work that it is doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class _Call:
    """Hold one call: what to do, and where its result goes."""

    __slots__ = ("context", "function", "future", "loop")

    def __init__(self, function: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.function = function
        self.future = future
        self.loop = future.get_loop()
        self.context = copy_context()

    def run(self) -> None:
        try:
            result = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 - whatever the function raises belongs to its caller
            self._settle(None, error)
        else:
            self._settle(result, None)

    def _settle(self, result: object, error: BaseException | None) -> None:
        # The loop may be closed when a thread that was given up comes to its end.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._deliver, result, error)

    def _deliver(self, result: object, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        elif isinstance(error, StopIteration):
            # A future cannot carry this one.
            self.future.set_exception(RuntimeError(f"StopIteration: {error}"))
        else:
            self.future.set_exception(error)


class _Thread:
    """Take calls one after the other until told to end."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._on_end = on_end
        threading.Thread(target=self._work, name="oxmq-job", daemon=True).start()

    def _work(self) -> None:
        while (call := self.calls.get()) is not None:
            call.run()
        self._on_end()


class ThreadExecutor:
    """Run functions in threads: as many as run at once, kept for the next calls."""

    def __init__(self) -> None:
        self._idle: list[_Thread] = []
        self._lock = threading.Lock()
        self._given_up = 0

    @property
    def given_up(self) -> int:
        """Return how many threads still run something that nobody waits for."""
        return self._given_up

    async def run(self, function: Callable[[], T]) -> T:
        """Call `function` in a thread and return its result; context variables go along.

        When this is cancelled the function runs on, in a thread that is given up.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        thread = self._idle.pop() if self._idle else _Thread(self._thread_ended)
        thread.calls.put(_Call(function, future))
        try:
            return await future
        finally:
            if future.cancelled():
                self._give_up(thread)
            else:
                self._idle.append(thread)

    def close(self) -> None:
        """Let the idle threads end."""
        while self._idle:
            thread = self._idle.pop()
            with self._lock:
                self._given_up += 1
            thread.calls.put(None)

    def _give_up(self, thread: _Thread) -> None:
        with self._lock:
            self._given_up += 1
        thread.calls.put(None)

    def _thread_ended(self) -> None:
        with self._lock:
            self._given_up -= 1

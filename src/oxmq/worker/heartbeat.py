"""Say every few seconds that a worker is there and how it is, for whoever looks at the queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from msgspec import structs

from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import heartbeats
from oxmq.ops.call import Call
from oxmq.ops.heartbeats import Heartbeat
from oxmq.transport.runner import AsyncRunner
from oxmq.worker.service import Service

T = TypeVar("T")

#: How often to beat, in seconds.
_INTERVAL = 5.0
#: The workers that have fallen silent are forgotten with one of so many beats.
_SWEEP = 12
#: How long closing waits for Redis to forget the worker, in seconds.
_LAST_WORDS = 1.0
#: After so long a silence of the event loop somebody else beats in its place, in seconds.
_SILENCE = 8.0


@cache
def oxmq_version() -> str:
    """Return the version of oxmq; empty where it is not installed."""
    try:
        return version("oxmq")
    except PackageNotFoundError:
        return ""


class Heart(Service):
    """Beat for one worker. Nothing depends on it: when Redis does not take a beat, there will be another.

    Args:
        describe: says how the worker is. It must not raise.
    """

    def __init__(self, runner: AsyncRunner, keys: QueueKeys, describe: Callable[[], Heartbeat]) -> None:
        self._runner = runner
        self._keys = keys
        self._describe = describe
        self._last: Heartbeat | None = None
        self._answered = False

    def beat_for_loop(self, silent: float, now_ms: int) -> Call[int] | None:
        """Return the beat to send in the place of an event loop that has been silent for so many seconds.

        None when it has not been for long enough, or has never beaten. Called from another thread.
        """
        last = self._last
        if last is None or silent < _SILENCE:
            return None
        reason = f"the event loop has been blocked for {silent:.0f} s"
        return heartbeats.beat(
            self._keys, structs.replace(last, at_ms=now_ms, loop_lag=silent, healthy=False, reason=reason)
        )

    async def forget(self) -> None:
        """Have the worker forgotten, which has stopped. Redis may be away: then it is forgotten for its silence."""
        if self._last is not None and self._answered:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await self._try(heartbeats.forget(self._keys, self._last.id))

    async def _run(self) -> None:
        beats = 0
        while True:
            self._last = self._describe()
            await self._try(heartbeats.beat(self._keys, self._last, sweep=beats % _SWEEP == 0))
            beats += 1
            await asyncio.sleep(_INTERVAL)

    async def _try(self, call: Call[T]) -> None:
        try:
            await self._runner.run(call)
        except OxmqError:
            self._answered = False
        else:
            self._answered = True

"""Wait until something is true, with a deadline: what tests do where others sleep."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from time import monotonic
from typing import TypeVar, cast, overload

T = TypeVar("T")

#: Multiplies every deadline; raise it on a slow machine.
TIME_SCALE = float(os.environ.get("OXMQ_TIMESCALE", "1"))
#: Seconds between two looks.
INTERVAL = 0.01


class NotSoError(AssertionError):
    """Say that a fact did not become true before its deadline."""


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T]], timeout: float = 5.0, message: str = "the fact did not come true"
) -> T: ...


@overload
async def eventually(
    predicate: Callable[[], T], timeout: float = 5.0, message: str = "the fact did not come true"
) -> T: ...


async def eventually(
    predicate: Callable[[], T | Awaitable[T]], timeout: float = 5.0, message: str = "the fact did not come true"
) -> T:
    """Return the first true value of `predicate`, asked again and again for `timeout` seconds."""
    deadline = monotonic() + timeout * TIME_SCALE
    while True:
        answer = predicate()
        value = cast("T", await answer if isawaitable(answer) else answer)
        if value:
            return value
        if monotonic() > deadline:
            raise NotSoError(f"{message} (waited {timeout * TIME_SCALE:g} s; last seen: {value!r})")
        await asyncio.sleep(INTERVAL)


def eventually_sync(predicate: Callable[[], T], timeout: float = 5.0, message: str = "the fact did not come true") -> T:
    """Return the first true value of `predicate`, asked again and again for `timeout` seconds; blocks."""
    deadline = monotonic() + timeout * TIME_SCALE
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        if monotonic() > deadline:
            raise NotSoError(f"{message} (waited {timeout * TIME_SCALE:g} s; last seen: {value!r})")
        pause.wait(INTERVAL)

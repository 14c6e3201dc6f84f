"""Put what every job needs around its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from oxmq.client.job import Job
from oxmq.errors import ConfigurationError
from oxmq.worker.executor import AsyncHandler

CallNext = AsyncHandler
"""What a middleware calls to go on: the next middleware, or the handler. It returns the job's result."""

Middleware = Callable[[Job[Any], CallNext], Awaitable[object]]
"""``async def middleware(job, call_next)``: awaits ``call_next(job)``, and returns its result or another one."""


def wrap(handler: CallNext, middleware: Iterable[Middleware]) -> CallNext:
    """Return the handler with the middleware around it, the first outermost; the handler itself where there is none.

    Raises:
        ConfigurationError: one of them cannot be called.
    """
    for around in reversed(list(middleware)):
        if not callable(around):
            raise ConfigurationError(f"middleware must be async functions of a job and call_next, not {around!r:.80}")
        handler = partial(_call, around, handler)
    return handler


async def _call(around: Middleware, handler: CallNext, job: Job[Any]) -> object:
    return await around(job, handler)

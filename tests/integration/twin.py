"""Let one test speak to a queue on the loop and to its blocking twin: both are awaited."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, TypeGuard

import oxmq
import oxmq.sync
from oxmq.sync.flow_producer import FlowNode as SyncNode


class Twin:
    """Make queues and readers of events, of one of the two kinds."""

    def __init__(self, kind: str, url: str, prefix: str) -> None:
        self.is_async = kind == "async"
        self.url = url
        self.prefix = prefix
        self._module: Any = oxmq if self.is_async else oxmq.sync
        self._open: list[Any] = []

    def queue(self, name: str = "q", **options: Any) -> Any:
        return self._made(self._module.Queue(name, self.url, prefix=self.prefix, **options))

    def producer(self, **options: Any) -> Any:
        return self._made(self._module.FlowProducer(self.url, prefix=self.prefix, **options))

    def events(self, name: str = "q", last_event_id: str = "0") -> Any:
        return self._made(self._module.QueueEvents(name, self.url, prefix=self.prefix, last_event_id=last_event_id))

    async def close(self) -> None:
        for thing in reversed(self._open):
            await thing.close()

    def _made(self, thing: Any) -> Any:
        self._open.append(thing if self.is_async else Awaited(thing))
        return self._open[-1]


class Awaited:
    """Make the methods of a blocking object awaitable, by calling them in a thread."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if not inspect.ismethod(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return wrapped(await asyncio.to_thread(found, *args, **kwargs))

        return call

    def __aiter__(self) -> Awaited:
        return self

    async def __anext__(self) -> Any:
        return await asyncio.to_thread(next, self._thing)


def wrapped(value: Any) -> Any:
    """Return jobs, alone, in a list or in a flow, in a form whose methods are awaited."""
    if isinstance(value, oxmq.sync.Job):
        return Awaited(value)
    if isinstance(value, SyncNode):
        return oxmq.FlowNode(wrapped(value.job), wrapped(value.children))
    if is_list(value):
        return [wrapped(item) for item in value]
    return value


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a value is a list."""
    return isinstance(value, list)

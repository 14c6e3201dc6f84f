"""Tell everybody who looks what has changed: each topic is computed once, however many follow it.

A topic's value is sent whole at first, then as JSON merge patches (RFC 7396). Who reads too slowly to get each of them
is sent the whole value again. A member that becomes null is missing from then on: that is how a merge patch says it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import count
from typing import Final, cast

import msgspec

from oxmq.errors import BackendError
from oxmq.monitor.history import Recorder
from oxmq.monitor.overview import narrowed, overview_of
from oxmq.monitor.queues import get_queue
from oxmq.monitor.schedules import get_all_schedules
from oxmq.monitor.site import Site
from oxmq.monitor.workers import workers_in

_log = logging.getLogger(__name__)

#: How many streams one process serves, and how many topics each may follow.
MAX_STREAMS: Final = 1_000
MAX_TOPICS: Final = 10
#: Seconds between two looks at a topic, and how many times as long as a look takes there is none.
PAUSES: Final = {"overview": 1.0, "queue": 0.5, "schedules": 5.0, "workers": 2.0}
_REST = 10
#: Seconds until a topic is tried again when the server does not answer.
_RETRY = 1.0
#: Seconds after which a stream without news gets a sign of life, lest somebody on the way closes it.
_KEEP_ALIVE = 15.0
#: Members that change all the time: alone they are worth a message only so often, in seconds.
_RESTLESS: Final = frozenset({"at", "server"})
_RESTLESS_EVERY = 5.0

_SIGN_OF_LIFE: Final = b": still here\n\n"
_WHOLE: Final = b""

Queues = frozenset[str] | None
"""The only queues that a listener may see; None for all."""


class Feed:
    """Serve topics to listeners.

    Args:
        site: where the values come from.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._topics: dict[tuple[str, Queues], _Topic] = {}
        self._listeners = 0
        self._ids = count(1)
        self.recorder = Recorder(site)

    async def follow(self, names: Iterable[str], queues: Queues) -> AsyncIterator[bytes]:
        """Yield the messages of topics as a stream of server-sent events, until the caller closes it.

        Args:
            names: the topics: `is_topic` holds of each.
            queues: the only queues to tell of.
        """
        self._listeners += 1
        self.recorder.start()
        listener = _Listener()
        topics = [self._topic(name, queues) for name in dict.fromkeys(names)]
        try:
            for topic in topics:
                topic.join(listener)
            yield _SIGN_OF_LIFE  # so that the client is told at once that it is served
            async for message in listener.messages():
                yield message
        finally:
            self._listeners -= 1
            for topic in topics:
                topic.leave(listener)

    async def close(self) -> None:
        """Stop everything that goes on."""
        await self.recorder.stop()
        for topic in self._topics.values():
            await topic.stop()

    @property
    def is_full(self) -> bool:
        """Tell whether as many streams are served as may be."""
        return self._listeners >= MAX_STREAMS

    def _topic(self, name: str, queues: Queues) -> _Topic:
        kind, _, queue = name.partition(":")
        shared = (name, None if queue else queues)
        if shared not in self._topics:
            for key in [key for key, topic in self._topics.items() if topic.is_idle]:
                del self._topics[key]
            self._topics[shared] = _Topic(name, self._reader(kind, queue, queues), PAUSES[kind], self._ids)
        return self._topics[shared]

    def _reader(self, kind: str, queue: str, queues: Queues) -> Callable[[], Awaitable[object]]:
        site = self._site

        async def overview() -> object:
            return overview_of(narrowed(await site.watch.look(), queues))

        async def workers() -> object:
            found = workers_in(narrowed(await site.watch.look(), queues))
            return {"workers": {worker.id: worker for worker in found.workers}, "complete": found.complete}

        async def schedules() -> object:
            found = await get_all_schedules(site, covers=lambda name: queues is None or name in queues)
            return {"schedules": found.schedules, "complete": found.complete}

        async def one_queue() -> object:
            found = await get_queue(site, queue)
            if found is None:
                raise BackendError(f"There is no queue {queue!r}.")
            value = cast("dict[str, object]", msgspec.to_builtins(found, str_keys=True))
            return {name: member for name, member in value.items() if name != "spark"}

        return {"overview": overview, "workers": workers, "schedules": schedules, "queue": one_queue}[kind]


def is_topic(name: str) -> bool:
    """Tell whether a topic is called so: ``overview``, ``workers``, ``schedules``, or ``queue:`` and a queue's name."""
    kind, colon, queue = name.partition(":")
    if kind == "queue":
        return bool(queue) and ":" not in queue and queue.isprintable()
    return kind in PAUSES and not colon


def merge_patch(old: object, new: object) -> object:
    """Return what turns `old` into `new` as a JSON merge patch; ``{}`` when both are objects and nothing changed."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    before, after = cast("dict[str, object]", old), cast("dict[str, object]", new)
    patch: dict[str, object] = {name: None for name in before if before[name] is not None and name not in after}
    for name, value in after.items():
        known = before.get(name)
        if known != value:
            patch[name] = merge_patch(known, value)
    return patch


class _Listener:
    """Hold what is to be sent to one client: of each topic one message at most."""

    def __init__(self) -> None:
        self._pending: dict[_Topic, bytes] = {}
        self._news = asyncio.Event()

    def offer(self, topic: _Topic, message: bytes) -> None:
        """Take a message of a topic. When the one before has not been sent, the whole value will be instead."""
        self._pending[topic] = _WHOLE if topic in self._pending else message
        self._news.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield what there is to send."""
        while True:
            try:
                async with asyncio.timeout(_KEEP_ALIVE):
                    await self._news.wait()
            except TimeoutError:
                yield _SIGN_OF_LIFE
                continue
            self._news.clear()
            while self._pending:
                topic, message = self._pending.popitem()
                yield message or topic.whole


class _Topic:
    """Compute one value again and again while somebody follows it."""

    def __init__(self, name: str, read: Callable[[], Awaitable[object]], pause: float, ids: Iterable[int]) -> None:
        self._name = name
        self._read = read
        self._pause = pause
        self._ids = iter(ids)
        self._listeners: set[_Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._value: object = None
        self._whole = b""
        self._told_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Tell whether nobody follows the topic."""
        return not self._listeners

    @property
    def whole(self) -> bytes:
        """Return the message that brings the whole value; it is written once for all."""
        if not self._whole:
            self._whole = self._message({"kind": "full", "value": self._value})
        return self._whole

    def join(self, listener: _Listener) -> None:
        """Tell a listener the value, once there is one, and what changes."""
        self._listeners.add(listener)
        if self._value is not None:
            listener.offer(self, _WHOLE)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._follow())

    def leave(self, listener: _Listener) -> None:
        """Tell a listener nothing more; without any, nothing is computed."""
        self._listeners.discard(listener)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None
            self._value = None

    async def stop(self) -> None:
        """Compute nothing more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _follow(self) -> None:
        while True:
            began = time.monotonic()
            try:
                value = msgspec.to_builtins(await self._read(), str_keys=True)
            except BackendError as error:
                await self._tell_trouble(str(error))
            except Exception:  # noqa: BLE001 - listeners would else wait for news that nobody brings
                _log.exception("the topic %r could not be computed", self._name)
                await self._tell_trouble("Something went wrong in the server; its log says what.")
            else:
                self._update(value)
                await asyncio.sleep(max(self._pause, _REST * (time.monotonic() - began)))

    async def _tell_trouble(self, detail: str) -> None:
        self._value = None
        self._tell(self._message({"detail": detail, "topic": self._name}, "trouble"))
        await asyncio.sleep(_RETRY)

    def _update(self, value: object) -> None:
        old, self._value = self._value, value
        if old is None:
            self._whole = b""
            self._tell(_WHOLE)
            return
        patch = merge_patch(old, value)
        if patch == {} or (self._is_restless(patch) and time.monotonic() - self._told_at < _RESTLESS_EVERY):
            self._value = old
            return
        self._whole = b""
        self._tell(self._message({"kind": "patch", "value": patch}))

    def _is_restless(self, patch: object) -> bool:
        return isinstance(patch, dict) and _RESTLESS.issuperset(cast("dict[str, object]", patch))

    def _tell(self, message: bytes) -> None:
        self._told_at = time.monotonic()
        for listener in self._listeners:
            listener.offer(self, message)

    def _message(self, content: object, event: str = "") -> bytes:
        head = f"event: {event or self._name}\nid: {next(self._ids)}\ndata: "
        return head.encode() + msgspec.json.encode(content) + b"\n\n"

"""Hear of the ends of jobs: one connection reads the event streams of all queues that somebody waits on.

Which streams are read changes all the time, and a read that blocks cannot be told of another stream. A second
connection then starts to read all of them and takes the place of the first, which listens on meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from oxmq.errors import UnavailableError
from oxmq.ops.call import Reply
from oxmq.ops.jobs import Ended
from oxmq.transport.connect import Endpoint
from oxmq.transport.entries import events_question, read_ends
from oxmq.transport.stream import BlockingConnection

Listener = Callable[[Ended], None]
"""Hear how a job ended; called on the reader's loop."""

#: How long one read blocks, in seconds.
_BLOCK = 5.0
#: For how long a stream is still read after the last listener has left, in seconds: another may come.
_LINGER = 2.0
#: How long to wait after the connection broke, in seconds.
_RETRY_PAUSE = 0.5
#: For how long streams that are new are gathered before they are read, in seconds.
_GATHER = 0.005


class _Stream:
    """Hold how far a stream has been read, and who listens.

    Attributes:
        after: the id of the entry read last; empty until somebody has said where to begin.
    """

    __slots__ = ("after", "left_at", "listeners")

    def __init__(self) -> None:
        self.after = ""
        self.listeners: dict[str, set[Listener]] = {}
        self.left_at = 0.0


class EndReader:
    """Tell listeners how jobs end. All but `run` may be called from any thread.

    Call `listen`, then look whether the job has ended already; if not, call `begin`: so no end is missed.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._streams: dict[str, _Stream] = {}
        self._asked: set[str] = set()
        self._running = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    def listen(self, key: str, job_id: str, listener: Listener) -> None:
        """Call `listener` when the job ends whose queue has the event stream `key`."""
        with self._lock:
            self._streams.setdefault(key, _Stream()).listeners.setdefault(job_id, set()).add(listener)

    def ignore(self, key: str, job_id: str, listener: Listener) -> None:
        """Take back a `listen`."""
        with self._lock:
            stream = self._streams[key]
            stream.listeners[job_id].discard(listener)
            if not stream.listeners[job_id]:
                del stream.listeners[job_id]
            stream.left_at = time.monotonic()
            if not stream.listeners and not (self._running and stream.after):
                del self._streams[key]

    def begin(self, key: str, after: str) -> bool:
        """Read the stream from the entry after `after` on, unless it is read already.

        Returns:
            Whether the caller must now start `run`.
        """
        with self._lock:
            stream = self._streams[key]
            stream.after = stream.after or after
            if key not in self._asked:
                self._wake_up()
            starts, self._running = not self._running, True
            return starts

    def release(self) -> bool:
        """End `run` at once if nobody listens, without waiting for the next to come; tell whether that is so."""
        with self._lock:
            if self._somebody_listens():
                return False
            self._streams.clear()
            self._wake_up()
            return True

    async def run(self) -> None:
        """Read until nobody has listened for a while."""
        connection = BlockingConnection(self._endpoint, "")
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            while positions := self._positions():
                connection = await self._read(connection, positions, self._wake)
        except BaseException:
            self._stop()
            raise
        finally:
            await connection.close()

    async def _read(
        self, connection: BlockingConnection, positions: dict[str, str], wake: asyncio.Event
    ) -> BlockingConnection:
        """Read once, and return the connection to use next."""
        block = _BLOCK if self._somebody_listens() else _LINGER
        asking = asyncio.ensure_future(connection.ask(events_question(positions, block), block))
        waking = asyncio.ensure_future(wake.wait())
        fresh: BlockingConnection | None = None
        try:
            await asyncio.wait({asking, waking}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await asyncio.wait({asking}, timeout=_GATHER)
                if not self._has_new_streams():
                    return connection
                fresh = await self._another()
            if asking.done() or fresh is None:
                self._deliver(await asking)
            else:
                connection, fresh = fresh, connection
        except UnavailableError:
            # Those who wait look for themselves meanwhile; the streams are read on where they were left.
            await asyncio.sleep(_RETRY_PAUSE)
        finally:
            await _abandon(asking, waking)
            if fresh is not None:
                await fresh.close()
        return connection

    async def _another(self) -> BlockingConnection | None:
        """Return a second connection; None when the server gives none: it will be asked after the present read."""
        fresh = BlockingConnection(self._endpoint, "")
        try:
            await fresh.open()
        except UnavailableError:
            return None
        return fresh

    def _somebody_listens(self) -> bool:
        return any(stream.listeners for stream in list(self._streams.values()))

    def _has_new_streams(self) -> bool:
        with self._lock:
            return any(stream.after and key not in self._asked for key, stream in self._streams.items())

    def _positions(self) -> dict[str, str]:
        """Return what to read next, and after which entry; nothing to read is the end of `run`."""
        now = time.monotonic()
        with self._lock:
            for key, stream in list(self._streams.items()):
                if not stream.listeners and now - stream.left_at >= _LINGER:
                    del self._streams[key]
            positions = {key: stream.after for key, stream in self._streams.items() if stream.after}
            self._asked = set(positions)
            if self._wake is not None:
                self._wake.clear()
            if not positions:
                self._forget_loop()
            return positions

    def _stop(self) -> None:
        with self._lock:
            self._streams = {key: stream for key, stream in self._streams.items() if stream.listeners}
            self._asked = set()
            self._forget_loop()

    def _forget_loop(self) -> None:
        self._running, self._loop, self._wake = False, None, None

    def _wake_up(self) -> None:
        if self._loop is not None and self._wake is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    def _deliver(self, reply: Reply) -> None:
        for key, last, ends in read_ends(reply):
            with self._lock:
                stream = self._streams.get(key) or _Stream()
                stream.after = last
                heard = [(listener, ended) for job_id, ended in ends for listener in stream.listeners.get(job_id, ())]
            for listener, ended in heard:
                listener(ended)


async def _abandon(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

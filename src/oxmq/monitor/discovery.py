"""Find out which queues a server holds, without holding it up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from oxmq.errors import BackendError
from oxmq.ops import server
from oxmq.transport.runner import AsyncRunner

#: How many keys one step of a scan looks at: under a millisecond of the server's time.
_STEP = 1_000
#: The last parts of the keys by which queues are known.
_PARTS = ("meta", "id")
#: For how long a finished scan is good, in seconds; and so many times as long as it took.
_FRESH, _REST = 3.0, 10
#: Once all queues are known, a scan rests after each step for so many times as long as the step took.
_EASE = 4
#: How long a caller waits for a scan to end before it is told what was found so far, in seconds.
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundQueues:
    """Hold the names of queues.

    Attributes:
        names: the queues found so far, in order.
        complete: whether the whole server has been looked at.
    """

    names: list[str]
    complete: bool


class Discovery:
    """Look for the queues of one prefix, again and again while somebody asks.

    A queue is known by its ``meta`` key, which every producer writes; every other time it is looked for its counter
    of jobs instead, which stays where somebody has deleted that key.
    """

    def __init__(self, runner: AsyncRunner, prefix: str, known: Iterable[str]) -> None:
        self._runner = runner
        self._prefix = prefix
        self._known = frozenset(known)
        self._names = set(self._known)
        self._found = dict.fromkeys(_PARTS, frozenset[str]())
        self._noted: dict[str, int] = {}
        self._turn = 0
        self._complete = False
        self._heard = asyncio.Event()
        self._fresh_until = float("-inf")
        self._scan: asyncio.Task[BackendError | None] | None = None

    async def find(self) -> FoundQueues:
        """Return what is known; the first caller waits a moment for a scan, later ones only start one.

        Raises:
            UnavailableError: the server does not answer, and nothing is known yet.
        """
        if self._scan is None and time.monotonic() >= self._fresh_until:
            self._scan = asyncio.create_task(self._look())
        scan = self._scan
        if scan is not None and not self._complete:
            await asyncio.wait({scan}, timeout=_PATIENCE)
            await self._hear_from(scan)
            if scan.done() and (error := scan.result()) is not None:
                raise error
        return FoundQueues(names=sorted(self._names), complete=self._complete)

    async def _hear_from(self, scan: asyncio.Task[BackendError | None]) -> None:
        """Wait until the server has answered once, or does not in time: else silence would look like no queues."""
        if not scan.done() and not self._heard.is_set():
            heard = asyncio.create_task(self._heard.wait())
            await asyncio.wait({scan, heard}, return_when=asyncio.FIRST_COMPLETED)
            heard.cancel()

    def note(self, name: str) -> None:
        """Take note of a queue that was seen; once every kind of scan has missed it, it is gone."""
        self._names.add(name)
        self._noted[name] = self._turn + len(_PARTS)

    async def close(self) -> None:
        """Stop looking."""
        scan, self._scan = self._scan, None
        if scan is not None:
            scan.cancel()
            await asyncio.wait({scan})

    async def _look(self) -> BackendError | None:
        """Return why the scan ended early: nobody may be waiting who could be told by an exception."""
        began = time.monotonic()
        try:
            await self._scan_once()
        except BackendError as error:
            return error
        else:
            self._complete = True
            ended = time.monotonic()
            self._fresh_until = ended + max(_FRESH, _REST * (ended - began))
            return None
        finally:
            self._scan = None

    async def _scan_once(self) -> None:
        part = _PARTS[self._turn % len(_PARTS)]
        pattern = f"{server.literally(self._prefix)}:*:{part}"
        names: set[str] = set()
        cursor = -1
        while cursor:
            began = time.monotonic()
            page = await self._runner.run(server.scan(max(cursor, 0), pattern, _STEP))
            self._heard.set()
            cursor = page.cursor
            found = {key[len(self._prefix) + 1 : -len(part) - 1] for key in page.keys}
            names |= {name for name in found if name and ":" not in name}
            self._names |= names
            if self._complete and cursor:
                await asyncio.sleep(_EASE * (time.monotonic() - began))
        self._found[part] = frozenset(names)
        self._noted = {name: last for name, last in self._noted.items() if self._turn < last}
        self._names = set(self._known.union(self._noted, *self._found.values()))
        self._turn += 1

"""Let clients follow single jobs as server-sent events: state, progress, log lines, the end.

All who follow jobs of one queue share one reader of its events. Nobody tells of log lines, so that they are counted
twice a second, once for all who follow the same job.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from oxmq.client.queue_events import QueueEvents
from oxmq.errors import BackendError, ConfigurationError
from oxmq.monitor.job import MAX_LINE
from oxmq.monitor.job_changes import ENDED, find
from oxmq.monitor.job_trail import News, event_order, get_ends, get_events, news_of
from oxmq.monitor.moments import moment
from oxmq.monitor.payloads import read_payload, shown_text
from oxmq.monitor.site import Site
from oxmq.ops import jobs
from oxmq.ops.lookups import Found, look_up
from oxmq.records import GAP, Event
from oxmq.states import JobState

#: How many streams one process serves.
MAX_STREAMS: Final = 500
#: Seconds between two looks at a job's log, and after which a stream without news gets a sign of life.
_LOOK, _KEEP_ALIVE = 0.5, 15.0
#: How many events may wait to be sent to one client; of one that is slower, the state is read anew.
_MAX_PENDING = 500
#: How many missed events are told of; of more, only the state.
_MAX_MISSED = 5_000
#: How many lines one message brings, and how many of those that are there already are sent.
_LINES, _MAX_LINES = 100, 1_000
#: By how many lines one knows again where a log was that keeps its newest lines only.
_TAIL = 20
_SIGN_OF_LIFE: Final = b": still here\n\n"
#: How soon a client shall come back whose connection broke, in milliseconds.
_BEGIN: Final = b"retry: 2000\n\n"
_POSITION: Final = re.compile(r"(\d{1,20}-\d{1,20})\.(\d{1,12})")


@dataclass(frozen=True, slots=True)
class Position:
    """Hold how far a client has come: the last event, and how many log lines."""

    event: str
    lines: int


def read_position(text: str) -> Position:
    """Return the position that the id of a message says.

    Raises:
        ConfigurationError: it is no such id.
    """
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"last_event_id must be the id of a message of this stream, not {text!r:.80}")
    return Position(found[1], int(found[2]))


class Resync:
    """Tell a listener to read anew how its job is: it may have missed something."""


class Lines:
    """Tell a listener that its job's log has changed."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Tell a listener that the server does not answer."""

    detail: str


_Item = Event | Resync | Lines | Trouble


class Listener:
    """Hold what one client is still to be told."""

    def __init__(self) -> None:
        self._pending = asyncio.Queue[_Item](_MAX_PENDING)

    def tell(self, item: _Item) -> None:
        """Take something that is to be told; when that is too much, all is forgotten for a new beginning."""
        if self._pending.full():
            while not self._pending.empty():
                self._pending.get_nowait()
            item = Resync()
        self._pending.put_nowait(item)

    async def next(self) -> _Item | None:
        """Return what is to be told next; None when there was nothing for a while."""
        try:
            async with asyncio.timeout(_KEEP_ALIVE):
                return await self._pending.get()
        except TimeoutError:
            return None


class JobEvents:
    """Serve streams of the events of single jobs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._readers: dict[str, _QueueReader] = {}
        self._watches: dict[tuple[str, str], _LogWatch] = {}
        self._streams = 0

    @property
    def is_full(self) -> bool:
        """Tell whether as many streams are served as may be."""
        return self._streams >= MAX_STREAMS

    async def follow(self, queue: str, job_id: str, last: Position | None) -> AsyncIterator[bytes]:
        """Yield messages until the job has ended.

        Raises:
            JobNotFoundError: there is no such job, when the stream begins.
            BackendError: the server does not answer, when the stream begins.
        """
        self._streams += 1
        listener = Listener()
        try:
            async with self._listening(queue, job_id, listener):
                async for message in _Stream(self._site, queue, job_id, listener).messages(last):
                    yield message
        finally:
            self._streams -= 1

    async def close(self) -> None:
        """Stop everything that goes on."""
        for reader in list(self._readers.values()):
            await reader.stop()
        for watch in list(self._watches.values()):
            await watch.stop()

    @contextlib.asynccontextmanager
    async def _listening(self, queue: str, job_id: str, listener: Listener) -> AsyncGenerator[None]:
        if queue not in self._readers:
            self._readers[queue] = _QueueReader(self._site, queue)
        if (queue, job_id) not in self._watches:
            self._watches[queue, job_id] = _LogWatch(self._site, queue, job_id)
        reader, watch = self._readers[queue], self._watches[queue, job_id]
        try:
            await reader.join(job_id, listener)
            watch.join(listener)
            yield
        finally:
            if reader.leave(job_id, listener):
                self._readers.pop(queue, None)
                await reader.stop()
            if watch.leave(listener):
                self._watches.pop((queue, job_id), None)
                await watch.stop()


class _QueueReader:
    """Read the events of one queue for all who follow its jobs."""

    def __init__(self, site: Site, queue: str) -> None:
        self._events = QueueEvents(queue, site.runner.endpoint.source, prefix=site.prefix)
        self._listeners: dict[str, set[Listener]] = {}
        self._starting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def join(self, job_id: str, listener: Listener) -> None:
        """Tell a listener what happens to a job from now on."""
        self._listeners.setdefault(job_id, set()).add(listener)
        async with self._starting:
            if self._task is None:
                await self._events.__aenter__()
                self._task = asyncio.get_running_loop().create_task(self._read())

    def leave(self, job_id: str, listener: Listener) -> bool:
        """Tell a listener nothing more; return whether nobody is left."""
        listeners = self._listeners.get(job_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(job_id, None)
        return not self._listeners

    async def stop(self) -> None:
        """Read no more."""
        await _end(self._task)
        await self._events.close()

    async def _read(self) -> None:
        async for event in self._events:
            if event.name == GAP:
                for listener in [each for listeners in self._listeners.values() for each in listeners]:
                    listener.tell(Resync())
            elif event.job_id is not None:
                for listener in list(self._listeners.get(event.job_id, ())):
                    listener.tell(event)


class _LogWatch:
    """Look again and again whether a job's log has changed, and whether the job is still there."""

    def __init__(self, site: Site, queue: str, job_id: str) -> None:
        self._site = site
        self._keys = site.keys(queue)
        self._job_id = job_id
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self, listener: Listener) -> None:
        """Tell a listener of changes."""
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look())

    def leave(self, listener: Listener) -> bool:
        """Tell a listener nothing more; return whether nobody is left."""
        self._listeners.discard(listener)
        return not self._listeners

    async def stop(self) -> None:
        """Look no more."""
        await _end(self._task)

    async def _look(self) -> None:
        seen: object = None
        trouble = False
        while True:
            try:
                now = await self._log_and_job()
            except BackendError as error:
                self._tell([] if trouble else [Trouble(str(error))])
                trouble = True
            else:
                self._tell([Resync()] if trouble or not now[2] else [Lines()] if now != seen else [])
                seen, trouble = now, False
            await asyncio.sleep(_LOOK)

    async def _log_and_job(self) -> tuple[int, list[str], bool]:
        run, keys = self._site.runner.run, self._keys
        return await asyncio.gather(
            run(jobs.count_logs(keys, self._job_id)),
            run(jobs.get_logs(keys, self._job_id, 0, 0, asc=False)),
            run(jobs.exists(keys, self._job_id)),
        )

    def _tell(self, items: Iterable[_Item]) -> None:
        for item in items:
            for listener in self._listeners:
                listener.tell(item)


class _Stream:
    """Write the messages of one client."""

    def __init__(self, site: Site, queue: str, job_id: str, listener: Listener) -> None:
        self._site = site
        self._queue = queue
        self._keys = site.keys(queue)
        self._job_id = job_id
        self._listener = listener
        self._event = "0-0"
        self._lines = 0
        self._tail: list[str] = []
        self._ended = False
        self._gone = False

    async def messages(self, last: Position | None) -> AsyncIterator[bytes]:
        """Yield messages, from a position on if there is one, until the job has ended."""
        oldest, newest = await asyncio.gather(*map(self._site.runner.run, get_ends(self._keys)))
        found = await find(self._site, self._queue, self._job_id)
        self._lines = max(0, found.logs - _MAX_LINES) if last is None else min(last.lines, found.logs)
        missed = None if last is None else await self._missed(last.event, oldest, newest)
        self._event = newest
        yield _BEGIN
        async for message in self._say(self._present(found) if missed is None else missed):
            yield message
        if not self._ended and found.state in ENDED:
            async for message in self._say(self._present(found)):
                yield message
        async for message in self._live():
            yield message

    async def _live(self) -> AsyncIterator[bytes]:
        while not self._ended:
            item = await self._listener.next()
            if item is None:
                yield _SIGN_OF_LIFE
                continue
            try:
                async for message in self._told(item):
                    yield message
            except BackendError as error:
                # The watch of the log notices, too, and has everything read anew once the server is back.
                yield self._message(News("trouble", {"detail": str(error)}))

    async def _told(self, item: _Item) -> AsyncIterator[bytes]:
        if isinstance(item, Trouble):
            yield self._message(News("trouble", {"detail": item.detail}))
        elif isinstance(item, Lines):
            async for message in self._new_lines():
                yield message
        else:
            async for message in self._say(await self._news(item)):
                yield message

    async def _say(self, news: Sequence[News]) -> AsyncIterator[bytes]:
        """Yield what there is to tell; nothing comes after the end, not even log lines."""
        for each in news:
            if each.name == "end":
                async for message in self._new_lines():
                    yield message
            yield self._message(each)
            if self._ended:
                return

    async def _news(self, item: Event | Resync) -> Sequence[News]:
        if isinstance(item, Event):
            if event_order(item.id) <= event_order(self._event):
                return []
            self._event = item.id
            return news_of(item, self._site.redact)
        found = await self._site.runner.run(look_up(self._keys, self._job_id))
        if found is not None:
            return self._present(found)
        if not self._gone:
            # What became of it may still be on its way.
            self._gone = True
            return []
        return [News("end", {"state": "removed"})]

    async def _missed(self, after: str, oldest: str, newest: str) -> list[News] | None:
        """Return what happened after an event; None when that is not known any more."""
        if event_order(oldest) > event_order(after) or event_order(after) > event_order(newest):
            return None
        news: list[News] = []
        for _ in range(_MAX_MISSED // 1_000):
            entries = await self._site.runner.run(get_events(self._keys, after, newest))
            for event in entries:
                after = event.id
                if event.job_id == self._job_id:
                    news += news_of(event, self._site.redact)
            if len(entries) < 1_000:
                return news
        return None

    def _present(self, found: Found) -> list[News]:
        """Return what tells how the job is."""
        record, redact = found.record, self._site.redact
        state: dict[str, object] = {"state": found.state, "at": _now(self._site), "attempts_made": record.attempts_made}
        if found.due_ms is not None and (due := moment(found.due_ms)) is not None:
            state["due_at"] = due.isoformat()
        news = [News("state", state)]
        if record.progress is not None:
            news.append(News("progress", {"progress": read_payload(record.progress, redact, 16 * 1024).value}))
        if found.state == JobState.COMPLETED:
            result = read_payload(record.return_value, redact).value
            news.append(News("end", {"state": found.state, "result": result}))
        elif found.state == JobState.FAILED:
            reason = shown_text(record.failed_reason or "", 16 * 1024)
            news.append(News("end", {"state": found.state, "failed_reason": reason}))
        return news

    def _message(self, news: News) -> bytes:
        self._ended = self._ended or news.name == "end"
        data = msgspec.json.encode(news.data)
        return b"event: %s\nid: %s.%d\ndata: %s\n\n" % (news.name.encode(), self._event.encode(), self._lines, data)

    async def _new_lines(self) -> AsyncIterator[bytes]:
        count = await self._site.runner.run(jobs.count_logs(self._keys, self._job_id))
        async for message in self._log_messages(count):
            yield message

    async def _log_messages(self, count: int) -> AsyncIterator[bytes]:
        if count < self._lines:
            self._lines, self._tail = 0, []  # cleared, or cut
        if count == self._lines and count:
            # A log that keeps its newest lines only stays as long as it is.
            rows = await self._rows(max(0, count - _LINES))
            fresh = lines_after(self._tail, rows) if self._tail else []
            self._tail = rows[-_TAIL:]
            if fresh:
                yield self._line_message(fresh)
        while self._lines < count:
            rows = await self._rows(self._lines)
            if not rows:
                return
            self._lines += len(rows)
            self._tail = [*self._tail, *rows][-_TAIL:]
            yield self._line_message(rows)

    def _line_message(self, rows: Sequence[str]) -> bytes:
        lines = [shown_text(row, MAX_LINE) for row in rows]
        return self._message(News("log", {"lines": lines, "from": self._lines - len(lines)}))

    async def _rows(self, start: int) -> list[str]:
        return await self._site.runner.run(jobs.get_logs(self._keys, self._job_id, start, start + _LINES - 1, asc=True))


def lines_after(tail: Sequence[str], rows: Sequence[str]) -> list[str]:
    """Return those of the newest lines of a log that come after the ones known: as few as may be."""
    for fresh in range(len(rows)):
        known = rows[: len(rows) - fresh][-len(tail) :]
        if known and list(known) == list(tail)[-len(known) :]:
            return list(rows[len(rows) - fresh :])
    return list(rows)


def _now(site: Site) -> str | None:
    at = moment(site.clock.now_ms())
    return None if at is None else at.isoformat()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task})

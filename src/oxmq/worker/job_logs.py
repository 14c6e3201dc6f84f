"""Put the log lines that a job's handler writes into the job's own log, beside wherever else they go.

Lines are gathered and written in batches, in order, and the last of them before the job's end is reported. Whatever
goes wrong with that harms neither the job nor the other handlers of the lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, Final

from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.codec import read_options, user_options
from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import jobs
from oxmq.ops.call import Call
from oxmq.ops.outcomes import writable
from oxmq.records import JobRecord
from oxmq.sync.context import QueueContext as SyncQueueContext
from oxmq.worker.executor import AsyncHandler

#: How long lines are gathered before they are written, in seconds.
_GATHER: Final = 0.5
#: How many lines may wait to be written; further ones are dropped, and counted.
_MOST_WAITING: Final = 500
#: How many lines one run of a job may write in all.
_MOST: Final = 10_000
#: How much of a line is kept, in characters.
_LONGEST: Final = 4_000
#: How long the end of a job waits for its last lines to be written, in seconds.
_LAST_WORDS: Final = 2.0
#: Whose lines go to no job: those about writing would be written in turn.
_OWN: Final = ("oxmq", "redis")

_lines: ContextVar[Lines | None] = ContextVar("oxmq_job_lines", default=None)


class Lines:
    """Gather the lines of one run of a job, from any thread.

    Args:
        level: the least level of a line.
        wake: called, in the thread that writes a line, when there is something to write after there was nothing.

    Attributes:
        used: whether there has been a line.
    """

    def __init__(self, level: int, wake: Callable[[], None]) -> None:
        self.level = level
        self.used = False
        self._wake = wake
        self._lock = threading.Lock()
        self._rows: list[str] = []
        self._total = self._dropped = 0
        self._closed = False

    def add(self, row: str) -> None:
        """Add a line; one too many is counted instead."""
        with self._lock:
            if self._closed:
                return
            self.used = True
            first = not self._rows and not self._dropped
            if self._total >= _MOST or len(self._rows) >= _MOST_WAITING:
                self._dropped += 1
            else:
                self._rows.append(row)
                self._total += 1
        if first:
            self._wake()

    def take(self) -> list[str]:
        """Return the lines since the last time, and one that says how many were dropped."""
        with self._lock:
            rows, self._rows = self._rows, []
            if self._dropped:
                rows.append(f"({self._dropped} more lines were dropped: there were too many at once, or in all)")
            self._dropped = 0
        return rows

    def close(self) -> None:
        """Take no more lines: the job's end is reported, whatever its handler still does."""
        with self._lock:
            self._closed = True


class JobLogs:
    """Be the middleware that gathers and writes the lines of a worker's jobs.

    Args:
        level: the least level of a line.
        context: the surroundings of the queue.
    """

    def __init__(self, level: int, context: QueueContext) -> None:
        self._level = level
        self._context = context

    def start(self) -> None:
        """Hear what is logged in this process, from now until `stop`."""
        _collector.start(self._level)

    def stop(self) -> None:
        """Hear no more."""
        _collector.stop(self._level)

    async def __call__(self, job: Job[Any], call_next: AsyncHandler) -> object:
        """Run a job's handler, and write its lines."""
        writer = _Writer(self._context, job.record, self._level)
        _lines.set(writer.lines)
        try:
            return await call_next(job)
        finally:
            if writer.lines.used:
                await writer.write_rest()
            writer.lines.close()


class _Writer:
    """Write the lines of one run from the event loop, also those of threads."""

    def __init__(self, context: QueueContext, record: JobRecord, level: int) -> None:
        self._context = context
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._one_at_a_time = asyncio.Lock()
        self._flush: asyncio.Task[None] | None = None
        self.lines = Lines(level, self._wake)

    async def write_rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._write()

    def _wake(self) -> None:
        # A thread that was given up may outlive the loop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.call_later, _GATHER, self._begin)

    def _begin(self) -> None:
        self._flush = self._loop.create_task(self._write())

    async def _write(self) -> None:
        async with self._one_at_a_time:
            if rows := self.lines.take():
                with contextlib.suppress(OxmqError):
                    await self._context.runner.run(_add(self._context.keys, self._record, rows))


@contextlib.contextmanager
def keep_lines(context: SyncQueueContext, record: JobRecord, level: int) -> Generator[None]:
    """Write the lines of the job that runs in the block; for processes that run one job at a time."""
    writer = _Thread(context, record, level)
    _collector.start(level)
    token = _lines.set(writer.lines)
    try:
        yield
    finally:
        _lines.reset(token)
        _collector.stop(level)
        writer.close()


class _Thread:
    """Write the lines of one run from a thread of its own, which starts with the first of them."""

    def __init__(self, context: SyncQueueContext, record: JobRecord, level: int) -> None:
        self._context = context
        self._record = record
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.lines = Lines(level, self._wake)

    def close(self) -> None:
        self._closed.set()
        self.lines.close()
        if self._thread is not None:
            self._thread.join(_LAST_WORDS)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="oxmq-job-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        closed = False
        while not closed:
            closed = self._closed.wait(_GATHER)
            self._write()

    def _write(self) -> None:
        if rows := self.lines.take():
            with contextlib.suppress(OxmqError):
                self._context.runner.run(_add(self._context.keys, self._record, rows))


class _Collector(logging.Handler):
    """Hear all that is logged, and give the lines of handlers to their jobs.

    The root logger must let such lines pass. Those who hear them besides hear what they would have heard without.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._changing = threading.Lock()
        self._levels: list[int] = []
        self._before = logging.WARNING
        self._restrained: list[tuple[logging.Handler, _AsBefore]] = []
        self._stand_in: logging.Handler | None = None

    def start(self, level: int) -> None:
        root = logging.getLogger()
        with self._changing:
            if not self._levels:
                self._before = root.level
                self._restrain(root)
                root.addHandler(self)
            self._levels.append(level)
            root.setLevel(min(self._before, *self._levels))

    def stop(self, level: int) -> None:
        root = logging.getLogger()
        with self._changing:
            self._levels.remove(level)
            if self._levels:
                return
            root.removeHandler(self)
            root.setLevel(self._before)
            for handler, restraint in self._restrained:
                handler.removeFilter(restraint)
            self._restrained.clear()
            if self._stand_in is not None:
                root.removeHandler(self._stand_in)
                self._stand_in = None

    def emit(self, record: logging.LogRecord) -> None:
        lines = _lines.get()
        if lines is None or record.levelno < lines.level or record.name.partition(".")[0] in _OWN:
            return
        try:
            row = self.format(record)
        except Exception:  # noqa: BLE001 - a message that does not fit its arguments: logging says how it deals with that
            self.handleError(record)
        else:
            lines.add(writable(row if len(row) <= _LONGEST else f"{row[:_LONGEST]}..."))

    def _restrain(self, root: logging.Logger) -> None:
        # Where nobody has set logging up, its last resort prints warnings; with this handler there it would not.
        if not root.handlers and logging.lastResort is not None:
            self._stand_in = logging.lastResort
            root.addHandler(self._stand_in)
        for handler in root.handlers:
            restraint = _AsBefore(self._before)
            handler.addFilter(restraint)
            self._restrained.append((handler, restraint))


class _AsBefore(logging.Filter):
    """Let pass what the root logger would let pass at another level."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._level or _has_own_level(record.name)


class _LineFormatter(logging.Formatter):
    """Begin each line with the time in UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def _has_own_level(name: str) -> bool:
    logger: Any = logging.Logger.manager.loggerDict.get(name)
    while isinstance(logger, logging.Logger) and logger.parent is not None:
        if logger.level:
            return True
        logger = logger.parent
    return False


def _add(keys: QueueKeys, record: JobRecord, rows: list[str]) -> Call[int]:
    keep = user_options(read_options(record.opts)).keep_logs
    return jobs.add_logs(keys, record.id, rows, keep if isinstance(keep, int) else 1000)


_collector = _Collector()

"""Look at all queues of a site at once, at most so often, however many ask.

What changes with each job is read at each look; what changes slowly, or costs the server more, is kept for some
seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from msgspec import structs

from oxmq.clock import Clock
from oxmq.codec import instant
from oxmq.doctor.facts import ServerFacts, gather_facts
from oxmq.errors import BackendError
from oxmq.keys import QueueKeys
from oxmq.monitor.discovery import FoundQueues
from oxmq.ops import server
from oxmq.ops.call import Call
from oxmq.ops.heartbeats import Heartbeat, get_heartbeats
from oxmq.ops.history import MINUTE_MS, HistoryPoint, get_history, last_full_minute
from oxmq.ops.reconciling import Report, get_report
from oxmq.ops.running import RunningJob, get_running
from oxmq.ops.snapshots import Snapshot, get_snapshot
from oxmq.ops.upcoming import get_first_due
from oxmq.ops.workers import WorkerClient, get_clients
from oxmq.transport.runner import AsyncRunner

T = TypeVar("T")

#: How many queues are looked at, at most.
MOST_QUEUES = 1_000
#: How many of a queue's running jobs are looked at.
MOST_RUNNING = 50
#: How many minutes of history are kept at hand.
HISTORY_MINUTES = 60
#: How many of the minutes that are known are read once more, beside the last.
_LATE = 1
#: For how many seconds what was seen is good: a whole look; who works; who is connected; minutes; the server's state;
#: the report on heavy jobs.
_LOOK, _WORKERS, _CLIENTS, _HISTORY, _SERVER, _REPORT = 0.25, 2.0, 3.0, 15.0, 15.0, 5.0
#: Listing thousands of clients takes the server some time: that many times as long it is left alone.
_REST = 50
#: From how far back the pace of additions is told, in milliseconds, and from how little at least.
_PACE_MS, _LEAST_PACE_MS = 60_000, 2_000
#: How many round trips are measured each time that the server's state is read.
_TRIPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Hold how many jobs ended in the minute that began at `at`."""

    at: datetime
    completed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """Hold what was seen of one queue.

    Attributes:
        name: its name.
        snapshot: its counts and the like.
        heartbeats: how its workers were when they last said so.
        clients: the connections of its workers; None where the server does not let clients be listed.
        running: some of the jobs that run, those that were taken first.
        history: the last hour's minutes, oldest first.
        spark: what of that is shown in little, without the minutes in which nothing ended.
        first_due: the scheduler whose next job is due first, and when in milliseconds since the epoch.
        added_per_minute: how many jobs are added in a minute.
    """

    name: str
    snapshot: Snapshot
    heartbeats: list[Heartbeat] = field(default_factory=list[Heartbeat])
    clients: list[WorkerClient] | None = None
    running: list[RunningJob] = field(default_factory=list[RunningJob])
    history: list[HistoryPoint] = field(default_factory=list[HistoryPoint])
    spark: list[Point] = field(default_factory=list[Point])
    first_due: tuple[str, int] | None = None
    added_per_minute: float = 0.0

    @property
    def exists(self) -> bool:
        """Tell whether there is any trace of the queue."""
        seen = self.snapshot
        traces = (seen.version, seen.added, seen.schedules, seen.paused, seen.max_len_events, seen.broken)
        limits = (seen.concurrency, seen.rate_max)
        workers = bool(self.heartbeats or self.clients)
        return workers or any((*traces, *limits, *seen.counts.values())) or seen.last_event != "0-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold what was seen at one moment.

    Attributes:
        at_ms: when, in milliseconds since the epoch.
        complete: whether all queues have been found.
        queues: what was seen of each, by name.
        roles: how many clients of each role are connected; None where the server does not let them be listed.
        server: what the server says of itself; None where it says nothing.
        latency: how long a round trip took, in seconds.
        report: what the reconciler of heavy jobs said last; None where it never said anything.
    """

    at_ms: int
    complete: bool
    queues: dict[str, QueueFacts]
    roles: dict[str, int] | None
    server: ServerFacts | None
    latency: float
    report: Report | None = None


@dataclass(slots=True)
class _Kept:
    """Keep what was seen of one queue, for the next looks."""

    heartbeats: list[Heartbeat] = field(default_factory=list[Heartbeat])
    running: list[RunningJob] = field(default_factory=list[RunningJob])
    history: list[HistoryPoint] = field(default_factory=list[HistoryPoint])
    spark: list[Point] = field(default_factory=list[Point])
    first_due: tuple[str, int] | None = None
    workers_at: float = float("-inf")
    history_at: float = float("-inf")
    added: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])


class Watch:
    """Look at queues, and remember for a while what was seen.

    Args:
        runner: executes calls.
        clock: gives the time.
        prefix: with what all keys begin.
        known: queues that are shown even where there is no trace of them.
        find: finds the queues.
    """

    def __init__(
        self,
        runner: AsyncRunner,
        clock: Clock,
        prefix: str,
        known: frozenset[str],
        find: Callable[[], Awaitable[FoundQueues]],
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._prefix = prefix
        self._known = known
        self._find = find
        self._kept: dict[str, _Kept] = {}
        self._last: tuple[float, Look] | None = None
        self._looking: asyncio.Task[Look] | None = None
        self._clients: list[WorkerClient] | None = None
        self._roles: dict[str, int] | None = None
        self._clients_until = float("-inf")
        self._server: ServerFacts | None = None
        self._server_until = float("-inf")
        self._report: Report | None = None
        self._report_until = float("-inf")

    async def look(self) -> Look:
        """Return what is seen of all queues; who asks at about the same time is given the same.

        Raises:
            BackendError: the server does not answer.
        """
        if self._last is not None and time.monotonic() - self._last[0] < _LOOK:
            return self._last[1]
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_now())
            self._looking.add_done_callback(self._forget_looking)
        return await asyncio.shield(self._looking)

    async def look_at(self, name: str) -> QueueFacts:
        """Return what is seen of one queue, whether it exists or not.

        Raises:
            BackendError: the server does not answer.
        """
        facts = (await self._read_queues([name], self._clock.now_ms()))[name]
        if not facts.exists:
            self._kept.pop(name, None)  # somebody may ask for any number of names
        return facts

    async def server_facts(self) -> ServerFacts:
        """Return what the server says of itself, which may be some seconds old.

        Raises:
            BackendError: it does not answer.
        """
        if self._server is None or time.monotonic() >= self._server_until:
            self._server = await gather_facts(self._runner, _TRIPS)
            self._server_until = time.monotonic() + _SERVER
        return self._server

    async def close(self) -> None:
        """Give up what is under way."""
        looking = self._looking
        if looking is not None:
            looking.cancel()
            await asyncio.wait({looking})

    def _forget_looking(self, task: asyncio.Task[Look]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: then nobody else looks at how it ended

    async def _look_now(self) -> Look:
        if self._last is None:
            await self._runner.run(server.ping())  # this one may have to connect first
        began = time.perf_counter()
        await self._runner.run(server.ping())
        latency = time.perf_counter() - began
        facts = await self.server_facts()
        found, _, _ = await asyncio.gather(self._find(), self._read_clients(), self._read_report())
        # A queue that has a worker and no key yet is a queue all the same.
        names = sorted({*found.names, *(client.queue for client in self._clients or ())})
        now = self._clock.now_ms()
        queues = await self._read_queues(names[:MOST_QUEUES], now)
        for gone in self._kept.keys() - queues.keys():
            del self._kept[gone]
        look = Look(
            at_ms=now,
            complete=found.complete and len(names) <= MOST_QUEUES,
            queues={name: seen for name, seen in queues.items() if seen.exists or name in self._known},
            roles=self._roles,
            server=facts if facts.info else None,
            latency=latency,
            report=self._report,
        )
        self._last = (time.monotonic(), look)
        return look

    async def _read_queues(self, names: Sequence[str], now: int) -> dict[str, QueueFacts]:
        # At once, so that a server that does not answer is noticed within one deadline, not two.
        snapshots, _ = await asyncio.gather(
            self._ask(names, lambda keys: get_snapshot(keys, now)), self._read_clients()
        )
        await asyncio.gather(self._read_workers(names, snapshots), self._read_history(names, now))
        by_queue: dict[str, list[WorkerClient]] = {}
        for client in self._clients or ():
            by_queue.setdefault(client.queue, []).append(client)
        return {
            name: self._facts(name, snapshots[name], None if self._clients is None else by_queue.get(name, []), now)
            for name in names
        }

    def _facts(self, name: str, snapshot: Snapshot, clients: list[WorkerClient] | None, now: int) -> QueueFacts:
        kept = self._keep(name)
        return QueueFacts(
            name=name,
            snapshot=_with_counted(snapshot, latest_minute(kept.history, now)),
            heartbeats=kept.heartbeats,
            clients=clients,
            running=kept.running if snapshot.counts["active"] else [],
            history=kept.history,
            spark=kept.spark,
            first_due=kept.first_due if snapshot.schedules else None,
            added_per_minute=_pace(kept, snapshot.added, now),
        )

    def _keep(self, name: str) -> _Kept:
        # A look at all queues forgets those that are gone, while another may be waiting for what one of them says.
        return self._kept.setdefault(name, _Kept())

    async def _read_workers(self, names: Iterable[str], snapshots: dict[str, Snapshot]) -> None:
        now = time.monotonic()
        due = [name for name in names if now - self._keep(name).workers_at >= _WORKERS]
        busy = [name for name in due if snapshots[name].counts["active"]]
        scheduled = [name for name in due if snapshots[name].schedules]
        heartbeats, running, first_due = await asyncio.gather(
            self._ask(due, get_heartbeats, tolerant=True),
            self._ask(busy, lambda keys: get_running(keys, MOST_RUNNING), tolerant=True),
            self._ask(scheduled, get_first_due, tolerant=True),
        )
        for name in due:
            kept = self._keep(name)
            kept.workers_at = now
            kept.heartbeats = heartbeats.get(name, [])
            kept.running = running.get(name, [])
            kept.first_due = first_due.get(name)

    async def _read_history(self, names: Iterable[str], now_ms: int) -> None:
        now = time.monotonic()
        due = [name for name in names if now - self._keep(name).history_at >= _HISTORY]
        oldest = now_ms - HISTORY_MINUTES * MINUTE_MS

        def unread(keys: QueueKeys) -> Call[list[HistoryPoint]]:
            known = self._keep(keys.name).history
            # Workers may have added to the last minutes since.
            return get_history(keys, known[-1].at_ms - _LATE * MINUTE_MS if known else oldest, now_ms, HISTORY_MINUTES)

        found = await self._ask(due, unread, tolerant=True)
        for name in due:
            kept, points = self._keep(name), found.get(name, [])
            kept.history_at = now
            if points or (kept.history and kept.history[0].at_ms < oldest):
                anew = {point.at_ms: point for point in (*kept.history, *points) if point.at_ms >= oldest}
                kept.history = [anew[at_ms] for at_ms in sorted(anew)]
                kept.spark = [_point(point) for point in kept.history if point.completed or point.failed]

    async def _ask(
        self, names: Iterable[str], call: Callable[[QueueKeys], Call[T]], *, tolerant: bool = False
    ) -> dict[str, T]:
        """Ask the same of many queues in one round trip; when `tolerant`, leave out those whose keys are broken."""
        wanted = list(names)
        calls = [self._runner.run(call(QueueKeys(name, self._prefix))) for name in wanted]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        found: dict[str, T] = {}
        for name, answer in zip(wanted, answers, strict=True):
            if not isinstance(answer, BaseException):
                found[name] = answer
            elif not tolerant or type(answer) is not BackendError:
                raise answer
        return found

    async def _read_clients(self) -> None:
        began = time.monotonic()
        if began < self._clients_until:
            return
        try:
            clients = await self._runner.run(get_clients(self._prefix))
        except BackendError:
            # Many hosted servers forbid it: then only those workers are known that beat.
            self._clients, self._roles = None, None
        else:
            self._clients, self._roles = clients.workers, clients.roles
        took = time.monotonic() - began
        self._clients_until = began + max(_CLIENTS, _REST * took)

    async def _read_report(self) -> None:
        if time.monotonic() < self._report_until:
            return
        try:
            self._report = await self._runner.run(get_report(self._prefix))
        except BackendError as error:
            if type(error) is not BackendError:
                raise
            self._report = None  # something else is in its place
        self._report_until = time.monotonic() + _REPORT


def latest_minute(history: Sequence[HistoryPoint], now_ms: int) -> HistoryPoint | None:
    """Return the last minute, or the one before where that is not written down yet; None where nothing went on."""
    latest = history[-1] if history else None
    return latest if latest is not None and latest.at_ms >= last_full_minute(now_ms) - MINUTE_MS else None


def _with_counted(snapshot: Snapshot, minute: HistoryPoint | None) -> Snapshot:
    """Return what was seen; of jobs that are removed as soon as they end nothing is, but for what workers counted."""
    if minute is None or not minute.exact:
        return snapshot
    return structs.replace(
        snapshot,
        completed_minute=snapshot.completed_minute or (0 if minute.kept_completed else minute.completed),
        failed_minute=snapshot.failed_minute or (0 if minute.kept_failed else minute.failed),
    )


def _point(point: HistoryPoint) -> Point:
    return Point(at=instant(point.at_ms), completed=point.completed, failed=point.failed)


def _pace(kept: _Kept, added: int, now: int) -> float:
    """Return how many jobs are added in a minute, from the counter of additions now and some time ago."""
    samples = kept.added
    if samples and (added < samples[-1][1] or now < samples[-1][0]):
        samples.clear()  # the queue was obliterated
    if not samples or now - samples[-1][0] >= _LEAST_PACE_MS:
        samples.append((now, added))
    while len(samples) > 1 and now - samples[1][0] >= (_PACE_MS if now - samples[0][0] < 2 * _PACE_MS else 1):
        samples.popleft()  # of a long time in which nobody looked, the mean says little of the present
    since, before = samples[0]
    if now - since < _LEAST_PACE_MS:
        # Nothing was seen before this process looked, but for what was written down.
        for point in reversed(kept.history):
            if point.added is not None:
                since, before = point.at_ms + MINUTE_MS, point.added
                break
    elapsed = now - since
    return (added - before) * MINUTE_MS / elapsed if elapsed >= _LEAST_PACE_MS and added >= before else 0.0

"""Hold the running parts of a worker: wire them together, start them, stop them in order."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

from oxmq.client.context import QueueContext
from oxmq.clock import ManualClock
from oxmq.ops.heartbeats import MOST_JOBS, Heartbeat
from oxmq.ops.lifecycle import Outcome
from oxmq.ops.snapshots import get_snapshot
from oxmq.tracing import QueueFigures, Watched, WorkerFigures, WorkerTelemetry
from oxmq.transport.stream import BlockingConnection
from oxmq.transport.sync_runner import SyncRunner
from oxmq.worker.admission import Admission
from oxmq.worker.cancel_watch import CancelWatch
from oxmq.worker.events import Listeners
from oxmq.worker.exchange import Exchange
from oxmq.worker.executor import STOP_GRACE, AsyncHandler, Executor
from oxmq.worker.fetcher import Fetcher
from oxmq.worker.health import WorkerHealth, verdict
from oxmq.worker.heartbeat import Heart, oxmq_version
from oxmq.worker.history_recorder import HistoryRecorder
from oxmq.worker.journal import Journal
from oxmq.worker.lock_renewer import LockRenewer
from oxmq.worker.memory import resident_bytes
from oxmq.worker.options import WorkerOptions
from oxmq.worker.pulse import Pulse
from oxmq.worker.stalled_checker import StalledChecker

#: How long a closing worker waits for Redis to confirm the last outcomes, in seconds.
_LAST_WORDS = 10.0
#: How much of a job's name is told, in characters.
_LONGEST_NAME = 100


class Services:
    """Run the parts of one worker. Made and used on the event loop."""

    def __init__(
        self, context: QueueContext, options: WorkerOptions, handler: AsyncHandler, listeners: Listeners
    ) -> None:
        keys, clock, runner = context.keys, context.clock, context.runner
        self._queue = keys.name
        self._clock = clock
        self._id = str(uuid.uuid4())
        self._started_ms = clock.now_ms()
        self._paused = False
        self._healthy = True
        self._loop = asyncio.get_running_loop()
        self._ignore_moves: Callable[[], None] = lambda: None
        self._options = options
        self._listeners = listeners
        self._renewer = LockRenewer(
            SyncRunner(runner.endpoint, clock, min(5.0, options.lock_ms / 4000)),
            keys,
            options.lock_ms,
            on_lost=self._in_loop(self._tell_lost),
            on_error=self._in_loop(lambda error: listeners.tell("error", error)),
            max_silence=options.max_loop_block_ms / 1000,
            speak_for_loop=lambda silent: self._heart.beat_for_loop(silent, clock.now_ms()),
        )
        admission = Admission(context, self._report_error)
        self._name = options.name or f"{socket.gethostname()}:{os.getpid()}"
        self._journal = Journal(self._queue, self._name)
        self._telemetry = self._telemetry_of(context)
        self._executor = Executor(
            context, handler, self._renewer, listeners, self._report, admission, self._journal, self._telemetry
        )
        self._cancel_watch = CancelWatch(runner, keys, self._executor)
        self._exchange = Exchange(
            runner, keys, clock, context.terms, options.concurrency, self._token_maker(), self._executor
        )
        name = keys.client_name
        marker = BlockingConnection(runner.endpoint, f"{name}:w:{options.name}" if options.name else name)
        self._fetcher = Fetcher(self._exchange, marker, keys.of("marker"), clock, options.drain_delay_ms / 1000)
        self._stalled = StalledChecker(
            runner,
            keys,
            clock,
            options.stalled_interval_ms,
            options.max_stalled_count,
            on_stalled=self._tell_stalled,
            on_error=self._executor.report_error,
        )
        self._pulse = Pulse(self._renewer)
        self._heart = Heart(runner, keys, self._describe)
        self._history = HistoryRecorder(runner, keys, clock, self._id, self._executor.tally)

    def start(self, *, taking: bool) -> None:
        """Start every part, and take the first jobs unless that is to wait."""
        self._renewer.start()
        self._pulse.start()
        self._cancel_watch.start()
        self._paused = not taking
        if taking:
            self.resume()
        self._heart.start()
        self._history.start()
        if self._telemetry is not None:
            self._telemetry.start()
        if isinstance(self._clock, ManualClock):
            self._ignore_moves = self._clock.on_move(self._look_again_soon)

    @property
    def slots(self) -> int:
        """Return how many jobs may run at once."""
        return self._exchange.slots

    def set_slots(self, slots: int) -> None:
        """Let so many jobs run at once from now on."""
        self._exchange.set_slots(slots)

    async def pause(self, *, wait: bool) -> None:
        """Take no more jobs; wait for the running ones if asked."""
        self._paused = True
        self._exchange.stop_taking()
        await self._fetcher.stop()
        await self._stalled.stop()
        if wait:
            await self._executor.idle.wait()
            await self._exchange.settled.wait()

    def resume(self) -> None:
        """Take jobs again."""
        self._paused = False
        self._stalled.start()
        self._fetcher.start()
        self._exchange.take()

    def cancel(self, reason: str, job_id: str | None = None) -> int:
        """Stop a running job, or all; return how many there were."""
        return self._executor.cancel(reason, job_id)

    async def stop(self, grace: float, hand_back_now: asyncio.Event, *, force: bool) -> None:
        """Stop in order: no new jobs; the running ones end or are handed back; the last outcomes are confirmed."""
        self._ignore_moves()
        self._exchange.stop_taking()
        await self._fetcher.stop()
        await self._stalled.stop()
        if not force:
            await _first_of(grace, self._executor.idle, hand_back_now)
            self._executor.stop_all()
            await _first_of(STOP_GRACE, self._executor.idle)
            self._executor.give_up_all()
            await _first_of(_LAST_WORDS, self._exchange.settled)
        await self._exchange.close()
        await self._history.stop()
        await self._history.add_rest()
        if self._telemetry is not None:
            await self._telemetry.stop()
        await self._heart.stop()
        await self._heart.forget()
        await self._cancel_watch.stop()
        await self._pulse.stop()
        await asyncio.to_thread(self._renewer.stop)

    def health(self, abandoned_threads: int) -> WorkerHealth:
        """Return how the worker is."""
        now = time.monotonic()
        since_cycle = now - max(self._exchange.last_cycle, self._fetcher.last_wait)
        since_renewal = now - self._renewer.last_renewal
        cycle_limit = 2 * self._options.drain_delay_ms / 1000 + 10
        reason = verdict(since_cycle, cycle_limit, since_renewal, self._options.lock_ms / 1000)
        self._healthy = not reason
        return WorkerHealth(
            queue=self._queue,
            healthy=not reason,
            reason=reason,
            running=self._executor.running,
            concurrency=self._options.concurrency,
            unconfirmed=self._exchange.unconfirmed,
            since_cycle=since_cycle,
            since_renewal=since_renewal,
            abandoned=self._executor.abandoned + abandoned_threads,
        )

    def _look_again_soon(self) -> None:
        # Whoever moves a clock may be in any thread, and may have outlived the worker's loop.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._exchange.take_if_taking)

    def _describe(self) -> Heartbeat:
        health, host, pid = self.health(0), socket.gethostname(), os.getpid()
        now, loop_now = self._clock.now_ms(), asyncio.get_running_loop().time()
        running = self._executor.some_running(MOST_JOBS)
        return Heartbeat(
            at_ms=now,
            id=self._id,
            name=self._name,
            host=host,
            pid=pid,
            version=oxmq_version(),
            started_ms=self._started_ms,
            slots=self.slots,
            busy=health.running,
            jobs=[
                (record.id, record.name[:_LONGEST_NAME], now - int((loop_now - since) * 1000))
                for record, since in running
            ],
            rss=resident_bytes(),
            loop_lag=round(self._pulse.take_lag(), 3),
            since_fetch=round(health.since_cycle, 3),
            healthy=health.healthy,
            reason=health.reason,
            paused=self._paused,
            completed=self._executor.completed,
            failed=self._executor.failed,
        )

    def _telemetry_of(self, context: QueueContext) -> WorkerTelemetry | None:
        if context.telemetry is None:
            return None

        def look() -> WorkerFigures:
            return WorkerFigures(self._executor.running, self.slots, self._pulse.lag, self._healthy)

        async def look_at_queue() -> QueueFigures:
            now = context.clock.now_ms()
            seen = await context.runner.run(get_snapshot(context.keys, now))
            oldest = now if seen.oldest_waiting_ms is None else seen.oldest_waiting_ms
            return QueueFigures(seen.counts, max(0, now - oldest) / 1000)

        return context.telemetry.working(Watched(self._queue, self._name, look, look_at_queue))

    def _token_maker(self) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"{self._id}:{next(numbers)}"

    def _report_error(self, error: Exception) -> None:
        self._executor.report_error(error)

    def _report(self, outcome: Outcome) -> None:
        self._exchange.report(outcome)

    def _tell_lost(self, job_ids: list[str]) -> None:
        self._journal.lost(job_ids)
        self._executor.lock_lost(job_ids)
        for job_id in job_ids:
            self._listeners.tell("lock_lost", job_id)

    def _tell_stalled(self, job_ids: list[str]) -> None:
        self._journal.stalled(job_ids)
        if self._telemetry is not None and job_ids:
            self._telemetry.stalled(job_ids)
        for job_id in job_ids:
            self._listeners.tell("stalled", job_id)

    @staticmethod
    def _in_loop(callback: Callable[[Any], None]) -> Callable[[Any], None]:
        loop = asyncio.get_running_loop()

        def call(detail: object) -> None:
            loop.call_soon_threadsafe(callback, detail)

        return call


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, at most so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()

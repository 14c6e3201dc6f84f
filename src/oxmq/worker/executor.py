"""Run the handler for each job that was taken, and settle what becomes of the job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from msgspec import UNSET

from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.codec import encode_json, read_options
from oxmq.durations import milliseconds
from oxmq.errors import (
    BackendError,
    ChildrenFailedError,
    ChildrenPendingError,
    ConfigurationError,
    Delay,
    JobTimeoutError,
    OxmqError,
    RateLimited,
    Unrecoverable,
    WaitForChildren,
)
from oxmq.logs import current_trace
from oxmq.ops import outcomes, queues
from oxmq.ops.lifecycle import Outcome
from oxmq.records import JobRecord
from oxmq.running import running_job
from oxmq.tracing import WorkerTelemetry
from oxmq.worker.admission import Admission, NotAdmitted
from oxmq.worker.events import Listeners, logger
from oxmq.worker.journal import Journal
from oxmq.worker.lock_renewer import LockRenewer
from oxmq.worker.run import Run, Stop
from oxmq.worker.tally import Tally

AsyncHandler = Callable[[Job[Any]], Awaitable[object]]

_Key = tuple[str, str]

#: How long a handler that was told to stop may take over it before it is given up, in seconds.
STOP_GRACE = 5.0


class Executor:
    """Run jobs on the event loop, a task each.

    Args:
        handler: awaited with each job; its result is the job's.
        report: called with each outcome, once a run has one.
        admission: decides about jobs of which there is something to decide before they run.
        journal: writes the log lines.
        telemetry: follows the runs; None for nothing.
    """

    def __init__(
        self,
        context: QueueContext,
        handler: AsyncHandler,
        renewer: LockRenewer,
        listeners: Listeners,
        report: Callable[[Outcome], None],
        admission: Admission,
        journal: Journal,
        telemetry: WorkerTelemetry | None,
    ) -> None:
        self._context = context
        self._handler = handler
        self._renewer = renewer
        self._listeners = listeners
        self._report = report
        self._admission = admission
        self._journal = journal
        self._telemetry = telemetry
        self._limits_starts = context.rules.max_started is not None
        # By token too: a job that this worker has lost may come back to it while its first run goes on.
        self._runs: dict[_Key, Run] = {}
        self._reported: dict[_Key, Run] = {}
        self._loop = asyncio.get_running_loop()
        self._on_progress = self._tell_progress  # one for all runs
        self.tally = Tally()
        self.abandoned = 0
        self.completed = 0
        self.failed = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def running(self) -> int:
        """Return how many jobs are running."""
        return len(self._runs)

    def start_jobs(self, records: list[JobRecord], token: str) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.idle.clear()
        self._journal.look()
        for record in records:
            run = Run(record, token, started, self._on_progress)
            self._runs[record.id, token] = run
            self._renewer.track(record.id, token)
            options = read_options(record.opts)
            run.guarded = (
                record.scheduler_id is not None
                or record.deferred_failure is not None
                or self._limits_starts
                or options.expires is not UNSET
            )
            run.delay = options.delay
            timeout = options.timeout
            if timeout:
                run.timer = loop.call_later(float(timeout) / 1000, self._stop, run, Stop.TIMEOUT)
            run.task = loop.create_task(self._execute(run))

    def running_for(self, seconds: float) -> list[str]:
        """Return the ids of the jobs that have been running for at least so long, and may yet be stopped."""
        latest = asyncio.get_running_loop().time() - seconds
        return [run.record.id for run in self._runs.values() if run.started <= latest and run.stop is None]

    def some_running(self, most: int) -> list[tuple[JobRecord, float]]:
        """Return up to `most` of the jobs that are running, those that have been for longest first, and since when.

        Times are on the loop's clock.
        """
        return [(run.record, run.started) for run in islice(self._runs.values(), most)]

    def cancel(self, reason: str, job_id: str | None = None) -> int:
        """Stop the runs of a job, or of all; they fail with the reason. Return how many there were."""
        stopping = [run for run in self._runs.values() if run.stop is None and job_id in (None, run.record.id)]
        for run in stopping:
            run.reason = reason
            self._stop(run, Stop.CANCELLED)
        return len(stopping)

    def lock_lost(self, job_ids: list[str]) -> None:
        """Note that jobs are no longer this worker's, whose handlers still run."""
        for run in self._runs.values():
            if run.attempt is not None and run.record.id in job_ids:
                run.attempt.lock_lost()

    def stop_all(self) -> None:
        """Tell every handler to stop; their jobs go back to the queue at no cost."""
        for run in list(self._runs.values()):
            run.cancel(Stop.HAND_BACK)

    def give_up_all(self) -> None:
        """Hand back the jobs of handlers that do not stop."""
        for run in list(self._runs.values()):
            self._abandon(run, outcomes.released(run.record, run.token))

    def outcome_accepted(self, outcome: Outcome) -> None:
        run = self._forget(outcome)
        if run is None:
            return
        if run.attempt is not None:
            run.attempt.accepted(outcome.kind, run.ended - run.started)
        self.tally.count(outcome.kind, run)
        if outcome.kind == "completed":
            self.completed += 1
            if self._journal.tells_ends:
                self._journal.ended(outcome, run)
            if self._listeners.wanted("completed"):
                self._listeners.tell("completed", self._job(run), outcome.value)
        elif outcome.kind in ("failed", "retry", "delay"):
            event = "failed" if outcome.kind == "failed" else "retrying"
            self.failed += outcome.kind == "failed"
            self._journal.ended(outcome, run)
            self._listeners.tell(event, self._job(run), outcome.value)
        else:
            self._journal.ended(outcome, run)

    def outcome_refused(self, outcome: Outcome, refusal: OxmqError) -> Outcome | None:
        run = self._reported.get((outcome.job_id, outcome.token))
        if run is not None and isinstance(refusal, ChildrenPendingError | ChildrenFailedError):
            # The job is still ours, and its completion was refused: it has failed, for good if a child has.
            error = Unrecoverable(str(refusal)) if isinstance(refusal, ChildrenFailedError) else refusal
            return outcomes.failed(run.record, run.token, error, self._context.rules)
        self._forget(outcome)
        if run is not None and run.attempt is not None:
            run.attempt.refused(refusal)
        self.report_error(refusal)
        return None

    def first_answered(self) -> None:
        self._listeners.tell("ready")

    def queue_drained(self) -> None:
        self._listeners.tell("drained")

    def report_error(self, error: Exception) -> None:
        logger.error("queue %s: %s", self._context.keys.name, error)
        self._listeners.tell("error", error)

    async def _execute(self, run: Run) -> None:
        record = run.record
        job = self._job(run)
        running_job.set(job)
        if self._telemetry is not None:
            run.attempt = self._telemetry.started(record)
            if self._journal.tells_ends:
                run.trace = current_trace()
        if self._journal.tells_starts:
            self._journal.started(run)
        if self._listeners.wanted("active"):
            self._listeners.tell("active", job)
        try:
            admitted = not run.guarded or await self._admission.admit(record)
            value = _encode_result(record, await self._handler(job) if admitted else None)
            outcome = outcomes.completed(record, run.token, value, self._context.rules)
        except BaseException as error:  # noqa: BLE001 - a handler that calls sys.exit() fails its job, not the worker
            if run.attempt is not None:
                run.attempt.raised(error)
                run.trace = current_trace()
            outcome = await self._outcome_of(run, error)
        if run.stop is not None and run.stop is not Stop.HAND_BACK:
            outcome = self._stopped(run)
        self._settle(run, outcome)

    async def _outcome_of(self, run: Run, error: BaseException) -> Outcome:
        try:
            return await self._decide(run, error)
        except Exception as fault:  # noqa: BLE001 - a delay that is none, a backoff strategy that fails
            # Whatever is wrong with what the handler asked for, its job must end, and not by the same way.
            return outcomes.failed(run.record, run.token, Unrecoverable(str(fault)), self._context.rules)

    async def _decide(self, run: Run, error: BaseException) -> Outcome:
        record, token = run.record, run.token
        if isinstance(error, asyncio.CancelledError):
            if run.stop is Stop.HAND_BACK:
                return outcomes.released(record, token)
            error = OxmqError("the handler was cancelled")
        if isinstance(error, Delay):
            return outcomes.postponed(record, token, milliseconds(error.seconds, "Delay"))
        if isinstance(error, WaitForChildren):
            return outcomes.parked(record, token)
        if isinstance(error, RateLimited):
            await self._hold_queue(error.seconds)
            return outcomes.released(record, token)
        if isinstance(error, NotAdmitted):
            run.refused = error.cause
        stack = str(error) if isinstance(error, NotAdmitted) else None
        return outcomes.failed(record, token, error, self._context.rules, stack=stack)

    async def _hold_queue(self, seconds: float) -> None:
        try:
            await self._context.runner.run(queues.hold(self._context.keys, milliseconds(seconds, "RateLimited")))
        except BackendError as error:
            # The job runs again all the same, only sooner.
            self.report_error(error)

    def _stopped(self, run: Run) -> Outcome:
        if run.stop is Stop.CANCELLED:
            return outcomes.failed(run.record, run.token, Unrecoverable(run.reason), self._context.rules, stack="")
        limit = float(read_options(run.record.opts).timeout or 0) / 1000
        error = JobTimeoutError(f"the job ran longer than its timeout of {limit:g} s and was stopped")
        return outcomes.failed(run.record, run.token, error, self._context.rules)

    def _stop(self, run: Run, why: Stop) -> None:
        run.cancel(why)
        if run.timer is not None:
            run.timer.cancel()
        run.timer = asyncio.get_running_loop().call_later(STOP_GRACE, self._abandon_stopped, run)

    def _abandon_stopped(self, run: Run) -> None:
        self._abandon(run, self._stopped(run))

    def _abandon(self, run: Run, outcome: Outcome) -> None:
        if not run.reported:
            self.abandoned += 1
            self._settle(run, outcome)

    def _settle(self, run: Run, outcome: Outcome) -> None:
        if run.reported:
            self.abandoned -= 1
            return
        run.reported = True
        run.ended = self._loop.time()
        if run.attempt is not None:
            outcome.telemetry = run.attempt.ended(outcome.kind, "" if run.stop is None else run.stop.value)
        # The task's context holds the job, which holds the run: a ring that only the garbage collector would undo.
        run.task = None
        if run.timer is not None:
            run.timer.cancel()
        self._runs.pop((run.record.id, run.token), None)
        self._reported[run.record.id, run.token] = run
        self._report(outcome)
        if not self._runs:
            self.idle.set()

    def _tell_progress(self, job: object, progress: object) -> None:
        if self._listeners.wanted("progress"):
            # A handler in a thread calls this there.
            self._loop.call_soon_threadsafe(self._listeners.tell, "progress", job, progress)

    def _forget(self, outcome: Outcome) -> Run | None:
        # The lock is renewed until here, so that it holds while Redis cannot be reached.
        self._renewer.untrack(outcome.job_id, outcome.token)
        return self._reported.pop((outcome.job_id, outcome.token), None)

    def _job(self, run: Run) -> Job[Any]:
        return Job(self._context, run.record, run.token, run=run)


def _encode_result(record: JobRecord, value: object) -> bytes:
    try:
        return encode_json(value, f"result of job {record.id}")
    except ConfigurationError as error:
        # Running it again would end the same way.
        raise Unrecoverable(str(error)) from error

# Written by tools/unasync.py from oxmq/client/job.py; change that file, not this one.
"""Look at a job and act on it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from oxmq.codec import (
    check_text,
    decode_json_or,
    encode_json,
    instant_ms,
    read_options,
    user_options,
)
from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    JobLockedError,
    LockLostError,
    OxmqError,
    job_error,
)
from oxmq.keys import check_token
from oxmq.ops import changes, families, jobs, lifecycle, outcomes
from oxmq.ops.lifecycle import Outcome
from oxmq.options import MAX_PRIORITY, check_whole
from oxmq.records import JobRecord
from oxmq.running import JobRun
from oxmq.states import JobState
from oxmq.sync.context import QueueContext
from oxmq.sync.explanations import explain
from oxmq.sync.iterations import advance_by_hand
from oxmq.sync.job_family import JobFamily
from oxmq.sync.removal import remove

R = TypeVar("R")

logger = logging.getLogger("oxmq.sync")


class Job(JobFamily, Generic[R]):
    """Show a job as it was when it was read; `refresh` reads it anew.

    Jobs come from a `Queue`, a `Worker` or a task; they are not made by hand.
    """

    __slots__ = ("_read_result", "run", "token")

    def __init__(
        self,
        context: QueueContext,
        record: JobRecord,
        token: str = "",
        read_result: Callable[[Any], R] | None = None,
        run: JobRun | None = None,
    ) -> None:
        # Here and not by the parent class: workers make one for each job that they run.
        self._context = context
        self._record = record
        self._read_result = read_result
        self.token = token
        self.run = run

    def refresh(self) -> None:
        """Read the job anew. Raises `JobNotFoundError` when it is gone."""
        record = self._context.runner.run(jobs.get(self._context.keys, self.id))
        if record is None:
            raise job_error(-1, job_id=self.id, queue=self.queue_name, operation="refresh")
        self._record = record

    def get_state(self) -> JobState:
        """Tell which state the job is in; `JobState.UNKNOWN` when it is in none."""
        return JobState(self._context.runner.run(jobs.get_state(self._context.keys, self.id)))

    def why(self) -> str:
        """Say in words what the job waits for, or what became of it."""
        return explain(self._context, self.id)

    def is_completed(self) -> bool:
        return self.get_state() is JobState.COMPLETED

    def is_failed(self) -> bool:
        return self.get_state() is JobState.FAILED

    def is_active(self) -> bool:
        return self.get_state() is JobState.ACTIVE

    def is_waiting(self) -> bool:
        return self.get_state() is JobState.WAITING

    def is_delayed(self) -> bool:
        return self.get_state() is JobState.DELAYED

    def is_waiting_children(self) -> bool:
        return self.get_state() is JobState.WAITING_CHILDREN

    def is_prioritized(self) -> bool:
        return self.get_state() is JobState.PRIORITIZED

    def result(self, timeout: Duration | None = None) -> R:
        """Wait for the job to end and return its result.

        Args:
            timeout: how long to wait at most; for ever when None.

        Raises:
            JobFailedError: the job failed for good.
            JobNotFoundError: the job does not exist, or was removed as soon as it completed.
            TimeoutError: it did not end in time; it goes on all the same.
        """
        seconds = None if timeout is None else milliseconds(timeout, "timeout") / 1000
        ended = self._context.results.wait(self.id, seconds)
        if ended.reason is not None:
            raise JobFailedError(self.id, ended.reason)
        value = decode_json_or(ended.value, None)
        return value if self._read_result is None else self._read_result(value)

    def wait_until_finished(self, timeout: Duration | None = None) -> R:
        """Wait for the job to end and return its result: `result` under BullMQ's name."""
        return self.result(timeout)

    def update_data(self, data: object) -> None:
        """Replace the payload. Raises `JobNotFoundError` when the job is gone."""
        encoded = encode_json(data, f"data of job {self.id}")
        self._context.runner.run(jobs.update_data(self._context.keys, self.id, encoded))
        self._record.data = encoded

    def update_progress(self, progress: object) -> None:
        """Report how far the job has come: a number, or any JSON value.

        Raises:
            JobNotFoundError: the job is gone.
        """
        encoded = encode_json(progress, f"progress of job {self.id}")
        self._context.runner.run(jobs.update_progress(self._context.keys, self.id, encoded))
        self._record.progress = encoded
        if self.run is not None:
            self.run.tell_progress(self, progress)

    def log(self, row: str) -> int:
        """Append a line to the job's log; return how many lines it has. The `keep_logs` newest are kept.

        The line may be there twice when an `OutcomeUnknownError` is answered by another call.
        """
        check_text(row, f"log line of job {self.id}")
        return self._context.runner.run(jobs.add_log(self._context.keys, self.id, row, _kept_logs(self._record)))

    def get_logs(self, start: int = 0, end: int = -1, *, asc: bool = True) -> list[str]:
        """Return the log lines from `start` to `end`, both included, oldest first unless `asc` is False."""
        return self._context.runner.run(jobs.get_logs(self._context.keys, self.id, start, end, asc=asc))

    def clear_logs(self, keep: int | None = None) -> None:
        """Remove the log lines, but the newest `keep`."""
        self._context.runner.run(jobs.clear_logs(self._context.keys, self.id, keep))

    def remove_deduplication_key(self) -> bool:
        """Let other jobs of this one's deduplication id be added; return whether it was this job that kept them out."""
        if self.deduplication_id is None:
            return False
        call = jobs.remove_deduplication_key(self._context.keys, self.deduplication_id, self.id)
        return self._context.runner.run(call)

    def promote(self) -> None:
        """Make a delayed job ready now. Raises `JobStateError` when it is not delayed."""
        self._context.runner.run(jobs.promote(self._context.keys, self.id))
        self._record.delay = 0

    def retry(
        self,
        state: str = JobState.FAILED,
        *,
        reset_attempts_made: bool = False,
        reset_attempts_started: bool = False,
    ) -> None:
        """Run a failed (or, with ``state="completed"``, a completed) job again.

        Raises:
            JobNotFoundError: the job is gone.
            JobStateError: the job is not in that state.
        """
        if state not in (JobState.FAILED, JobState.COMPLETED):
            raise ConfigurationError(f'state must be "failed" or "completed", not {state!r}')
        lifo = read_options(self._record.opts).lifo is True
        self._context.runner.run(
            jobs.retry(
                self._context.keys,
                self.id,
                str(state),
                next_up=lifo,
                reset_made=reset_attempts_made,
                reset_started=reset_attempts_started,
            )
        )

    def change_delay(self, delay: Duration) -> None:
        """Let a delayed job be due in `delay` from now. Raises `JobStateError` when it is not delayed."""
        delay_ms = milliseconds(delay, "delay")
        self._context.runner.run(
            changes.change_delay(self._context.keys, self.id, self._context.clock.now_ms(), delay_ms)
        )
        self._record.delay = delay_ms

    def change_priority(self, priority: int = 0, *, lifo: bool = False) -> None:
        """Give the job another priority; one that waits moves to its new place, with `lifo` in front of its equals.

        Raises:
            JobNotFoundError: the job is gone.
        """
        check_whole(priority, "priority", least=0, most=MAX_PRIORITY)
        self._context.runner.run(changes.change_priority(self._context.keys, self.id, priority, lifo=lifo))
        self._record.priority = priority

    def remove(self, *, remove_children: bool = True) -> None:
        """Remove the job, and its children unless told otherwise.

        More than 250 go in several steps; when a worker runs a child that is met on the way, some are gone by then.

        Raises:
            JobLockedError: a worker runs the job, or one of its children.
            SchedulerJobError: it is the next iteration of a job scheduler.
        """
        if not remove(self._context, self.id, children=remove_children):
            message = f"Job {self.id} could not be removed because it is locked by another worker"
            raise JobLockedError(message, job_id=self.id, queue=self.queue_name, operation="remove")

    def cancel(self, reason: str = "cancelled") -> bool:
        """Cancel the job, in whatever state it is and from any process; it fails with `reason`, without a retry.

        A running job's worker, if it is one of oxmq's, hears of it within a second: a coroutine is cancelled, a child
        process killed, and a thread finds `cancel_requested` set. Whatever else happens to the job then (its worker
        dies, it is tried again), it is not run again. A handler that ends before it hears of it completes the job.

        Returns:
            True when the job has failed already, False when it is running and was asked to stop.

        Raises:
            JobNotFoundError: the job is gone.
            JobStateError: it has ended.
            SchedulerJobError: it is the next iteration of a job scheduler: remove the scheduler instead.
        """
        check_text(reason, "reason")
        keep = outcomes.kept_when_failed(self._record)
        call = jobs.cancel(self._context.keys, self.id, reason, self._context.clock.now_ms(), keep)
        return self._context.runner.run(call)

    @property
    def cancel_requested(self) -> bool:
        """Tell a handler whether it should stop: the job was cancelled, has run out of time, or its worker closes."""
        return self.run is not None and self.run.stop_requested

    def check_cancelled(self) -> None:
        """Raise `JobCancelledError` when the handler should stop: for long work in a thread."""
        if self.cancel_requested:
            raise JobCancelledError(f"job {self.id} was asked to stop")

    def extend_lock(self, token: str, duration: Duration) -> None:
        """Renew the lock held by `token`. Raises `LockLostError` when it is not held any more."""
        check_token(token)
        lock_ms = positive_milliseconds(duration, "duration")
        if not self._context.runner.run(jobs.extend_lock(self._context.keys, self.id, token, lock_ms)):
            message = f"Missing lock for job {self.id}. extendLock"
            raise LockLostError(message, job_id=self.id, queue=self.queue_name, operation="extend_lock", code=-2)

    def move_to_completed(self, value: object, token: str, *, fetch_next: bool = True) -> Job[Any] | None:
        """Complete an active job; return the next job, taken under the same token, if asked and there is one.

        Raises:
            LockLostError: `token` does not hold the job's lock.
            JobNotFoundError, JobStateError, ChildrenPendingError, ChildrenFailedError: as their names say.
        """
        encoded = encode_json(value, f"result of job {self.id}")
        return self._finish(outcomes.completed(self._record, token, encoded, self._context.rules), fetch_next)

    def move_to_failed(
        self, error: BaseException | str, token: str, *, fetch_next: bool = False, stack: str | None = None
    ) -> Job[Any] | None:
        """Fail an active job: it is tried again if attempts are left and the error allows; return as above."""
        cause = RuntimeError(error) if isinstance(error, str) else error
        trace = "" if isinstance(error, str) and stack is None else stack
        return self._finish(outcomes.failed(self._record, token, cause, self._context.rules, stack=trace), fetch_next)

    def move_to_delayed(self, when: datetime, token: str) -> None:
        """Put an active job off until `when`, without counting an attempt."""
        delay = max(0, instant_ms(when) - self._context.clock.now_ms())
        self._finish(outcomes.postponed(self._record, token, delay), fetch_next=False)

    def move_to_wait(self, token: str) -> None:
        """Give an active job back to its queue as the next to run, without counting an attempt."""
        self._finish(outcomes.released(self._record, token), fetch_next=False)

    def move_to_waiting_children(self, token: str, *, child: Job[Any] | None = None) -> bool:
        """Park an active job until its children, or the one given, have ended; it costs no attempt.

        Returns:
            True when it is parked; False when there is nothing to wait for: it is still active and yours.

        Raises:
            LockLostError, JobNotFoundError, JobStateError: as their names say.
            ChildrenFailedError: a child that it depends on has failed.
        """
        call = families.move_to_waiting_children(
            self._context.keys,
            self.id,
            check_token(token),
            self._context.clock.now_ms(),
            "" if child is None else child.key,
        )
        return self._context.runner.run(call)

    def _finish(self, outcome: Outcome, fetch_next: bool) -> Job[Any] | None:
        check_token(outcome.token)
        context = self._context
        finished = context.runner.run(
            lifecycle.finish(
                context.keys, context.clock.now_ms(), (outcome,), int(fetch_next), outcome.token, context.terms
            )
        )
        _raise_first(finished.refusals)
        for record in finished.taken.jobs:
            try:
                advance_by_hand(context, record, outcome.token)
            except OxmqError as error:
                # This job has ended all the same; the other one is back in its queue.
                logger.error("queue %s: %s", self.queue_name, error)
            else:
                return Job[Any](context, record, outcome.token)
        return None


def _raise_first(refusals: Sequence[Exception | None]) -> None:
    for refusal in refusals:
        if refusal is not None:
            raise refusal


def _kept_logs(record: JobRecord) -> int | None:
    options = user_options(read_options(record.opts))
    return options.keep_logs if isinstance(options.keep_logs, int) else 1000

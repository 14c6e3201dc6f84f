# Written by tools/unasync.py from oxmq/client/job.py; change that file, not this one.
"""Look at a job and act on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from oxmq.codec import (
    check_text,
    decode_json,
    decode_json_or,
    encode_json,
    instant,
    instant_ms,
    read_options,
    user_options,
)
from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError, JobFailedError, JobLockedError, LockLostError, job_error
from oxmq.keys import check_token
from oxmq.ops import jobs, lifecycle, outcomes
from oxmq.ops.lifecycle import Outcome
from oxmq.options import JobOptions
from oxmq.records import JobRecord
from oxmq.states import JobState
from oxmq.sync.context import QueueContext

R = TypeVar("R")


class Job(Generic[R]):
    """Show a job as it was when it was read; `refresh` reads it anew.

    Jobs come from a `Queue`, a `Worker` or a task; they are not made by hand.
    """

    __slots__ = ("_context", "_read_result", "_record", "token")

    def __init__(
        self,
        context: QueueContext,
        record: JobRecord,
        token: str = "",
        read_result: Callable[[Any], R] | None = None,
    ) -> None:
        self._context = context
        self._record = record
        self._read_result = read_result
        self.token = token

    def __repr__(self) -> str:
        return f"<Job {self.name!r} {self.id} of queue {self.queue_name!r}>"

    @property
    def record(self) -> JobRecord:
        """Return the job's hash as it was read: JSON as text, times in milliseconds."""
        return self._record

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def queue_name(self) -> str:
        return self._context.keys.name

    @property
    def data(self) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
        """Return the payload, decoded from JSON."""
        return decode_json(self._record.data)

    @property
    def options(self) -> JobOptions:
        """Return the options that the job was added with."""
        return user_options(read_options(self._record.opts))

    @property
    def timestamp(self) -> datetime:
        """Return when the job was created."""
        return instant(self._record.timestamp)

    @property
    def delay(self) -> float:
        """Return the delay last asked for, in seconds; 0 once it has passed."""
        return self._record.delay / 1000

    @property
    def priority(self) -> int:
        return self._record.priority

    @property
    def attempts_started(self) -> int:
        """Return how often the job was started: a number that grows with each run, fit to fence effects outside."""
        return self._record.attempts_started

    @property
    def attempts_made(self) -> int:
        """Return how many attempts have ended."""
        return self._record.attempts_made

    @property
    def stalled_count(self) -> int:
        """Return how often the job was recovered from a worker that had let its lock run out."""
        return self._record.stalled_count

    @property
    def processed_on(self) -> datetime | None:
        """Return when the latest run started."""
        return _instant(self._record.processed_on)

    @property
    def processed_by(self) -> str | None:
        """Return the name of the worker of the latest run, if it has one."""
        return self._record.processed_by

    @property
    def finished_on(self) -> datetime | None:
        """Return when the job completed or failed for good."""
        return _instant(self._record.finished_on)

    @property
    def return_value(self) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
        """Return the result, decoded from JSON; None while there is none."""
        return decode_json_or(self._record.return_value, None)

    @property
    def failed_reason(self) -> str | None:
        """Return the message of the latest failure."""
        return self._record.failed_reason

    @property
    def stacktrace(self) -> list[str]:
        """Return the stack traces of the failures, oldest first."""
        traces = decode_json_or(self._record.stacktrace, [])
        return cast("list[str]", traces) if isinstance(traces, list) else []

    @property
    def progress(self) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
        """Return the progress last reported; 0 when none was."""
        return decode_json_or(self._record.progress, 0)

    @property
    def deferred_failure(self) -> str | None:
        """Return the reason for which the job will be failed when it is next taken."""
        return self._record.deferred_failure

    @property
    def parent_key(self) -> str | None:
        return self._record.parent_key

    @property
    def deduplication_id(self) -> str | None:
        return self._record.deduplication_id

    def refresh(self) -> None:
        """Read the job anew. Raises `JobNotFoundError` when it is gone."""
        record = self._context.runner.run(jobs.get(self._context.keys, self.id))
        if record is None:
            raise job_error(-1, job_id=self.id, queue=self.queue_name, operation="refresh")
        self._record = record

    def get_state(self) -> JobState:
        """Tell which state the job is in; `JobState.UNKNOWN` when it is in none."""
        return JobState(self._context.runner.run(jobs.get_state(self._context.keys, self.id)))

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

    def remove(self) -> None:
        """Remove the job. Raises `JobLockedError` while a worker runs it."""
        removed = self._context.runner.run(jobs.remove(self._context.keys, self.id))
        if not removed:
            message = f"Job {self.id} could not be removed because it is locked by another worker"
            raise JobLockedError(message, job_id=self.id, queue=self.queue_name, operation="remove")

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

    def _finish(self, outcome: Outcome, fetch_next: bool) -> Job[Any] | None:
        check_token(outcome.token)
        context = self._context
        finished = context.runner.run(
            lifecycle.finish(
                context.keys, context.clock.now_ms(), (outcome,), int(fetch_next), outcome.token, context.terms
            )
        )
        _raise_first(finished.refusals)
        return next((Job[Any](context, record, outcome.token) for record in finished.taken.jobs), None)


def _raise_first(refusals: Sequence[Exception | None]) -> None:
    for refusal in refusals:
        if refusal is not None:
            raise refusal


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else instant(ms)


def _kept_logs(record: JobRecord) -> int | None:
    options = user_options(read_options(record.opts))
    return options.keep_logs if isinstance(options.keep_logs, int) else 1000

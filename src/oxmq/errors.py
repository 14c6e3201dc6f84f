"""Define every exception that oxmq raises.

The tree, with the one question that matters after a failure: *may it have happened?*

    OxmqError
    ├── ConfigurationError        no: refused before any I/O (also a ValueError)
    ├── BackendError
    │   ├── UnavailableError      no: Redis did not take the operation
    │   └── OutcomeUnknownError   perhaps: it was sent and the answer was lost
    ├── JobError                  no: a script refused it; the keyspace is unchanged
    │   ├── JobNotFoundError      -1
    │   │   └── SchedulerNotFoundError  -12
    │   ├── LockLostError         -2 (no lock), -6 (somebody else's lock)
    │   ├── JobStateError         -3, the job is not in the state that the operation needs (-13: the scheduler)
    │   ├── ChildrenPendingError  -4
    │   ├── ParentNotFoundError   -5
    │   ├── ParentConflictError   -7
    │   ├── SchedulerJobError     -8
    │   ├── ChildrenFailedError   -9
    │   ├── SchedulerSlotError    -10, -11, jobs of a scheduler's next times exist
    │   └── JobLockedError        the job is being worked on and cannot be removed
    ├── QueueStateError           no: the queue is not in the state that the operation needs
    ├── JobFailedError            yes: the job ran and failed; raised where its result is awaited
    ├── JobTimeoutError           yes: the handler was stopped at its time limit
    ├── JobCancelledError         perhaps: the job was cancelled; raised in its handler where it asks
    ├── WorkerClosedError         no: the worker takes no more work
    └── JobSignal                 raised by a handler to steer its job
        ├── Unrecoverable         fail now, whatever attempts are left
        ├── Delay                 run again later, at no cost
        ├── WaitForChildren       run again when the job's children have ended, at no cost
        └── RateLimited           hold the queue and run again, at no cost
"""

from __future__ import annotations


class OxmqError(Exception):
    """Be the root of every error that oxmq raises."""


class ConfigurationError(OxmqError, ValueError):
    """Say that an option, name, id, URL or payload is not acceptable; nothing was sent."""


class BackendError(OxmqError):
    """Say that Redis could not be asked, or did not answer."""


class UnavailableError(BackendError):
    """Say that Redis did not take the operation within the deadline; it did not happen."""


class OutcomeUnknownError(BackendError):
    """Say that an operation was sent and its answer was lost; it may have happened.

    Repeating it is safe wherever an id or a token makes it so; the message names the operation.
    """


class JobError(OxmqError):
    """Say that a script refused an operation on a job; the keyspace is unchanged."""

    def __init__(self, message: str, *, job_id: str, queue: str, operation: str, code: int | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.queue = queue
        self.operation = operation
        self.code = code


class JobNotFoundError(JobError):
    """Say that no job of that id exists in the queue."""


class SchedulerNotFoundError(JobNotFoundError):
    """Say that no scheduler of that id exists in the queue; `job_id` is the scheduler's id."""


class LockLostError(JobError):
    """Say that the caller does not hold the job's lock (any more)."""


class JobStateError(JobError):
    """Say that the job is not in the state that the operation needs."""


class ChildrenPendingError(JobError):
    """Say that the job still has children that have not finished."""


class ParentNotFoundError(JobError):
    """Say that the parent named for the job does not exist."""


class ParentConflictError(JobError):
    """Say that the job already belongs to another living parent."""


class SchedulerJobError(JobError):
    """Say that the job is a scheduler's next iteration, which only the scheduler may remove."""


class ChildrenFailedError(JobError):
    """Say that the job cannot complete because a child that it depends on has failed."""


class SchedulerSlotError(JobError):
    """Say that a scheduler cannot make a job because jobs of its next times exist; `job_id` is the scheduler's id."""


class JobLockedError(JobError):
    """Say that a worker holds the job's lock, so that it cannot be removed now."""


class QueueStateError(OxmqError):
    """Say that a queue is not in the state that the operation needs; none of its jobs was touched."""

    def __init__(self, message: str, *, queue: str, code: int | None = None) -> None:
        super().__init__(message)
        self.queue = queue
        self.code = code


class JobFailedError(OxmqError):
    """Say, where a result is awaited, that the job has failed; `reason` is its failure reason."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"Job {job_id} failed: {reason}")
        self.job_id = job_id
        self.reason = reason


class JobTimeoutError(OxmqError):
    """Say that a handler ran longer than its `timeout` and was stopped; the attempt has failed."""


class JobCancelledError(OxmqError):
    """Say, in a handler that asks, that its job was cancelled or has run out of time and should stop."""


class WorkerClosedError(OxmqError):
    """Say that the worker is closing or closed and takes no more work."""


class JobSignal(OxmqError):
    """Be the root of what a handler raises to steer its job rather than to report a fault."""


class Unrecoverable(JobSignal):
    """Fail the job now, without using the attempts that are left."""


class Delay(JobSignal):
    """Run the job again after `seconds`, without using up an attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"delay for {seconds} s")
        self.seconds = seconds


class WaitForChildren(JobSignal):
    """Run the job again when all its children have ended, without using up an attempt."""

    def __init__(self) -> None:
        super().__init__("wait for children")


class RateLimited(JobSignal):
    """Hold the whole queue for `seconds` and run the job again then, without using up an attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"rate limited for {seconds} s")
        self.seconds = seconds


_BY_CODE: dict[int, tuple[type[JobError], str]] = {
    -1: (JobNotFoundError, "Missing key for job {job}. {op}"),
    -2: (LockLostError, "Missing lock for job {job}. {op}"),
    -3: (JobStateError, "Job {job} is not in the {state} state. {op}"),
    -4: (ChildrenPendingError, "Job {job} has pending dependencies. {op}"),
    -5: (ParentNotFoundError, "Missing key for parent job {parent}. {op}"),
    -6: (LockLostError, "Lock mismatch for job {job}. Cmd {op} from {state}"),
    -7: (ParentConflictError, "The parent job {parent} cannot be replaced. {op}"),
    -8: (SchedulerJobError, "Job {job} belongs to a job scheduler and cannot be removed directly. {op}"),
    -9: (ChildrenFailedError, "Cannot complete job {job} because it has at least one failed child. {op}"),
    -10: (SchedulerSlotError, "Cannot create job scheduler iteration - job ID already exists. {op} {job}"),
    -11: (
        SchedulerSlotError,
        "Cannot create job scheduler iteration - current and next time slots already have jobs. {op} {job}",
    ),
    -12: (SchedulerNotFoundError, "Missing key for job scheduler {job}. {op}"),
    -13: (JobStateError, "Job scheduler {job} is a legacy repeatable job, which can only be removed. {op}"),
}


def job_error(
    code: int, *, job_id: str, queue: str, operation: str, state: str = "active", parent: str = ""
) -> JobError:
    """Build the error that a script's negative return code stands for."""
    kind, template = _BY_CODE.get(code, (JobError, f"Unknown code {code} error for {{job}}. {{op}}"))
    text = template.format(job=job_id, op=operation, state=state, parent=parent)
    return kind(f"{text} (queue {queue!r})", job_id=job_id, queue=queue, operation=operation, code=code)

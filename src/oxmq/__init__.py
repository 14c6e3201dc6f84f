"""Give Python background jobs that speak BullMQ: the public names."""

from oxmq.app import Oxmq, current_job
from oxmq.client.job import Job
from oxmq.client.queue import Queue
from oxmq.client.queue_events import QueueEvents
from oxmq.clock import Clock, ManualClock, SystemClock
from oxmq.errors import (
    BackendError,
    ChildrenFailedError,
    ChildrenPendingError,
    ConfigurationError,
    Delay,
    JobError,
    JobFailedError,
    JobLockedError,
    JobNotFoundError,
    JobSignal,
    JobStateError,
    JobTimeoutError,
    LockLostError,
    OutcomeUnknownError,
    OxmqError,
    ParentConflictError,
    ParentNotFoundError,
    RateLimited,
    SchedulerJobError,
    UnavailableError,
    Unrecoverable,
    WorkerClosedError,
)
from oxmq.options import Backoff, JobOptions, Keep, RateLimit, exponential, fixed
from oxmq.records import Event
from oxmq.states import JobState
from oxmq.worker.worker import Worker

__all__ = [
    "BackendError",
    "Backoff",
    "ChildrenFailedError",
    "ChildrenPendingError",
    "Clock",
    "ConfigurationError",
    "Delay",
    "Event",
    "Job",
    "JobError",
    "JobFailedError",
    "JobLockedError",
    "JobNotFoundError",
    "JobOptions",
    "JobSignal",
    "JobState",
    "JobStateError",
    "JobTimeoutError",
    "Keep",
    "LockLostError",
    "ManualClock",
    "OutcomeUnknownError",
    "Oxmq",
    "OxmqError",
    "ParentConflictError",
    "ParentNotFoundError",
    "Queue",
    "QueueEvents",
    "RateLimit",
    "RateLimited",
    "SchedulerJobError",
    "SystemClock",
    "UnavailableError",
    "Unrecoverable",
    "Worker",
    "WorkerClosedError",
    "current_job",
    "exponential",
    "fixed",
]

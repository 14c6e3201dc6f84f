"""Give Python background jobs that speak BullMQ: the public names."""

from oxmq.app import Oxmq, current_job
from oxmq.client.flow_producer import FlowNode, FlowProducer
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
    JobCancelledError,
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
    WaitForChildren,
    WorkerClosedError,
)
from oxmq.ops.flows import FlowJob
from oxmq.options import Backoff, Deduplication, JobOptions, Keep, Parent, RateLimit, Telemetry, exponential, fixed
from oxmq.records import Dependencies, Event
from oxmq.states import JobState
from oxmq.worker.worker import Worker

__all__ = [
    "BackendError",
    "Backoff",
    "ChildrenFailedError",
    "ChildrenPendingError",
    "Clock",
    "ConfigurationError",
    "Deduplication",
    "Delay",
    "Dependencies",
    "Event",
    "FlowJob",
    "FlowNode",
    "FlowProducer",
    "Job",
    "JobCancelledError",
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
    "Parent",
    "ParentConflictError",
    "ParentNotFoundError",
    "Queue",
    "QueueEvents",
    "RateLimit",
    "RateLimited",
    "SchedulerJobError",
    "SystemClock",
    "Telemetry",
    "UnavailableError",
    "Unrecoverable",
    "WaitForChildren",
    "Worker",
    "WorkerClosedError",
    "current_job",
    "exponential",
    "fixed",
]

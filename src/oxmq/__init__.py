"""Give Python background jobs that speak BullMQ: the public names.

A name's module is imported when the name is first used.
"""

from typing import TYPE_CHECKING, Final

from oxmq.lazy_names import imported_from

if TYPE_CHECKING:
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
        QueueStateError,
        RateLimited,
        SchedulerJobError,
        SchedulerNotFoundError,
        SchedulerSlotError,
        UnavailableError,
        Unrecoverable,
        WaitForChildren,
        WorkerClosedError,
    )
    from oxmq.kubernetes.spec import Kubernetes
    from oxmq.ops.flows import FlowJob
    from oxmq.ops.metrics import Metrics, MetricsMeta
    from oxmq.ops.queues import QueueMeta
    from oxmq.ops.schedulers import SchedulerRun
    from oxmq.ops.workers import ClientInfo, WorkerInfo
    from oxmq.options import Backoff, Deduplication, JobOptions, Keep, Parent, RateLimit, Telemetry, exponential, fixed
    from oxmq.records import Children, Dependencies, Event
    from oxmq.schedules import JobScheduler, Schedule, cron, every
    from oxmq.states import JobState
    from oxmq.worker.worker import Worker

__all__ = [
    "BackendError",
    "Backoff",
    "Children",
    "ChildrenFailedError",
    "ChildrenPendingError",
    "ClientInfo",
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
    "JobScheduler",
    "JobSignal",
    "JobState",
    "JobStateError",
    "JobTimeoutError",
    "Keep",
    "Kubernetes",
    "LockLostError",
    "ManualClock",
    "Metrics",
    "MetricsMeta",
    "OutcomeUnknownError",
    "Oxmq",
    "OxmqError",
    "Parent",
    "ParentConflictError",
    "ParentNotFoundError",
    "Queue",
    "QueueEvents",
    "QueueMeta",
    "QueueStateError",
    "RateLimit",
    "RateLimited",
    "Schedule",
    "SchedulerJobError",
    "SchedulerNotFoundError",
    "SchedulerRun",
    "SchedulerSlotError",
    "SystemClock",
    "Telemetry",
    "UnavailableError",
    "Unrecoverable",
    "WaitForChildren",
    "Worker",
    "WorkerClosedError",
    "WorkerInfo",
    "cron",
    "current_job",
    "every",
    "exponential",
    "fixed",
]

# The names by the module that each is defined in: the imports above, for the interpreter.
_HOMES: Final = {
    "oxmq.app": (
        "Oxmq",
        "current_job",
    ),
    "oxmq.client.flow_producer": (
        "FlowNode",
        "FlowProducer",
    ),
    "oxmq.client.job": ("Job",),
    "oxmq.client.queue": ("Queue",),
    "oxmq.client.queue_events": ("QueueEvents",),
    "oxmq.clock": (
        "Clock",
        "ManualClock",
        "SystemClock",
    ),
    "oxmq.errors": (
        "BackendError",
        "ChildrenFailedError",
        "ChildrenPendingError",
        "ConfigurationError",
        "Delay",
        "JobCancelledError",
        "JobError",
        "JobFailedError",
        "JobLockedError",
        "JobNotFoundError",
        "JobSignal",
        "JobStateError",
        "JobTimeoutError",
        "LockLostError",
        "OutcomeUnknownError",
        "OxmqError",
        "ParentConflictError",
        "ParentNotFoundError",
        "QueueStateError",
        "RateLimited",
        "SchedulerJobError",
        "SchedulerNotFoundError",
        "SchedulerSlotError",
        "UnavailableError",
        "Unrecoverable",
        "WaitForChildren",
        "WorkerClosedError",
    ),
    "oxmq.kubernetes.spec": ("Kubernetes",),
    "oxmq.ops.flows": ("FlowJob",),
    "oxmq.ops.metrics": (
        "Metrics",
        "MetricsMeta",
    ),
    "oxmq.ops.queues": ("QueueMeta",),
    "oxmq.ops.schedulers": ("SchedulerRun",),
    "oxmq.ops.workers": (
        "ClientInfo",
        "WorkerInfo",
    ),
    "oxmq.options": (
        "Backoff",
        "Deduplication",
        "JobOptions",
        "Keep",
        "Parent",
        "RateLimit",
        "Telemetry",
        "exponential",
        "fixed",
    ),
    "oxmq.records": (
        "Children",
        "Dependencies",
        "Event",
    ),
    "oxmq.schedules": (
        "JobScheduler",
        "Schedule",
        "cron",
        "every",
    ),
    "oxmq.states": ("JobState",),
    "oxmq.worker.worker": ("Worker",),
}

if not TYPE_CHECKING:
    __getattr__ = imported_from(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Talk to queues from ordinary, blocking code: the same names, without an event loop.

They may be used from any thread, and after a fork.
"""

from typing import Any, cast

from oxmq.running import find_running_job
from oxmq.sync.flow_producer import FlowNode, FlowProducer
from oxmq.sync.job import Job
from oxmq.sync.queue import Queue
from oxmq.sync.queue_events import QueueEvents

__all__ = ["FlowNode", "FlowProducer", "Job", "Queue", "QueueEvents", "current_job"]


def current_job() -> Job[Any]:
    """Return the job whose handler calls this, in a thread or a child process: see `oxmq.current_job`."""
    return cast("Job[Any]", find_running_job())

"""Talk to queues from ordinary, blocking code: the same names, without an event loop.

They may be used from any thread, and after a fork.
"""

from oxmq.sync.job import Job
from oxmq.sync.queue import Queue
from oxmq.sync.queue_events import QueueEvents

__all__ = ["Job", "Queue", "QueueEvents"]

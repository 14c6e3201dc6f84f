"""Give Python background jobs that speak BullMQ: the public names."""

from oxmq.client.job import Job
from oxmq.client.queue import Queue

__all__ = ["Job", "Queue"]

"""Talk to queues from an event loop: `Queue`, `Job`, `QueueEvents`."""

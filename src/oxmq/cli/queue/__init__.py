"""Look at queues, and act on them."""

"""Be a live view of the queues in a terminal: `oxmq top`. This package needs Textual, an extra."""

"""Run handlers elsewhere than on the event loop: in threads, in warm child processes."""

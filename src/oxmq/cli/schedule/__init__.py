"""Look at schedules, and act on them."""

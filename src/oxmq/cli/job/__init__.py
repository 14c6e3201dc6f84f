"""Look at jobs, and act on them."""

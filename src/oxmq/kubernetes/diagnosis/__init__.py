"""Say what became of a Job and its pods, and why, from what the cluster's objects and events say. Pure functions."""

"""Hold the project's settings and addresses."""

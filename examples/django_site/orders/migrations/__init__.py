"""Hold the changes of the database."""

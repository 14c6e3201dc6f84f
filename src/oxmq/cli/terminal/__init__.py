"""Print to terminals and to programs."""

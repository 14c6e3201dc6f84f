"""Say how many jobs it was."""

from __future__ import annotations


def jobs(count: int) -> str:
    """Return a number of jobs: ``1 job``, ``2,000 jobs``."""
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def jobs_were(count: int) -> str:
    """Return the beginning of a sentence about what became of jobs: ``1 job was``, ``2,000 jobs were``."""
    return f"{jobs(count)} {'was' if count == 1 else 'were'}"

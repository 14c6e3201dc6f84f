"""Know which job's handler is running in this context."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from oxmq.errors import OxmqError

running_job: ContextVar[object] = ContextVar("oxmq_running_job")
"""The job whose handler is running in this context: a `Job`, or its blocking twin in a thread or child process."""


class JobRun(Protocol):
    """Be the run of a job, as far as the job that its handler sees needs to know of it."""

    @property
    def stop_requested(self) -> bool:
        """Tell whether the handler should stop."""
        ...

    @property
    def handed_back(self) -> bool:
        """Tell whether the handler should stop because the job goes on elsewhere."""
        ...

    def hand_back(self) -> None:
        """Stop the handler, and give the job back to the queue as the next to run, at no cost."""
        ...

    def tell_progress(self, job: object, progress: object) -> None:
        """Note that the handler has reported progress."""
        ...


def find_running_job() -> object:
    """Return the running job, or raise `OxmqError` when there is none."""
    try:
        return running_job.get()
    except LookupError:
        raise OxmqError("current_job() is for a job's handler: no job is running here") from None

"""Show what was read of a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from oxmq.client.context import QueueContext
from oxmq.codec import decode_json, decode_json_or, instant, read_options, user_options
from oxmq.options import JobOptions, Parent
from oxmq.records import JobRecord


class JobView:
    """Show a job as it was when it was read."""

    __slots__ = ("_context", "_record")

    def __init__(self, context: QueueContext, record: JobRecord) -> None:
        self._context = context
        self._record = record

    def __repr__(self) -> str:
        return f"<Job {self.name!r} {self.id} of queue {self.queue_name!r}>"

    @property
    def record(self) -> JobRecord:
        """Return the job's hash as it was read: JSON as text, times in milliseconds."""
        return self._record

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def queue_name(self) -> str:
        return self._context.keys.name

    @property
    def data(self) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
        """Return the payload, decoded from JSON."""
        return decode_json(self._record.data)

    @property
    def options(self) -> JobOptions:
        """Return the options that the job was added with."""
        return user_options(read_options(self._record.opts))

    @property
    def timestamp(self) -> datetime:
        """Return when the job was created."""
        return instant(self._record.timestamp)

    @property
    def delay(self) -> float:
        """Return the delay last asked for, in seconds; 0 once it has passed."""
        return self._record.delay / 1000

    @property
    def priority(self) -> int:
        return self._record.priority

    @property
    def attempts_started(self) -> int:
        """Return how often the job was started: a number that grows with each run, fit to fence effects outside."""
        return self._record.attempts_started

    @property
    def attempts_made(self) -> int:
        """Return how many attempts have ended."""
        return self._record.attempts_made

    @property
    def stalled_count(self) -> int:
        """Return how often the job was recovered from a worker that had let its lock run out."""
        return self._record.stalled_count

    @property
    def processed_on(self) -> datetime | None:
        """Return when the latest run started."""
        return _instant(self._record.processed_on)

    @property
    def processed_by(self) -> str | None:
        """Return the name of the worker of the latest run, if it has one."""
        return self._record.processed_by

    @property
    def finished_on(self) -> datetime | None:
        """Return when the job completed or failed for good."""
        return _instant(self._record.finished_on)

    @property
    def return_value(self) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
        """Return the result, decoded from JSON; None while there is none."""
        return decode_json_or(self._record.return_value, None)

    @property
    def failed_reason(self) -> str | None:
        """Return the message of the latest failure."""
        return self._record.failed_reason

    @property
    def stacktrace(self) -> list[str]:
        """Return the stack traces of the failures, oldest first."""
        traces = decode_json_or(self._record.stacktrace, [])
        return cast("list[str]", traces) if isinstance(traces, list) else []

    @property
    def progress(self) -> Any:  # noqa: ANN401 - JSON is whatever its writer meant
        """Return the progress last reported; 0 when none was."""
        return decode_json_or(self._record.progress, 0)

    @property
    def deferred_failure(self) -> str | None:
        """Return the reason for which the job will be failed when it is next taken."""
        return self._record.deferred_failure

    @property
    def parent_key(self) -> str | None:
        return self._record.parent_key

    @property
    def deduplication_id(self) -> str | None:
        return self._record.deduplication_id

    @property
    def reference(self) -> Parent:
        """Return how children name this job as their parent."""
        return Parent(self.id, self._context.keys.qualified_name)

    @property
    def key(self) -> str:
        """Return the key of the job's hash: how parents name their children."""
        return self._context.keys.job(self.id)

    @property
    def scheduler_id(self) -> str | None:
        """Return the id of the job scheduler that made the job, if one did."""
        return self._record.scheduler_id


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else instant(ms)

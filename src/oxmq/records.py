"""Hold what is read back from Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

ChildKind = Literal["processed", "unprocessed", "ignored", "failed"]
"""What became of a child: it completed; it has not ended; it failed and that was ignored; it failed its parent."""


class JobRecord(Struct, gc=False):
    """Hold a job's hash as it is stored: JSON still as text, times in milliseconds."""

    id: str
    name: str = ""
    data: bytes = b"{}"
    opts: bytes = b"{}"
    timestamp: int = 0
    delay: int = 0
    priority: int = 0
    attempts_made: int = 0
    attempts_started: int = 0
    stalled_count: int = 0
    deferred_failure: str | None = None
    progress: bytes | None = None
    stacktrace: bytes | None = None
    parent_key: str | None = None
    scheduler_id: str | None = None
    deduplication_id: str | None = None
    processed_on: int | None = None
    processed_by: str | None = None
    finished_on: int | None = None
    return_value: bytes | None = None
    failed_reason: str | None = None
    due_on: int | None = None
    telemetry: str | None = None
    """The context of the trace in which the last attempt failed; what the producer gave is among the options."""


GAP: Final = "oxmq:gap"
"""The name of the event that no queue writes: a reader is given it where events were removed before it read them."""


class Event(Struct, frozen=True):
    """Hold one entry of a queue's event stream.

    Attributes:
        id: the entry's id in the stream, from which a reader can resume.
        name: what happened, such as ``"completed"``.
        job_id: the job that it happened to; None for an event of the queue.
        fields: everything else that the entry says, as text; ``data`` of ``progress`` and ``returnvalue`` of
            ``completed`` are decoded from JSON, and ``delay`` of ``delayed`` (when the job is due, in milliseconds
            since the epoch) is a number.
    """

    id: str
    name: str
    job_id: str | None
    fields: Mapping[str, object]


class Taken(Struct, frozen=True):
    """Hold the reply of a take.

    Attributes:
        limited_ms: for how long a rate limit holds the queue; 0 when it does not.
        next_due_ms: when the next delayed job is due; None when there is none, or jobs enough were found.
        jobs: the jobs, locked and active.
    """

    limited_ms: int
    next_due_ms: int | None
    jobs: list[JobRecord]


class Dependencies(Struct, frozen=True):
    """Hold a job's children by what became of them; each is named by its key, ``prefix:queue:id``.

    Attributes:
        processed: the results of those that completed.
        unprocessed: those that have not ended.
        ignored: the reasons of those whose failure did not stop the parent.
        failed: those for whose failure the parent fails.
    """

    processed: dict[str, Any]
    unprocessed: list[str]
    ignored: dict[str, str]
    failed: list[str]


class Children(Struct, frozen=True):
    """Hold some of a job's children.

    Attributes:
        items: each child's key, ``prefix:queue:id``, and its result, which is None for one that has not ended.
        total: how many there are in all.
    """

    items: dict[str, Any]
    total: int

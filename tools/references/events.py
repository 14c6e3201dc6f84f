"""Write the tables of events: those of a queue's stream, and those of a worker."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, get_args

from oxmq.records import GAP
from oxmq.scripts import SCRIPTS
from oxmq.worker.events import WorkerEvent
from tools.page_part import table

#: What each event of the stream tells, and its fields. One that a script writes and that is missing here is refused.
QUEUE_EVENTS: Final = {
    "added": ("a job was stored", ("jobId", "name")),
    "waiting": ("a job is ready; `prev` is where it was, if it was anywhere", ("jobId", "prev")),
    "delayed": ("a job is held back; `delay` is when it is due, in milliseconds since the epoch", ("jobId", "delay")),
    "waiting-children": ("a job waits for its children", ("jobId", "prev")),
    "active": ("a worker has taken a job", ("jobId", "prev")),
    "progress": ("a handler has reported progress; `data` is JSON", ("jobId", "data")),
    "completed": ("a job has completed; `returnvalue` is its result as JSON", ("jobId", "returnvalue", "prev")),
    "failed": ("a job has failed for good", ("jobId", "failedReason", "prev")),
    "retries-exhausted": ("a job has failed, and no attempt was left", ("jobId", "attemptsMade")),
    "stalled": ("a job was given back because its worker fell silent", ("jobId",)),
    "drained": ("a worker has ended a job and found no other one", ()),
    "duplicated": ("a job was added whose id exists; nothing was changed", ("jobId",)),
    "deduplicated": (
        "a job was kept out: `jobId` is the one that is there, `deduplicatedJobId` the one that is not",
        ("jobId", "deduplicationId", "deduplicatedJobId"),
    ),
    "removed": ("a job was removed", ("jobId", "prev")),
    "cleaned": ("a clean has deleted so many jobs", ("count",)),
    "paused": ("the queue was paused", ()),
    "resumed": ("the queue goes on", ()),
}
#: What each event of a worker tells, and what its listeners are called with.
WORKER_EVENTS: Final[dict[str, tuple[str, str]]] = {
    "ready": ("", "Redis has answered for the first time"),
    "active": ("job", "a handler is about to be called"),
    "progress": ("job, progress", "a handler has reported progress"),
    "completed": ("job, json", "a job has completed, and Redis has accepted its result"),
    "failed": ("job, reason", "a job has failed for good"),
    "retrying": ("job, reason", "an attempt has failed, and another one follows"),
    "drained": ("", "after some jobs there are no more"),
    "stalled": ("job_id", "a job was taken back from a worker that fell silent"),
    "lock_lost": ("job_id", "a job is no longer this worker's; its result will be refused"),
    "error": ("exception", "something in the background failed; the worker goes on"),
    "paused": ("", "the worker takes no more jobs"),
    "resumed": ("", "it takes jobs again"),
    "closing": ("", "it has begun to close"),
    "closed": ("", "it has closed"),
}


def part() -> str:
    """Return both tables.

    Raises:
        KeyError: an event is described that nobody writes, or the other way round.
    """
    _agree(written(), QUEUE_EVENTS)
    _agree(get_args(WorkerEvent), WORKER_EVENTS)
    return "\n".join([
        *("### Events of a queue", "", f"`{GAP}` is in no stream: a reader is given it where it missed some.", ""),
        *table(("event", "what it tells", "fields", "written by"), map(_queue_row, QUEUE_EVENTS)),
        *("### Events of a worker", ""),
        *table(("event", "called with", "what it tells"), map(_worker_row, WORKER_EVENTS)),
    ])  # fmt: skip


def written() -> dict[str, list[str]]:
    """Return the events that the heads of the scripts name, each with the scripts."""
    found: dict[str, list[str]] = {}
    for script in SCRIPTS.values():
        named = re.sub(r"\s*\([^)]*\)", "", ", ".join(script.header.entries["EVENTS"]))
        for event in named.split(", "):
            if event != "none":
                found.setdefault(event, []).append(script.name)
    return found


def _agree(known: Iterable[str], described: Iterable[str]) -> None:
    different = set(known) ^ set(described)
    if different:
        raise KeyError(f"described here or told, but not both: {', '.join(sorted(different))}")


def _queue_row(name: str) -> tuple[str, ...]:
    meaning, fields = QUEUE_EVENTS[name]
    scripts = ", ".join(f"[`{script}`](scripts.md#{script})" for script in written()[name])
    return f"`{name}`", meaning, ", ".join(f"`{field}`" for field in fields), scripts


def _worker_row(name: str) -> tuple[str, ...]:
    arguments, meaning = WORKER_EVENTS[name]
    return f"`{name}`", f"`{name}({arguments})`", meaning

"""Write the table of every key, from the rules of the keyspace and the heads of the scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from oxmq.invariants.keyspace import OWN_KEYS, PARTS, WORDS
from oxmq.scripts import SCRIPTS
from tools.page_part import table

#: What is in each of a queue's own keys. A key that is missing here is refused.
_OWN: Final = {
    "meta": "settings of the queue: `paused`, `concurrency`, `max`, `duration`, `opts.maxLenEvents`, `version`",
    "id": "counter: how many jobs were added, and the last number that was given as an id",
    "wait": "ids of waiting jobs; the next one to run is at the right end",
    "paused": "ids of waiting jobs that an older peer set aside when it paused the queue",
    "active": "ids of jobs that run",
    "delayed": "ids of jobs that are not due; the score is when, in milliseconds, times 4096, and a number within it",
    "prioritized": "ids of ready jobs that have a priority; the score is the priority times 2³², and an arrival number",
    "pc": "counter: the arrival numbers of prioritized jobs",
    "waiting-children": "ids of jobs that wait for their children; the score is when they were parked",
    "completed": "ids of completed jobs that are kept; the score is when they ended, in milliseconds",
    "failed": "the same of failed ones",
    "stalled": "ids of active jobs that the next check for stalled jobs looks at",
    "stalled-check": "there while one check stands for those of all workers",
    "limiter": "counter of starts in the window of a rate limit; it expires with the window",
    "marker": "wakes workers that wait: `0` for ready jobs, `1` with the time of the next delayed one",
    "events": "[the event stream](events.md), about the newest 10,000",
    "repeat": "ids of job schedulers; the score is when their next job is due, in milliseconds",
    "metrics:completed": "counts of completed jobs: `count`, `prevTS`, `prevCount`",
    "metrics:failed": "the same of failed ones",
    "metrics:completed:data": "completed jobs in each minute, the newest first",
    "metrics:failed:data": "the same of failed ones",
    "oxmq:workers": "a heartbeat for each worker, as JSON: name, host, load, what it runs",
    "oxmq:history": "a line a minute about the queue: what the dashboard's charts show",
    "oxmq:relayed": "marks of jobs that an outbox has handed over, so that none is added twice",
    "oxmq:counts": "counts of what workers did in each minute, for the history",
}
#: What is in each part of a job.
_PARTS: Final = {
    "lock": "the token of the worker that runs it; it expires after `lock_duration`",
    "logs": "its log lines, the oldest first",
    "dependencies": "keys of its children that have not ended",
    "processed": "keys of its children that completed, with their results",
    "failed": "keys of children whose failure was ignored, with the reasons",
    "unsuccessful": "keys of children that failed it; the score is when",
}
#: The remaining keys: name, type, what is in it, and how heads of scripts write it.
_FAMILIES: Final = (
    ("<job>", "hash", "the job: [its fields](#the-fields-of-a-job)", "<job>"),
    ("repeat:<scheduler>", "hash", "a job scheduler: its pattern or interval, its template", "repeat:<scheduler>"),
    ("de:<id>", "string", "the id of the job that keeps others of this deduplication id out", "de"),
    ("dn:<id>", "hash", "the newest job that came while the one of this deduplication id ran", "dn"),
)
#: The keys that belong to no queue.
_SITE: Final = (
    ("oxmq-leader", "hash", "who reconciles heavy jobs, until when, and what it found", "oxmq-leader"),
    ("oxmq-audit", "stream", "who changed what through the HTTP API", ""),
)
#: The fields of a job's hash.
_FIELDS: Final = (
    ("`name`, `data`, `opts`", "what was added; `data` and `opts` as JSON"),
    ("`timestamp`, `delay`, `priority`", "when it was added (ms), how long it is held back now (ms), its priority"),
    ("`atm`, `ats`, `stc`", "attempts made, attempts started, how often it was recovered from a silent worker"),
    ("`processedOn`, `finishedOn`, `pb`", "when it was last started and when it ended (ms), by which worker"),
    ("`returnvalue`, `failedReason`, `stacktrace`", "result as JSON; reason; the newest stack traces as JSON"),
    ("`progress`", "JSON"),
    ("`parentKey`, `parent`", "its parent's key, and the same as JSON"),
    ("`rjk`, `deid`, `defa`", "its scheduler; its deduplication id; why it is to fail when it is taken next"),
    ("`dueOn`, `cancelledOn`, `skip`", "oxmq's: when it became ready; when it was cancelled; a run that is left out"),
    ("`oxmq:run`, `oxmq:pod`, `oxmq:heart`, `oxmq:left`", "oxmq's: the run in a pod, its sign of life, its result"),
)
_PLACES: Final = ("wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed")


def part() -> str:
    """Return the tables of all keys.

    Raises:
        KeyError: the rules know a key that is not described here, or the other way round.
    """
    return "\n".join(_tables())


def writers(name: str) -> list[str]:
    """Return the scripts whose heads say that they write a key."""
    return [script.name for script in SCRIPTS.values() if _writes(", ".join(script.header.entries["WRITES"]), name)]


def _tables() -> Iterator[str]:
    head = ("key", "type", "what is in it", "scripts that write it")
    yield from ("### Keys of a queue", "")
    yield from table(head, (_row(name, WORDS[OWN_KEYS[name]], _OWN[name], name) for name in _same(OWN_KEYS, _OWN)))
    yield from ("### Keys of a job, a scheduler, a deduplication", "")
    parts = ((f"<job>:{name}", WORDS[PARTS[name]], _PARTS[name], f":{name}") for name in _same(PARTS, _PARTS))
    yield from table(head, (_row(*each) for each in (*_FAMILIES, *parts)))
    yield from ("### The fields of a job", "")
    yield from table(("field", "what is in it"), _FIELDS)
    yield from ("### Keys of a prefix", "", "They begin with the prefix alone.", "")
    yield from table(head, (_row(*each) for each in _SITE))


def _same(known: dict[str, type], described: dict[str, str]) -> list[str]:
    different = known.keys() ^ described.keys()
    if different:
        raise KeyError(f"described here or known to the rules, but not both: {', '.join(sorted(different))}")
    return list(described)


def _row(name: str, kind: str, meaning: str, written: str) -> tuple[str, ...]:
    links = ", ".join(f"[`{script}`](scripts.md#{script})" for script in writers(written)) if written else ""
    return f"`{name}`", kind, meaning, links or "none: plain commands"


def _writes(said: str, name: str) -> bool:
    words = {word.strip() for word in re.split(r"[,;]| and ", said)}
    if name in words or "every key of the queue" in said:
        return name != "oxmq-leader" or name in words
    if name.startswith("metrics:"):
        return "metrics" in words
    if name in _PLACES:
        return bool(words & {"every container", "the container", "every container of jobs that have not ended"})
    if name.startswith(":"):
        return f"<job>{name}" in words or name in said or "its parts" in said
    return name == "<job>" and "<job> and its parts" in said

"""Know the rules: each is one function that yields the keys where it is broken, and how."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, field

from oxmq.invariants.keyspace import CHILD_SETS, PENDING, Dump, Keyspace, Members, Stream, Text, expect

Found = Iterator[tuple[str, str]]

_INTEGER = re.compile(r"\d+")
_SEQUENCES = 4096
_PRIORITY_STEP = 1 << 32
#: Due times outside of these (2001 and 2039) are not milliseconds times the number of sequences.
_PLAUSIBLE_MS = (1_000_000_000_000, 2**53 // _SEQUENCES)
#: What may stand in the event stream beyond its cap: a node of it, and what one script writes after it has trimmed.
_STREAM_SLACK = 100 + 2_000
_DEFAULT_EVENTS = 10_000


class Knowledge(Struct, frozen=True, kw_only=True):
    """Hold what a dump cannot tell; None for what is not known. Times in milliseconds.

    Attributes:
        now_ms: when the dump was made.
        at_rest: nobody has popped a marker since the last script ran.
        lock_ms: the longest lock of any worker.
        stalled_interval_ms: the longest pause between two checks for stalled jobs.
        max_stalled_count: how often a job may be recovered.
        unlocked_ms: for each active job, for how long it is known to have had no lock.
        lateness_ms: how long after it is due a delayed job may stay delayed.
        children: how many children each parent was given, by the parent's id.
        keep_completed: how many completed jobs are kept.
        keep_failed: how many failed jobs are kept.
        keep_logs: how many lines a log has at most where the job does not say.
        keep_metrics: how many points of metrics are kept.
        finished: how many jobs ended ``completed`` and ``failed`` since the metrics began.
    """

    now_ms: int | None = None
    at_rest: bool = False
    lock_ms: int | None = None
    stalled_interval_ms: int | None = None
    max_stalled_count: int | None = None
    unlocked_ms: Mapping[str, int] = field(default_factory=dict[str, int])
    lateness_ms: int | None = None
    children: Mapping[str, int] = field(default_factory=dict[str, int])
    keep_completed: int | None = None
    keep_failed: int | None = None
    keep_logs: int | None = None
    keep_metrics: int | None = None
    finished: Mapping[str, int] = field(default_factory=dict[str, int])


class Violation(Struct, frozen=True):
    """Hold one place where a rule is broken: the rule, the key that shows it, and what is wrong in words."""

    rule: str
    key: str
    words: str


def violations(dump: Dump, base: str, known: Knowledge | None = None) -> list[Violation]:
    """Return every violation in the dump of one queue, whose keys begin with `base`; empty when all is well."""
    queue = Keyspace(dump, base)
    given = known or Knowledge()
    return [Violation(rule, key, words) for rule, check in RULES.items() for key, words in check(queue, given)]


# ---- jobs and the places where they are --------------------------------------------------------------------------


def _partition(queue: Keyspace, _: Knowledge) -> Found:
    for job_id, places in queue.places.items():
        if len(places) > 1:
            yield queue.key(job_id), f"job {job_id} is in {' and in '.join(places)}; it belongs in one place, once"


def _no_ghost(queue: Keyspace, _: Knowledge) -> Found:
    for job_id, places in queue.places.items():
        if "name" not in queue.jobs.get(job_id, {}):
            yield queue.key(job_id), f"{places[0]} names job {job_id}, of which there is no (whole) hash"


def _no_orphan(queue: Keyspace, _: Knowledge) -> Found:
    for job_id in queue.jobs:
        if job_id not in queue.places:
            yield queue.key(job_id), f"job {job_id} is in no state: nothing will ever run, list or remove it"
    for job_id, parts in queue.parts.items():
        if job_id not in queue.jobs:
            yield from ((queue.key(f"{job_id}:{part}"), f"job {job_id} does not exist") for part in parts)


def _lock_means_active(queue: Keyspace, known: Knowledge) -> Found:
    for job_id, parts in queue.parts.items():
        lock = parts.get("lock")
        if not isinstance(lock, Text) or job_id not in queue.jobs:
            continue
        key = queue.key(f"{job_id}:lock")
        if not queue.is_in(job_id, "active"):
            yield key, f"job {job_id} is locked and not active"
        elif lock.ttl_ms is None:
            yield key, "the lock never runs out"
        elif lock.ttl_ms > (known.lock_ms or lock.ttl_ms):
            yield key, f"the lock runs out in {lock.ttl_ms} ms, and no worker's lock lives so long"


def _stalled_are_active(queue: Keyspace, _: Knowledge) -> Found:
    stalled = expect(queue.dump.get(queue.key("stalled")), Members()).members
    for job_id in sorted(stalled.difference(queue.items("active"))):
        yield queue.key("stalled"), f"job {job_id} is watched for stalling and not active"


def _unlocked_are_recovered(queue: Keyspace, known: Knowledge) -> Found:
    if known.lock_ms is None or known.stalled_interval_ms is None:
        return
    limit = known.lock_ms + 2 * known.stalled_interval_ms
    for job_id in queue.ids("active"):
        silent = known.unlocked_ms.get(job_id, 0)
        if "lock" not in queue.parts.get(job_id, {}) and silent > limit:
            yield queue.key(job_id), f"job {job_id} has been active without a lock for {silent} ms, over {limit} ms"


def _delayed_scores(queue: Keyspace, known: Knowledge) -> Found:
    key = queue.key("delayed")
    for job_id, score in queue.scores("delayed").items():
        due = score // _SEQUENCES
        if not _PLAUSIBLE_MS[0] <= due <= _PLAUSIBLE_MS[1]:
            yield key, f"the score of job {job_id}, {score:.0f}, is not a time in ms times {_SEQUENCES}"
        elif known.now_ms is not None and known.lateness_ms is not None and due + known.lateness_ms < known.now_ms:
            yield key, f"job {job_id} was due {known.now_ms - due:.0f} ms ago and is still delayed"


# Jobs with a priority do stand in `wait` at times: that is where recovered ones go.
def _prioritized_scores(queue: Keyspace, _: Knowledge) -> Found:
    key = queue.key("prioritized")
    arrivals = expect(queue.dump.get(queue.key("pc")), Text("0")).value
    for job_id, score in queue.scores("prioritized").items():
        priority, arrival = divmod(score, _PRIORITY_STEP)
        stored = _number(queue.jobs.get(job_id, {}), "priority", priority)
        if priority <= 0 or priority != stored:
            yield key, f"job {job_id} of priority {stored:.0f} is filed under priority {priority:.0f}"
        elif arrival > (_as_number(arrivals) or 0):
            yield key, f"job {job_id} has arrival {arrival:.0f}, and the counter stands at {arrivals}"


def _marker(queue: Keyspace, known: Knowledge) -> Found:
    meta = queue.fields("meta")
    if not known.at_rest or "paused" in meta:
        return
    key, marker, delayed = queue.key("marker"), queue.scores("marker"), queue.scores("delayed")
    full = "concurrency" in meta and len(queue.items("active")) >= _number(meta, "concurrency")
    closed = full or queue.key("limiter") in queue.dump
    if (queue.ids("wait") or queue.ids("prioritized")) and not closed and "0" not in marker:
        yield key, "jobs are ready and no marker says so: a worker that waits is not woken"
    if delayed and marker.get("1", float("inf")) > min(delayed.values()) / _SEQUENCES and "0" not in marker:
        yield key, "a delayed job is due before any time that a marker names: a worker that waits sleeps past it"


def _terminal_fields(queue: Keyspace, known: Knowledge) -> Found:
    for job_id, job in queue.jobs.items():
        made, started, stalls = (_number(job, name) for name in ("atm", "ats", "stc"))
        needed = ("returnvalue" if queue.is_in(job_id, "completed") else "failedReason", "finishedOn")
        missing = [name for name in needed if name not in job]
        if missing and queue.is_in(job_id, "completed", "failed"):
            yield queue.key(job_id), f"job {job_id} has ended without {' and '.join(missing)}"
        if not started >= made >= 0:
            yield queue.key(job_id), f"job {job_id} has made {made:.0f} attempts and started {started:.0f}"
        # A scheduler's jobs are recovered without end.
        if known.max_stalled_count is not None and "rjk" not in job and stalls > known.max_stalled_count + 1:
            yield queue.key(job_id), f"job {job_id} has stalled {stalls:.0f} times"


# ---- relations between jobs --------------------------------------------------------------------------------------


def _flow(queue: Keyspace, known: Knowledge) -> Found:
    for job_id in queue.ids("waiting-children"):
        if not queue.children(job_id, "dependencies"):
            yield queue.key(job_id), f"job {job_id} waits for children and none is left: nothing will wake it"
    for job_id in sorted(queue.jobs.keys() & (queue.parts.keys() | known.children.keys())):
        yield from _children_of(queue, known, job_id)


def _children_of(queue: Keyspace, known: Knowledge, job_id: str) -> Found:
    sets = [queue.children(job_id, part) for part in CHILD_SETS]
    count, pending, key = sum(map(len, sets)), sets[0], queue.key(job_id)
    if pending and queue.is_in(job_id, "completed"):
        yield f"{key}:dependencies", f"job {job_id} is completed with {len(pending)} children pending"
    if count > len(sets[0].union(*sets[1:])):
        yield key, f"a child of job {job_id} is counted twice"
    if count != known.children.get(job_id, count):
        yield key, f"job {job_id} was given {known.children[job_id]} children and knows of {count}"
    for child_key in sorted(pending):
        child = queue.jobs.get(child_key.removeprefix(queue.base))
        # What is in another queue cannot be seen here.
        if child_key.startswith(queue.base) and (child is None or child.get("parentKey") != key):
            yield f"{key}:dependencies", f"child {child_key} does not exist, or names another parent"


def _deduplication(queue: Keyspace, _: Knowledge) -> Found:
    for key, value in queue.dump.items():
        if key.startswith(queue.key("de:")) and isinstance(value, Text) and value.ttl_ms is None:
            ended = queue.is_in(value.value, "completed", "failed")
            if value.value not in queue.jobs or ended:
                yield (
                    key,
                    f"its owner, job {value.value}, {'has ended' if ended else 'does not exist'}: it holds for ever",
                )


def _schedulers(queue: Keyspace, _: Knowledge) -> Found:
    due = queue.scores("repeat")
    upcoming: dict[str, list[str]] = {scheduler: [] for scheduler in due}
    for job_id, job in queue.jobs.items():
        if not _number(job, "ats") and queue.is_in(job_id, *PENDING):
            upcoming.get(job.get("rjk", ""), []).append(job_id)
    for scheduler in sorted(queue.records.keys() - due.keys()):
        yield queue.key(f"repeat:{scheduler}"), f"scheduler {scheduler} has a record and no next time"
    for scheduler, runs in upcoming.items():
        yield from _runs_of(queue, scheduler, due[scheduler], runs)


def _runs_of(queue: Keyspace, scheduler: str, due: float, runs: list[str]) -> Found:
    key, record = queue.key(f"repeat:{scheduler}"), queue.records.get(scheduler)
    if record is None:
        # BullMQ before version 3 kept no records, and its entries have many parts.
        if scheduler.count(":") < 4:
            yield queue.key("repeat"), f"scheduler {scheduler} has no record"
        return
    if len(runs) > 1:
        yield key, f"scheduler {scheduler} has {len(runs)} runs to come: {', '.join(sorted(runs))}"
    if "paused" in record:
        # One that was ready when it was paused runs all the same.
        held_back = [job_id for job_id in runs if queue.is_in(job_id, "delayed")]
        yield from ((key, f"scheduler {scheduler} is paused and will run job {job_id}") for job_id in held_back)
        return
    ended = "endDate" in record or ("limit" in record and _number(record, "ic") >= _number(record, "limit"))
    if not runs and not ended and not queue.is_in(f"repeat:{scheduler}:{due:.0f}", "active", *PENDING):
        yield key, f"scheduler {scheduler} has no run to come: it has stopped"


# ---- bounds, grammar, counters -----------------------------------------------------------------------------------


def _bounds(queue: Keyspace, known: Knowledge) -> Found:
    events = expect(queue.dump.get(queue.key("events")), Stream(0)).length
    cap = _number(queue.fields("meta"), "opts.maxLenEvents", _DEFAULT_EVENTS)
    sizes: list[tuple[str, int, float | None]] = [
        (queue.key("events"), events, cap + _STREAM_SLACK),
        (queue.key("completed"), len(queue.scores("completed")), known.keep_completed),
        (queue.key("failed"), len(queue.scores("failed")), known.keep_failed),
        (queue.key("metrics:completed:data"), len(queue.items("metrics:completed:data")), known.keep_metrics),
        (queue.key("metrics:failed:data"), len(queue.items("metrics:failed:data")), known.keep_metrics),
    ]
    sizes += [
        (queue.key(f"{job_id}:logs"), len(queue.items(f"{job_id}:logs")), _log_bound(queue.jobs.get(job_id), known))
        for job_id, parts in queue.parts.items()
        if "logs" in parts
    ]
    for key, size, bound in sizes:
        if bound is not None and size > bound:
            yield key, f"it has {size} entries where {bound:.0f} are the most"


def _log_bound(job: dict[str, str] | None, known: Knowledge) -> float | None:
    try:
        opts: Any = json.loads((job or {}).get("opts") or "{}")
    except ValueError:
        return known.keep_logs
    return _as_number(opts.get("kl")) or known.keep_logs


def _grammar(queue: Keyspace, _: Knowledge) -> Found:
    yield from queue.strange
    for name in ("limiter", "stalled-check"):
        value = queue.dump.get(queue.key(name))
        if isinstance(value, Text) and value.ttl_ms is None:
            yield queue.key(name), "it must expire and has no time to live: it may hold up the queue for ever"


def _counters(queue: Keyspace, known: Knowledge) -> Found:
    counter = _as_number(expect(queue.dump.get(queue.key("id")), Text("0")).value) or 0
    greatest = max((int(job_id) for job_id in queue.jobs if _INTEGER.fullmatch(job_id)), default=0)
    if greatest > counter:
        yield queue.key("id"), f"the counter stands at {counter:.0f}, and there is a job {greatest}"
    for state, expected in known.finished.items():
        counted = _number(queue.fields(f"metrics:{state}"), "count")
        if counted != expected:
            yield queue.key(f"metrics:{state}"), f"{expected} jobs ended {state}, and {counted:.0f} were counted"


RULES: Final[dict[str, Callable[[Keyspace, Knowledge], Found]]] = {
    "K1": _partition,
    "K2": _no_ghost,
    "K3": _no_orphan,
    "K4": _lock_means_active,
    "K5": _stalled_are_active,
    "K6": _unlocked_are_recovered,
    "K7": _delayed_scores,
    "K8": _prioritized_scores,
    "K9": _marker,
    "K10": _terminal_fields,
    "K11": _flow,
    "K12": _deduplication,
    "K13": _schedulers,
    "K14": _bounds,
    "K15": _grammar,
    "K16": _counters,
}
"""Each rule by its number: one function that yields the keys where it is broken, and how."""


def _number(fields: Mapping[str, str], name: str, default: float = 0) -> float:
    found = _as_number(fields.get(name))
    return default if found is None else found


def _as_number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None

"""Say for every operation of the scenarios which call of oxmq's public API it is, and how replies compare.

An operation that is not in this table, or whose method a class does not have, is not covered by this release.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeGuard

from msgspec import Struct

from oxmq import Job, LockLostError, OxmqError, Queue, Worker
from tests.golden.keyspace import Json, is_array, is_object
from tests.golden.spelling import UNDEFINED, exception, instant, job_options, payload, rate_limit, seconds, snake_case

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""The positional and the named arguments of a call."""


Spell = Callable[[list[Json], int], Call]
"""Make oxmq's arguments of BullMQ's and of the replay's time in milliseconds."""

Owner = type[Queue | Worker | Job[Any]]


class Operation(Struct, frozen=True):
    """Describe one operation.

    Attributes:
        owner: the class whose method it is.
        method: the method's name.
        spell: spells the arguments.
        ours: brings oxmq's reply into the form in which replies are compared.
        theirs: brings BullMQ's reply into that form.
        reads: tells that it changes nothing, so that a scenario can do without it.
        refusals: the errors that oxmq raises where BullMQ answers 0.
    """

    owner: Owner
    method: str
    spell: Spell
    ours: Callable[[Any], Json]
    theirs: Callable[[Any], Json]
    reads: bool = False
    refusals: tuple[type[OxmqError], ...] = ()

    @property
    def exists(self) -> bool:
        """Tell whether this release has it."""
        return hasattr(self.owner, self.method)


# ---- arguments ---------------------------------------------------------------------------------------------------


def _as_given(args: list[Json], _now: int) -> Call:
    return tuple(payload(arg) for arg in args), {}


def _add(args: list[Json], _now: int) -> Call:
    name, *rest = args
    data = rest[:1] if rest and rest[0] != UNDEFINED else []
    return (name, *data), job_options(rest[1]) if len(rest) > 1 else {}


def _add_bulk(args: list[Json], _now: int) -> Call:
    return ([(job["name"], job["data"], job_options(job.get("opts", {}))) for job in args[0]],), {}


def _next_job(args: list[Json], _now: int) -> Call:
    return (args[0],), {"block": args[1]["block"]}


def _completed(args: list[Json], _now: int) -> Call:
    value, token, fetch_next = args
    return (payload(value), token), {"fetch_next": fetch_next}


def _failed(args: list[Json], _now: int) -> Call:
    given, token, fetch_next = args
    error, stack = exception(given)
    return (error, token), {"fetch_next": fetch_next, "stack": stack}


def _delayed_in(args: list[Json], now: int) -> Call:
    ms, token = args
    return (instant(now + ms), token), {}


def _retry(args: list[Json], _now: int) -> Call:
    state, *resets = args or ["failed"]
    return (state,), {snake_case(name): value for given in resets for name, value in given.items()}


def _remove(args: list[Json], _now: int) -> Call:
    job_id, *options = args
    return (job_id,), {snake_case(name): value for given in options for name, value in given.items()}


def _named(args: list[Json], _now: int) -> Call:
    return (), {snake_case(name): value for given in args for name, value in given.items()}


def _extend_lock(args: list[Json], _now: int) -> Call:
    token, ms = args
    return (token, seconds(ms)), {}


def _range(args: list[Json], _now: int) -> Call:
    return tuple(args[:3]), {"asc": args[3]} if len(args) > 3 else {}


def _duration(args: list[Json], _now: int) -> Call:
    return (seconds(args[0]),), {}


def _rate_limit(args: list[Json], _now: int) -> Call:
    return (rate_limit(*args),), {}


# ---- replies -----------------------------------------------------------------------------------------------------


def described(value: Any) -> Json:
    """Return a reply in the form of the fixtures: jobs by their ids, None as undefined."""
    if value is None:
        return UNDEFINED
    if isinstance(value, Job):
        return {"$job": value.id}
    if is_array(value) or _is_tuple(value):
        return [described(item) for item in value]
    if is_object(value):
        return {str(name): member for name, member in value.items()}
    return value.decode() if isinstance(value, bytes) else value


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def nothing(_reply: Any) -> Json:
    """Return None for a reply that nobody can compare: the two libraries answer differently by design."""
    return None


def number_of_ms(reply: float | None) -> Json:
    """Return a duration in seconds as milliseconds."""
    return round((reply or 0) * 1000)


def as_it_is(reply: Json) -> Json:
    """Return a reply that has its form already."""
    return reply


def next_job_of(reply: Json) -> Json:
    """Return the job in BullMQ's reply to a finish that was asked for the next one."""
    found: Json = reply[1] if reply and reply != UNDEFINED else None
    return {"$job": found} if found else UNDEFINED


def is_granted(refusal: Any) -> Json:
    """Return BullMQ's 1 for an operation that was done, its 0 for one that was refused."""
    return 0 if isinstance(refusal, OxmqError) else 1


def without_paused(reply: Json) -> Json:
    """Return counts without the state that only the older layout has."""
    return {state: count for state, count in reply.items() if state != "paused"}


def rows_and_count(reply: Json) -> Json:
    """Return BullMQ's reply about logs as the pair that oxmq returns."""
    return [reply["logs"], reply["count"]]


def text_keys(reply: Json) -> Json:
    """Return counts whose keys are text, as in JSON."""
    return {str(name): count for name, count in reply.items()}


# ---- the table ---------------------------------------------------------------------------------------------------


def _change(owner: Owner, method: str, spell: Spell = _as_given) -> Operation:
    return Operation(owner, method, spell, ours=nothing, theirs=nothing)


def _answer(owner: Owner, method: str, spell: Spell = _as_given) -> Operation:
    return Operation(owner, method, spell, ours=described, theirs=as_it_is)


def _finish(method: str, spell: Spell) -> Operation:
    return Operation(Job, method, spell, ours=described, theirs=next_job_of)


def _read(
    owner: Owner,
    method: str,
    *,
    spell: Spell = _as_given,
    ours: Callable[[Any], Json] = described,
    theirs: Callable[[Any], Json] = as_it_is,
) -> Operation:
    return Operation(owner, method, spell, ours, theirs, reads=True)


OPERATIONS: Final[dict[str, Operation]] = {
    "queue.add": _answer(Queue, "add", _add),
    "queue.addBulk": _answer(Queue, "add_bulk", _add_bulk),
    "queue.pause": _change(Queue, "pause"),
    "queue.resume": _change(Queue, "resume"),
    "queue.remove": _answer(Queue, "remove", _remove),
    "queue.retryJobs": _change(Queue, "retry_jobs", _named),
    "queue.promoteJobs": _change(Queue, "promote_jobs", _named),
    "queue.setGlobalConcurrency": _change(Queue, "set_global_concurrency"),
    "queue.removeGlobalConcurrency": _change(Queue, "remove_global_concurrency"),
    "queue.setGlobalRateLimit": _change(Queue, "set_global_rate_limit", _rate_limit),
    "queue.removeGlobalRateLimit": _change(Queue, "remove_global_rate_limit"),
    "queue.rateLimit": _change(Queue, "rate_limit", _duration),
    "queue.removeRateLimitKey": _change(Queue, "remove_rate_limit_key"),
    "worker.rateLimit": _change(Worker, "rate_limit", _duration),
    "worker.getNextJob": _answer(Worker, "get_next_job", _next_job),
    "worker.moveStalledJobsToWait": _change(Worker, "recover_stalled"),
    "job.moveToCompleted": _finish("move_to_completed", _completed),
    "job.moveToFailed": _finish("move_to_failed", _failed),
    "job.moveToDelayedIn": _change(Job, "move_to_delayed", _delayed_in),
    "job.moveToWait": _change(Job, "move_to_wait"),
    "job.promote": _change(Job, "promote"),
    "job.retry": _change(Job, "retry", _retry),
    "job.remove": _change(Job, "remove"),
    "job.log": _answer(Job, "log"),
    "job.clearLogs": _change(Job, "clear_logs"),
    "job.updateData": _change(Job, "update_data"),
    "job.updateProgress": _change(Job, "update_progress"),
    "job.changeDelay": _change(Job, "change_delay", _duration),
    "job.changePriority": _change(Job, "change_priority", _named),
    "job.extendLock": Operation(Job, "extend_lock", _extend_lock, is_granted, as_it_is, refusals=(LockLostError,)),
    "job.getState": _read(Job, "get_state"),
    "queue.count": _read(Queue, "count"),
    "queue.isPaused": _read(Queue, "is_paused"),
    "queue.isMaxed": _read(Queue, "is_maxed"),
    "queue.getJob": _read(Queue, "get_job"),
    "queue.getJobState": _read(Queue, "get_job_state"),
    "queue.getJobCounts": _read(Queue, "get_job_counts", theirs=without_paused),
    "queue.getCountsPerPriority": _read(Queue, "get_counts_per_priority", ours=text_keys),
    "queue.getJobs": _read(Queue, "get_jobs", spell=_range),
    "queue.getWaiting": _read(Queue, "get_waiting"),
    "queue.getActive": _read(Queue, "get_active"),
    "queue.getDelayed": _read(Queue, "get_delayed"),
    "queue.getPrioritized": _read(Queue, "get_prioritized"),
    "queue.getCompleted": _read(Queue, "get_completed"),
    "queue.getFailed": _read(Queue, "get_failed"),
    "queue.getJobLogs": _read(Queue, "get_job_logs", theirs=rows_and_count),
    "queue.getRateLimitTtl": _read(Queue, "get_rate_limit_ttl", ours=number_of_ms),
}

#: Reads that this release spells in another way or not at all; leaving them out changes nothing in the keyspace.
OTHER_READS: Final = frozenset({"queue.exportPrometheusMetrics", "queue.getMeta", "queue.getVersion"})

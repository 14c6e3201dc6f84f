"""Say for every operation of the scenarios which call of oxmq's public API it is, and how replies compare.

An operation that is not in this table, or whose method a class does not have, is not covered by this release.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from oxmq import FlowProducer, Job, LockLostError, OxmqError, Queue, Worker
from tests.golden import replies
from tests.golden.keyspace import Json
from tests.golden.spelling import (
    UNDEFINED,
    exception,
    flow,
    instant,
    job_options,
    payload,
    rate_limit,
    schedule,
    seconds,
    snake_case,
)

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""The positional and the named arguments of a call."""


Spell = Callable[[list[Json], int], Call]
"""Make oxmq's arguments of BullMQ's and of the replay's time in milliseconds."""

Owner = type[Queue | Worker | FlowProducer | Job[Any]]


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
    return (state,), _options(resets)


def _remove(args: list[Json], _now: int) -> Call:
    job_id, *given = args
    return (job_id,), _options(given)


def _named(args: list[Json], _now: int) -> Call:
    return (), _options(args)


def _options(given: list[Json]) -> dict[str, Any]:
    return {snake_case(name): value for options in given for name, value in options.items()}


def _up_to(args: list[Json], now: int) -> Call:
    named = _options(args)
    return (), named | ({"timestamp": instant(named["timestamp"])} if "timestamp" in named else {})


def _extend_lock(args: list[Json], _now: int) -> Call:
    token, ms = args
    return (token, seconds(ms)), {}


def _range(args: list[Json], _now: int) -> Call:
    return tuple(args[:3]), {"asc": args[3]} if len(args) > 3 else {}


def _schedulers(args: list[Json], _now: int) -> Call:
    return tuple(args[:2]), {"asc": args[2]} if len(args) > 2 else {}


def _duration(args: list[Json], _now: int) -> Call:
    return (seconds(args[0]),), {}


def _rate_limit(args: list[Json], _now: int) -> Call:
    return (rate_limit(*args),), {}


def _clean(args: list[Json], _now: int) -> Call:
    grace, limit, *state = args
    return (seconds(grace),), {"limit": limit} | ({"state": state[0]} if state else {})


def _upsert(args: list[Json], _now: int) -> Call:
    scheduler_id, repeat, *templates = args
    template: dict[str, Json] = templates[0] if templates else {}
    data = {"data": template["data"]} if "data" in template else {}
    return (scheduler_id, schedule(repeat), template.get("name")), data | job_options(template.get("opts", {}))


def _flow(args: list[Json], _now: int) -> Call:
    return (flow(args[0]),), {}


def _flows(args: list[Json], _now: int) -> Call:
    return ([flow(node) for node in args[0]],), {}


def _get_flow(args: list[Json], _now: int) -> Call:
    named = _options(args)
    return (named.pop("id"), named.pop("queue_name")), named


def _event(args: list[Json], _now: int) -> Call:
    fields = {name: str(value) for name, value in args[0].items()}
    return (fields.pop("eventName"), fields), {}


# ---- the table ---------------------------------------------------------------------------------------------------


def _change(owner: Owner, method: str, spell: Spell = _as_given) -> Operation:
    return Operation(owner, method, spell, ours=replies.nothing, theirs=replies.nothing)


def _answer(owner: Owner, method: str, spell: Spell = _as_given) -> Operation:
    return Operation(owner, method, spell, ours=replies.described, theirs=replies.as_it_is)


def _finish(method: str, spell: Spell) -> Operation:
    return Operation(Job, method, spell, ours=replies.described, theirs=replies.next_job_of)


def _read(
    owner: Owner,
    method: str,
    *,
    spell: Spell = _as_given,
    ours: Callable[[Any], Json] = replies.described,
    theirs: Callable[[Any], Json] = replies.as_it_is,
) -> Operation:
    return Operation(owner, method, spell, ours, theirs, reads=True)


OPERATIONS: Final[dict[str, Operation]] = {
    "queue.add": _answer(Queue, "add", _add),
    "queue.addBulk": _answer(Queue, "add_bulk", _add_bulk),
    "flow.add": _answer(FlowProducer, "add", _flow),
    "flow.addBulk": _answer(FlowProducer, "add_bulk", _flows),
    "flow.getFlow": _read(
        FlowProducer, "get_flow", spell=_get_flow, ours=replies.any_order_tree, theirs=replies.any_order
    ),
    # ---- steering a queue
    "queue.pause": _change(Queue, "pause"),
    "queue.resume": _change(Queue, "resume"),
    "queue.remove": _answer(Queue, "remove", _remove),
    "queue.retryJobs": _change(Queue, "retry_jobs", _up_to),
    "queue.promoteJobs": _change(Queue, "promote_jobs", _named),
    "queue.drain": _change(Queue, "drain"),
    "queue.clean": Operation(Queue, "clean", _clean, ours=sorted, theirs=sorted),
    "queue.obliterate": _change(Queue, "obliterate", _named),
    "queue.trimEvents": _change(Queue, "trim_events"),
    "queue.removeOrphanedJobs": _answer(Queue, "remove_orphaned_jobs"),
    "queue.removeDeduplicationKey": _answer(Queue, "remove_deduplication_key"),
    "queue.setGlobalConcurrency": _change(Queue, "set_global_concurrency"),
    "queue.removeGlobalConcurrency": _change(Queue, "remove_global_concurrency"),
    "queue.setGlobalRateLimit": _change(Queue, "set_global_rate_limit", _rate_limit),
    "queue.removeGlobalRateLimit": _change(Queue, "remove_global_rate_limit"),
    "queue.rateLimit": _change(Queue, "rate_limit", _duration),
    "queue.removeRateLimitKey": _change(Queue, "remove_rate_limit_key"),
    "queue.upsertJobScheduler": _answer(Queue, "upsert_job_scheduler", _upsert),
    "queue.removeJobScheduler": _answer(Queue, "remove_job_scheduler"),
    "eventsProducer.publishEvent": _change(Queue, "publish_event", _event),
    # ---- working by hand
    "worker.rateLimit": _change(Worker, "rate_limit", _duration),
    "worker.getNextJob": _answer(Worker, "get_next_job", _next_job),
    "worker.moveStalledJobsToWait": _change(Worker, "recover_stalled"),
    "job.moveToCompleted": _finish("move_to_completed", _completed),
    "job.moveToFailed": _finish("move_to_failed", _failed),
    "job.moveToDelayedIn": _change(Job, "move_to_delayed", _delayed_in),
    "job.moveToWait": _change(Job, "move_to_wait"),
    "job.extendLock": Operation(
        Job, "extend_lock", _extend_lock, replies.is_granted, replies.as_it_is, refusals=(LockLostError,)
    ),
    # ---- changing a job
    "job.promote": _change(Job, "promote"),
    "job.retry": _change(Job, "retry", _retry),
    "job.remove": _change(Job, "remove", _named),
    "job.log": _answer(Job, "log"),
    "job.clearLogs": _change(Job, "clear_logs"),
    "job.updateData": _change(Job, "update_data"),
    "job.updateProgress": _change(Job, "update_progress"),
    "job.changeDelay": _change(Job, "change_delay", _duration),
    "job.changePriority": _change(Job, "change_priority", _named),
    "job.removeDeduplicationKey": _answer(Job, "remove_deduplication_key"),
    "job.removeChildDependency": _answer(Job, "remove_child_dependency"),
    "job.removeUnprocessedChildren": _change(Job, "remove_unprocessed_children"),
    # ---- reading
    "job.getState": _read(Job, "get_state"),
    "job.getChildrenValues": _read(Job, "get_children_values"),
    "job.getIgnoredChildrenFailures": _read(Job, "get_ignored_children_failures"),
    "job.getDependencies": _read(Job, "get_dependencies", ours=replies.dependencies, theirs=replies.in_order),
    "job.getDependenciesCount": _read(Job, "get_dependencies_count"),
    "queue.count": _read(Queue, "count"),
    "queue.isPaused": _read(Queue, "is_paused"),
    "queue.isMaxed": _read(Queue, "is_maxed"),
    "queue.getJob": _read(Queue, "get_job"),
    "queue.getJobState": _read(Queue, "get_job_state"),
    "queue.getJobCounts": _read(Queue, "get_job_counts"),
    "queue.getCountsPerPriority": _read(Queue, "get_counts_per_priority", ours=replies.text_keys),
    "queue.getJobs": _read(Queue, "get_jobs", spell=_range),
    "queue.getWaiting": _read(Queue, "get_waiting"),
    "queue.getActive": _read(Queue, "get_active"),
    "queue.getDelayed": _read(Queue, "get_delayed"),
    "queue.getPrioritized": _read(Queue, "get_prioritized"),
    "queue.getCompleted": _read(Queue, "get_completed"),
    "queue.getFailed": _read(Queue, "get_failed"),
    "queue.getJobLogs": _read(Queue, "get_job_logs", theirs=replies.rows_and_count),
    "queue.getMetrics": _read(Queue, "get_metrics", ours=replies.metrics),
    "queue.getDeduplicationJobId": _read(Queue, "get_deduplication_job_id"),
    "queue.getGlobalConcurrency": _read(Queue, "get_global_concurrency"),
    "queue.getRateLimitTtl": _read(Queue, "get_rate_limit_ttl", ours=replies.number_of_ms),
    "queue.getJobScheduler": _read(Queue, "get_job_scheduler", ours=replies.scheduler, theirs=replies.scheduler_told),
    "queue.getJobSchedulers": _read(
        Queue, "get_job_schedulers", spell=_schedulers, ours=replies.schedulers, theirs=replies.schedulers_told
    ),
    "queue.getJobSchedulersCount": _read(Queue, "get_job_schedulers_count"),
    "queue.exportPrometheusMetrics": _read(
        Queue, "export_prometheus_metrics", ours=replies.lines, theirs=replies.lines
    ),
    "queue.getMeta": _read(Queue, "get_meta", ours=replies.meta, theirs=replies.without_version),
    "queue.getVersion": _read(Queue, "get_version", ours=replies.nothing, theirs=replies.nothing),
}

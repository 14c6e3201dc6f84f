"""Bring the replies of both libraries into one form, so that they can be compared."""

from __future__ import annotations

from typing import Any, TypeGuard

from msgspec import UNSET

from oxmq import (
    Backoff,
    Dependencies,
    FlowNode,
    Job,
    JobOptions,
    JobScheduler,
    Metrics,
    OxmqError,
    QueueMeta,
    Schedule,
)
from tests.golden.keyspace import Json, is_array, is_object
from tests.golden.spelling import UNDEFINED, camel_case, milliseconds


def described(value: Any) -> Json:
    """Return a reply in the form of the fixtures: jobs by their ids, None as undefined."""
    if value is None:
        return UNDEFINED
    if isinstance(value, Job):
        return {"$job": value.id}
    if isinstance(value, FlowNode):
        return tree(value)
    if is_array(value) or _is_tuple(value):
        return [described(item) for item in value]
    if is_object(value):
        return {str(name): member for name, member in value.items()}
    return value.decode() if isinstance(value, bytes) else value


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def dependencies(found: Dependencies) -> Json:
    """Return the children of a job by how they stand, in BullMQ's form."""
    return in_order(
        {
            "processed": found.processed,
            "unprocessed": found.unprocessed,
            "ignored": found.ignored,
            "failed": found.failed,
        }
    )


def tree(node: FlowNode) -> Json:
    """Return a flow as the fixtures draw it: a job, and its children if it has any."""
    children = {"children": [tree(child) for child in node.children]} if node.children else {}
    return {"job": {"$job": node.job.id}} | children


def nothing(_reply: Any) -> Json:
    """Return None for a reply that nobody can compare: the two libraries answer differently by design."""
    return None


def number_of_ms(reply: float | None) -> Json:
    """Return a duration in seconds as milliseconds."""
    return round((reply or 0) * 1000)


def as_it_is(reply: Json) -> Json:
    """Return a reply that has its form already."""
    return reply


def in_order(reply: Json) -> Json:
    """Return an answer with its lists sorted: both libraries give the members of a set in no particular order."""
    return {name: sorted(value) if is_array(value) else value for name, value in reply.items()}


def any_order(node: Json) -> Json:
    """Return a flow with its children sorted: both libraries give them in no particular order."""
    if node == UNDEFINED or "children" not in node:
        return node
    children = [any_order(child) for child in node["children"]]
    return {"job": node["job"], "children": sorted(children, key=lambda child: str(child["job"]))}


def any_order_tree(node: FlowNode | None) -> Json:
    """Return a flow in the form of the fixtures, its children sorted."""
    return UNDEFINED if node is None else any_order(tree(node))


def next_job_of(reply: Json) -> Json:
    """Return the job in BullMQ's reply to a finish that was asked for the next one."""
    found: Json = reply[1] if reply and reply != UNDEFINED else None
    return {"$job": found} if found else UNDEFINED


def is_granted(refusal: Any) -> Json:
    """Return BullMQ's 1 for an operation that was done, its 0 for one that was refused."""
    return 0 if isinstance(refusal, OxmqError) else 1


def rows_and_count(reply: Json) -> Json:
    """Return BullMQ's reply about logs as the pair that oxmq returns."""
    return [reply["logs"], reply["count"]]


def text_keys(reply: Json) -> Json:
    """Return counts whose keys are text, as in JSON."""
    return {str(name): count for name, count in reply.items()}


def metrics(found: Metrics) -> Json:
    """Return the counts of ended jobs in BullMQ's form."""
    written = found.meta.prev_ts
    meta = {
        "count": found.meta.count,
        "prevTS": 0 if written is None else milliseconds(written),
        "prevCount": found.meta.prev_count,
    }
    return {"meta": meta, "data": found.data, "count": found.count}


def lines(text: str) -> Json:
    """Return the lines of a text in whose order nothing lies."""
    return sorted(text.splitlines())


def meta(found: QueueMeta) -> Json:
    """Return what a queue knows of itself in BullMQ's form, without the library that set it up."""
    limit = found.rate_limit
    members = {
        "paused": found.paused,
        "maxLenEvents": found.max_len_events,
        "concurrency": found.concurrency,
        "max": None if limit is None else limit.max,
    }
    return given(members)


def without_version(reply: Json) -> Json:
    """Return what a queue knows of itself without the library that set it up."""
    return {name: value for name, value in reply.items() if name not in ("version", "duration")}


# ---- job schedulers ------------------------------------------------------------------------------------------------


def scheduler(found: JobScheduler | None) -> Json:
    """Return a job scheduler in BullMQ's form."""
    if found is None:
        return UNDEFINED
    members = {
        "key": found.id,
        "name": found.name,
        "next": milliseconds(found.next),
        "iterationCount": found.iteration_count,
        "template": given({"data": found.data or None, "opts": given(_template_options(found.options)) or None}),
    }
    return given(members | (_schedule(found.schedule) if found.schedule else {}))


def schedulers(found: list[JobScheduler]) -> Json:
    """Return job schedulers in BullMQ's form."""
    return [scheduler(one) for one in found]


def scheduler_told(reply: Json) -> Json:
    """Return BullMQ's description of a scheduler without what says nothing: the offset of a pattern, empty data."""
    if reply == UNDEFINED:
        return reply
    template: dict[str, Json] = reply.get("template") or {}
    told = {name: value for name, value in reply.items() if not (name == "offset" and "pattern" in reply)}
    told["template"] = {name: value for name, value in template.items() if value}
    return told


def schedulers_told(reply: Json) -> Json:
    """Return BullMQ's descriptions of schedulers likewise."""
    return [scheduler_told(one) for one in reply]


def _schedule(schedule: Schedule) -> dict[str, Json]:
    return {
        "every": schedule.every_ms,
        "offset": schedule.offset_ms,
        "pattern": schedule.pattern,
        "tz": schedule.tz,
        "limit": schedule.limit,
        "startDate": None if schedule.start is None else milliseconds(schedule.start),
        "endDate": None if schedule.end is None else milliseconds(schedule.end),
    }


def _template_options(options: JobOptions) -> dict[str, Json]:
    found = {camel_case(name): getattr(options, name) for name in options.__struct_fields__}
    return {name: _option(value) for name, value in found.items()}


def _option(value: Any) -> Json:
    if value is UNSET:
        return None
    return {"type": value.type, "delay": value.delay_ms} if isinstance(value, Backoff) else value


def given(members: dict[str, Json]) -> dict[str, Json]:
    """Return the members that have a value."""
    return {name: value for name, value in members.items() if value is not None}

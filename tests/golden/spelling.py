"""Spell BullMQ's arguments the way oxmq's public API takes them: seconds for milliseconds, exceptions for errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from oxmq import (
    Backoff,
    ConfigurationError,
    Deduplication,
    FlowJob,
    JobOptions,
    Keep,
    Parent,
    RateLimit,
    Schedule,
    Telemetry,
    Unrecoverable,
    Worker,
    cron,
    every,
    fixed,
)
from tests.golden.keyspace import Json

UNDEFINED: Final[Json] = {"$undefined": True}


def snake_case(name: str) -> str:
    """Return a camelCase name in Python's spelling."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def camel_case(name: str) -> str:
    """Return a name of Python's in BullMQ's spelling."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def seconds(ms: float) -> float:
    """Return milliseconds as seconds."""
    return ms / 1000


def instant(ms: int) -> datetime:
    """Return milliseconds since the epoch as a moment."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def milliseconds(moment: datetime) -> int:
    """Return a moment as milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)


def backoff(given: Json) -> Backoff:
    """Return a backoff option; a bare number is a fixed delay."""
    if isinstance(given, int | float):
        return fixed(seconds(given))
    return Backoff(given["type"], given["delay"], given.get("jitter", 0.0))


def keep(given: Json) -> Json:
    """Return a removeOn... option."""
    return given if isinstance(given, int) else Keep(**given)


def deduplication(given: Json) -> Deduplication:
    """Return a deduplication option."""
    members: dict[str, Any] = {"id": "", **{snake_case(name): value for name, value in given.items()}}
    if "ttl" in members:
        members["ttl"] = seconds(members["ttl"])
    return Deduplication(**members)


def telemetry(given: Json) -> Telemetry:
    """Return a telemetry option."""
    return Telemetry(given.get("metadata"), given.get("omitContext", False))


def parent(given: Json) -> Parent:
    """Return a parent option."""
    return Parent(given["id"], given["queue"])


_JOB_OPTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "delay": seconds,
    "timestamp": instant,
    "backoff": backoff,
    "removeOnComplete": keep,
    "removeOnFail": keep,
    "deduplication": deduplication,
    "telemetry": telemetry,
    "parent": parent,
}


#: What a child's failure does to its parent: one of these options, in BullMQ's spelling.
POLICIES: Final = (
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
)


def job_options(given: dict[str, Json], *, is_child: bool = False) -> dict[str, Any]:
    """Return job options as the keyword arguments of ``Queue.add``, unknown ones included.

    A child that names no policy lets its parent wait with BullMQ; here that has to be said.
    """
    spelled = {snake_case(name): _JOB_OPTIONS.get(name, _same)(value) for name, value in given.items()}
    is_child = is_child or "parent" in given
    silent = is_child and not any(policy in given for policy in POLICIES)
    return spelled | ({"fail_parent_on_failure": False} if silent else {})


def unknown_job_options(given: dict[str, Json]) -> list[str]:
    """Return the names of the options that this release does not take."""
    return [name for name in given if snake_case(name) not in JobOptions.__struct_fields__]


def flow(node: Json, *, is_child: bool = False) -> FlowJob:
    """Return a flow with everything below it."""
    return FlowJob(
        node["name"],
        node["queueName"],
        payload(node.get("data", {})),
        options=job_options(node.get("opts", {}), is_child=is_child),
        children=[flow(child, is_child=True) for child in node.get("children", [])],
    )


def schedule(given: Json) -> Schedule:
    """Return when a scheduler makes jobs: by a pattern or by an interval."""
    bounds: dict[str, Any] = {
        _BOUNDS[name]: _SCHEDULE.get(name, _same)(value) for name, value in given.items() if name in _BOUNDS
    }
    if ("every" in given) == ("pattern" in given):
        # The API has no words for what is both or neither.
        raise ConfigurationError("a schedule has either an interval or a pattern")
    if "every" in given:
        return every(seconds(given["every"]), **bounds)
    bounds.setdefault("tz", None)
    return cron(given["pattern"], **bounds)


_BOUNDS: Final = {
    "limit": "limit",
    "startDate": "start",
    "endDate": "end",
    "immediately": "immediately",
    "offset": "offset",
    "tz": "tz",
}

_SCHEDULE: Final[dict[str, Callable[[Any], Any]]] = {"startDate": instant, "endDate": instant, "offset": seconds}


def rate_limit(most: int, ms: float) -> RateLimit:
    """Return a rate limit."""
    return RateLimit(max=most, duration=seconds(ms))


_WORKER_OPTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "limiter": lambda given: rate_limit(given["max"], given["duration"]),
    "removeOnComplete": keep,
    "removeOnFail": keep,
    "lockDuration": seconds,
    "stalledInterval": seconds,
    "metrics": lambda given: given["maxDataPoints"],
}

#: A worker of BullMQ keeps every finished job unless told otherwise.
_WORKER_DEFAULTS: Final[dict[str, Any]] = {"remove_on_complete": None, "remove_on_fail": None}


def worker_options(given: dict[str, Json]) -> dict[str, Any]:
    """Return worker options as the keyword arguments of ``Worker``."""
    spelled = {_worker_option(name): _WORKER_OPTIONS.get(name, _same)(value) for name, value in given.items()}
    return _WORKER_DEFAULTS | spelled


def _worker_option(name: str) -> str:
    return "worker_name" if name == "name" else snake_case(name)


def unknown_worker_options(given: dict[str, Json]) -> list[str]:
    """Return the names of the worker options that this release does not take."""
    return [name for name in given if _worker_option(name) not in inspect.signature(Worker).parameters]


def payload(value: Json) -> Json:
    """Return a value where JavaScript has one; its ``undefined`` is Python's None."""
    return None if value == UNDEFINED else value


def exception(given: Json) -> tuple[Exception, str]:
    """Return an exception with the message of a fixture's error, and the stack trace that goes with it."""
    described = given["$error"]
    kind = Unrecoverable if described.get("name") == "UnrecoverableError" else RuntimeError
    return kind(described["message"]), described["stack"]


def _same(value: Json) -> Json:
    return value

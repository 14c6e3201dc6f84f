"""Spell BullMQ's arguments the way oxmq's public API takes them: seconds for milliseconds, exceptions for errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from oxmq import Backoff, JobOptions, Keep, RateLimit, Unrecoverable, Worker, fixed
from tests.golden.keyspace import Json

UNDEFINED: Final[Json] = {"$undefined": True}


def snake_case(name: str) -> str:
    """Return a camelCase name in Python's spelling."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def seconds(ms: float) -> float:
    """Return milliseconds as seconds."""
    return ms / 1000


def instant(ms: int) -> datetime:
    """Return milliseconds since the epoch as a moment."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def backoff(given: Json) -> Backoff:
    """Return a backoff option; a bare number is a fixed delay."""
    if isinstance(given, int | float):
        return fixed(seconds(given))
    return Backoff(given["type"], given["delay"], given.get("jitter", 0.0))


def keep(given: Json) -> Json:
    """Return a removeOn... option."""
    return given if isinstance(given, int) else Keep(**given)


_JOB_OPTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "delay": seconds,
    "timestamp": instant,
    "backoff": backoff,
    "removeOnComplete": keep,
    "removeOnFail": keep,
}


def job_options(given: dict[str, Json]) -> dict[str, Any]:
    """Return job options as the keyword arguments of ``Queue.add``, unknown ones included."""
    return {snake_case(name): _JOB_OPTIONS.get(name, _same)(value) for name, value in given.items()}


def unknown_job_options(given: dict[str, Json]) -> list[str]:
    """Return the names of the options that this release does not take."""
    return [name for name in given if snake_case(name) not in JobOptions.__struct_fields__]


def rate_limit(most: int, ms: float) -> RateLimit:
    """Return a rate limit."""
    return RateLimit(max=most, duration=seconds(ms))


_WORKER_OPTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "limiter": lambda given: rate_limit(given["max"], given["duration"]),
    "removeOnComplete": keep,
    "removeOnFail": keep,
    "lockDuration": seconds,
    "stalledInterval": seconds,
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

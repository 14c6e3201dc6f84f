"""Write the tables of options: those of jobs with their names on the wire, those of tasks and of workers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import griffe
import msgspec

from oxmq import JobOptions, Oxmq, Worker
from oxmq.codec import WireBackoff, WireDeduplication, WireKeep, WireOptions
from oxmq.options import Backoff, Deduplication, Keep
from tools.page_part import table

#: What holds where nobody gives the option. Options of the worker, the task and the application come before it.
_DEFAULTS: Final = {
    "job_id": "made by the client: a UUID that sorts by time",
    "delay": "0",
    "priority": "0",
    "lifo": "`False`",
    "attempts": "1",
    "backoff": "none: the next attempt at once",
    "timeout": "none",
    "remove_on_complete": "the worker's",
    "remove_on_fail": "the worker's",
    "keep_logs": "1,000",
    "stack_trace_limit": "50",
    "size_limit": "1 MiB",
    "timestamp": "when it is added",
    "deduplication": "none",
    "parent": "none",
    "fail_parent_on_failure": "`True` for a child, unless one of the next three is given",
    "continue_parent_on_failure": "`False`",
    "ignore_dependency_on_failure": "`False`",
    "remove_dependency_on_failure": "`False`",
    "expires": "never",
    "telemetry": "none",
}
#: Options whose name on the wire is not that of one field.
_WIRE: Final = {"deduplication": "`de`", "telemetry": "`tm`, `omc`"}


def part() -> str:
    """Return all tables.

    Raises:
        KeyError: an option is not described here, or has no name on the wire.
    """
    return "\n".join(_tables())


def wire_names() -> dict[str, str]:
    """Return each job option's name among the options in Redis."""
    names = {field.name: f"`{field.encode_name}`" for field in msgspec.structs.fields(WireOptions)}
    return {name: _WIRE.get(name) or names[name] for name in JobOptions.__struct_fields__}


def _tables() -> Iterator[str]:
    yield from ("### Options of a job", "")
    yield from table(("option", "type", "in Redis", "default", "meaning"), _job_rows())
    for kind, wire in ((Backoff, WireBackoff), (Keep, WireKeep), (Deduplication, WireDeduplication)):
        yield from (f"### `{kind.__name__}`", "")
        yield from table(("field", "in Redis", "meaning"), _part_rows(kind, wire))
    yield from ("### Options of a task", "", "`@app.task` takes these, and all options of a job.", "")
    yield from table(("option", "default", "meaning"), _argument_rows(Oxmq.task, Oxmq.task.__doc__, ("options",)))
    yield from ("### Options of a worker", "", "`app.worker()` takes most of them, too.", "")
    yield from table(("option", "default", "meaning"), _argument_rows(Worker.__init__, Worker.__doc__, ()))


def _job_rows() -> Iterator[tuple[str, ...]]:
    meanings, wire = _described(JobOptions.__doc__, "attributes"), wire_names()
    for name in JobOptions.__struct_fields__:
        kind = str(JobOptions.__annotations__[name]).replace(" | UnsetType", "")
        yield f"`{name}`", f"`{kind}`", wire[name], _DEFAULTS[name], meanings[name]


def _part_rows(kind: type[msgspec.Struct], wire: type[msgspec.Struct]) -> Iterator[tuple[str, ...]]:
    names = {field.name: field.encode_name for field in msgspec.structs.fields(wire)}
    for name, meaning in _described(kind.__doc__, "attributes").items():
        yield f"`{name}`", f"`{names[name.removesuffix('_ms')]}`", meaning


def _argument_rows(
    function: Callable[..., Any], text: str | None, without: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    parameters = inspect.signature(function).parameters
    for name, meaning in _described(text, "parameters").items():
        if name not in without:
            yield f"`{name}`", _default(parameters[name].default), meaning


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "must be given"
    if value is None or value == ():
        return ""
    return f"`{value!r}`".replace("'", '"')


def _described(text: str | None, section: str) -> dict[str, str]:
    """Return what a docstring says of each attribute or parameter."""
    found = griffe.Docstring(inspect.cleandoc(text or "")).parse("google", warnings=False)
    return {
        str(item.name): " ".join(item.description.replace("``", "`").split())
        for part in found
        if part.kind.value == section
        for item in part.value
    }

"""Look up names of oxmq by importing it: attributes, parameters, choices and events.

A name is written as it would be used, from the package on:

    Queue.add               an attribute of a class, or what its instances are given when they are built
    Worker(concurrency)     a parameter of a class or a function, keyword arguments of a `TypedDict` included
    Worker.on("active")     a value that some parameter may take, as its `Literal` says
    event completed         an event that some script writes to the stream of a queue, as the scripts' heads say
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, Unpack, cast, get_args, get_origin, get_type_hints, is_typeddict

import oxmq
from oxmq.scripts import SCRIPTS

_NAME = re.compile(r"""(?P<path>\w+(?:\.\w+)*)(?:\((?:"(?P<value>[^"]+)"|(?P<parameter>\w+))\))?""")
_EVENT = "event "


class UnknownNameError(Exception):
    """Say which name of oxmq does not exist."""


def look_up(name: str) -> str:
    """Return `name` as a reader wants to see it.

    Raises:
        UnknownNameError: there is no such name.
    """
    if name.startswith(_EVENT):
        event = name.removeprefix(_EVENT)
        _expect(event in _stream_events(), name)
        return f'"{event}"'
    match = _NAME.fullmatch(name)
    if match is None:
        raise UnknownNameError(f"{name} (not written as a name)")
    found = _find(match["path"], name)
    if match["value"]:
        _expect(match["value"] in _choices(found), name)
    elif match["parameter"]:
        _expect(match["parameter"] in _parameters(found), name)
        return f"{match['path']}({match['parameter']}=)"
    elif inspect.isroutine(found) and not inspect.isdatadescriptor(found):
        return f"{name}()"
    return name


def _expect(fact: bool, name: str) -> None:
    if not fact:
        raise UnknownNameError(name)


def _find(path: str, name: str) -> object:
    found: object = oxmq
    for part in path.split("."):
        if hasattr(found, part):
            found = getattr(found, part)
        elif inspect.isclass(found) and part in _given_when_built(found):
            return None
        else:
            raise UnknownNameError(name)
    return found


def _given_when_built(kind: type[Any]) -> set[str]:
    if not inspect.isfunction(kind.__init__):
        return set()
    instructions = dis.get_instructions(kind.__init__)
    return {instruction.argval for instruction in instructions if instruction.opname == "STORE_ATTR"}


def _parameters(found: object) -> set[str]:
    signature = inspect.signature(cast("Callable[..., Any]", found))
    names = {name for name, given in signature.parameters.items() if given.kind is not given.VAR_KEYWORD}
    return names.union(*(hint.__annotations__ for hint in _hints(found) if is_typeddict(hint)))


def _choices(found: object) -> set[str]:
    return {value for hint in _hints(found) if get_origin(hint) is Literal for value in get_args(hint)}


def _hints(found: object) -> Iterator[Any]:
    function = cast("Callable[..., Any]", found.__init__ if inspect.isclass(found) else found)
    known: dict[str, Any] | None = getattr(function, "__globals__", None)
    for name, written in inspect.get_annotations(function).items():
        alone = SimpleNamespace(__annotations__={name: written})
        with suppress(NameError):  # a type that its module imports for the checkers alone
            hint = get_type_hints(alone, known)[name]
            yield get_args(hint)[0] if get_origin(hint) is Unpack else hint


@cache
def _stream_events() -> frozenset[str]:
    lines = [line for script in SCRIPTS.values() for line in script.header.entries["EVENTS"]]
    return frozenset(part.split()[0] for line in lines for part in line.split(",") if part.strip())

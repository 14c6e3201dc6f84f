"""Hold the objects of the fake cluster, their versions and their history, as an API server does."""

from __future__ import annotations

import re
import uuid
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

#: An object of Kubernetes. Any, because its depth is that of the API's own types.
Object = dict[str, Any]
Filter = Callable[[Object], bool]

_REQUIREMENT: Final = re.compile(
    r"\s*(?:!(?P<lacks>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)(?:\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)|\s*(?P<sign>==|=|!=)\s*(?P<value>[^\s,=!()]*))?)\s*(?:,|$)"
)


class Refusal(Exception):
    """Say how a request is refused.

    Attributes:
        code: the HTTP status; 0 for a connection that is cut.
        retry_after: a header in seconds.
    """

    def __init__(self, code: int, reason: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def status(self) -> Object:
        """Return the object that says so."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


class Event(Struct, frozen=True):
    """Hold what happened to an object."""

    version: int
    resource: str
    kind: str
    object: Object


class Store:
    """All objects, by resource (such as ``jobs``), namespace and name; every change gets the next version."""

    def __init__(self) -> None:
        self.version = 1
        #: Versions before it are no longer known.
        self.oldest = 0
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._history: list[Event] = []
        self._listeners: set[Callable[[], None]] = set()

    def add(self, resource: str, item: Object) -> Object:
        """Keep a new object; it gets an uid, a time and a version."""
        kept = copy_of(item)
        kept["metadata"] = {"uid": str(uuid.uuid4()), **kept["metadata"], "creationTimestamp": now()}
        return self._change("ADDED", resource, kept)

    def put(self, resource: str, item: Object) -> Object:
        """Keep another state of an object."""
        return self._change("MODIFIED", resource, copy_of(item))

    def remove(self, resource: str, item: Object) -> None:
        """Delete an object."""
        self._change("DELETED", resource, copy_of(item))
        del self._objects[resource][_key(item)]

    def find(self, resource: str, namespace: str, name: str) -> Object | None:
        """Return a copy of an object."""
        found = self._objects.get(resource, {}).get((namespace, name))
        return None if found is None else copy_of(found)

    def listed(self, resource: str, namespace: str | None = None, which: Filter = lambda _: True) -> list[Object]:
        """Return copies of those objects that `which` lets through, those that were kept first first.

        Args:
            resource: of what kind.
            namespace: in which namespace; in all when not given.
            which: sees the objects themselves, which it must leave alone.
        """
        found = self._objects.get(resource, {}).items()
        return [copy_of(item) for (where, _), item in found if namespace in (None, where) and which(item)]

    def after(self, version: int, resource: str, namespace: str) -> list[Event]:
        """Return what has happened since a version.

        Raises:
            Refusal: 410, that is forgotten.
        """
        if version < self.oldest:
            raise Refusal(410, "Expired", f"too old resource version: {version} ({self.oldest})")
        first = bisect_right(self._history, version, key=lambda event: event.version)
        return [
            event
            for event in self._history[first:]
            if event.resource == resource and _key(event.object)[0] == namespace
        ]

    def compact(self) -> None:
        """Forget all history, and the present version's with it."""
        self.version += 1
        self.oldest = self.version
        self._history.clear()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called at every change; returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _change(self, kind: str, resource: str, item: Object) -> Object:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self._objects.setdefault(resource, {})[_key(item)] = item
        self._history.append(Event(self.version, resource, kind, copy_of(item)))
        for listener in list(self._listeners):
            listener()
        return copy_of(item)


def read_selector(text: str) -> Filter:
    """Return what a label selector matches.

    Raises:
        Refusal: 400, it is none.
    """
    tests: list[Callable[[Mapping[str, str]], bool]] = []
    at = 0
    while at < len(text):
        found = _REQUIREMENT.match(text, at)
        if found is None or found.end() == at:
            raise Refusal(400, "BadRequest", f"unable to parse requirement: {text!r}")
        tests.append(_requirement(found))
        at = found.end()
    return lambda item: all(test(item["metadata"].get("labels") or {}) for test in tests)


def _requirement(found: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    key, lacks = found["key"], found["lacks"]
    if lacks:
        return lambda labels: lacks not in labels
    if found["set"]:
        values = {value.strip() for value in found["values"].split(",")}
        wanted = found["set"] == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if found["sign"]:
        value, equal = found["value"], found["sign"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    return lambda labels: key in labels


def copy_of(item: Object) -> Object:
    """Return a copy of an object, of all depths; faster than `copy.deepcopy`, for objects are JSON."""
    return cast("Object", msgspec.json.decode(msgspec.json.encode(item)))


def now() -> str:
    """Return the time as objects hold it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(target: object, patch: object) -> object:
    """Return what a JSON merge patch (RFC 7396) makes of a value."""
    if not isinstance(patch, dict):
        return patch
    merged: Object = dict(cast("Object", target)) if isinstance(target, dict) else {}
    for key, value in cast("Object", patch).items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _key(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

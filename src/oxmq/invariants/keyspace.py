"""Hold a dump of one queue's keys, sorted into jobs, parts of jobs, schedulers and what belongs to none.

A dump is a plain mapping from key to value; who makes it, and how, is not this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec import Struct, field

V = TypeVar("V")


class Text(Struct, frozen=True):
    """Hold a string, and the milliseconds after which it expires; None for never."""

    value: str
    ttl_ms: int | None = None


class Items(Struct, frozen=True):
    """Hold a list from head to tail. The rows of a log may be left empty: only their number counts."""

    items: tuple[str, ...] = ()


class Members(Struct, frozen=True):
    """Hold a set."""

    members: frozenset[str] = frozenset()


class Scores(Struct, frozen=True):
    """Hold a sorted set as member to score."""

    scores: dict[str, float] = field(default_factory=dict[str, float])


class Fields(Struct, frozen=True):
    """Hold a hash. Values of fields that are not among `NEEDED_FIELDS` may be left empty."""

    fields: dict[str, str] = field(default_factory=dict[str, str])


class Stream(Struct, frozen=True):
    """Hold how many entries a stream has."""

    length: int


Value = Text | Items | Members | Scores | Fields | Stream
Dump = Mapping[str, Value]

#: Fields of hashes whose value some rule reads; of all others it is enough to know that they are there.
NEEDED_FIELDS: Final = (
    "opts", "delay", "priority", "atm", "ats", "stc", "parentKey", "rjk",  # of a job
    "limit", "endDate", "ic", "paused",  # of a scheduler, the last of the queue's meta too
    "opts.maxLenEvents", "concurrency",  # of the queue's meta
    "count",  # of metrics
)  # fmt: skip

#: The state sets: a job's state is which of them holds its id.
PLACES: Final = ("wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed")
PENDING: Final = ("wait", "paused", "delayed", "prioritized")

#: The queue's own keys, and of what type each is.
OWN_KEYS: Final[dict[str, type[Value]]] = {
    "meta": Fields, "id": Text, "wait": Items, "paused": Items, "active": Items, "prioritized": Scores, "pc": Text,
    "delayed": Scores, "waiting-children": Scores, "completed": Scores, "failed": Scores, "stalled": Members,
    "stalled-check": Text, "limiter": Text, "marker": Scores, "events": Stream, "repeat": Scores,
    "metrics:completed": Fields, "metrics:failed": Fields,
    "metrics:completed:data": Items, "metrics:failed:data": Items,
    "oxmq:workers": Fields, "oxmq:history": Stream, "oxmq:relayed": Scores, "oxmq:counts": Fields,
}  # fmt: skip
PARTS: Final[dict[str, type[Value]]] = {
    "lock": Text, "logs": Items, "dependencies": Members, "processed": Fields, "failed": Fields, "unsuccessful": Scores,
}  # fmt: skip
WORDS: Final[dict[type[Value], str]] = {
    Text: "string", Items: "list", Members: "set", Scores: "sorted set", Fields: "hash", Stream: "stream",
}  # fmt: skip
CHILD_SETS: Final = ("dependencies", "processed", "failed", "unsuccessful")


class Keyspace:
    """Sort a dump into jobs, parts of jobs, schedulers and what belongs to none."""

    def __init__(self, dump: Dump, base: str) -> None:
        self.dump = dump
        self.base = base
        self.jobs: dict[str, dict[str, str]] = {}
        self.parts: dict[str, dict[str, Value]] = {}
        self.records: dict[str, dict[str, str]] = {}
        self.strange: list[tuple[str, str]] = []
        for key, value in dump.items():
            self._sort(key, value)
        self.places = self._find_places()

    def key(self, name: str) -> str:
        return self.base + name

    def items(self, name: str) -> tuple[str, ...]:
        return expect(self.dump.get(self.key(name)), Items()).items

    def scores(self, name: str) -> dict[str, float]:
        return expect(self.dump.get(self.key(name)), Scores()).scores

    def fields(self, name: str) -> dict[str, str]:
        return expect(self.dump.get(self.key(name)), Fields()).fields

    def ids(self, place: str) -> tuple[str, ...]:
        """Return the ids in a state set, without the markers that an older peer leaves in lists."""
        ids = self.items(place) or tuple(self.scores(place))
        return tuple(job_id for job_id in ids if job_id != "0" and not job_id.startswith("0:"))

    def is_in(self, job_id: str, *places: str) -> bool:
        return any(place in places for place in self.places.get(job_id, ()))

    def children(self, job_id: str, part: str) -> frozenset[str]:
        """Return the keys of the children that stand in one of a parent's four records of them."""
        value = self.parts.get(job_id, {}).get(part)
        if isinstance(value, Members):
            return value.members
        return frozenset(expect(value, Fields()).fields) | frozenset(expect(value, Scores()).scores)

    def _find_places(self) -> dict[str, list[str]]:
        places: dict[str, list[str]] = {}
        for place in PLACES:
            for job_id in self.ids(place):
                places.setdefault(job_id, []).append(place)
        return places

    def _sort(self, key: str, value: Value) -> None:
        name = key.removeprefix(self.base)
        job_id, _, part = name.rpartition(":")
        if not key.startswith(self.base) or not name:
            self.strange.append((key, "it is not a key of this queue"))
        elif name in OWN_KEYS:
            self._check_type(key, value, OWN_KEYS[name])
        elif isinstance(value, Fields) and "timestamp" in value.fields:
            self.jobs[name] = value.fields
        elif name.startswith(("de:", "dn:")):
            self._check_type(key, value, Text if name.startswith("de:") else Fields)
        elif job_id and part in PARTS:
            self._check_type(key, value, PARTS[part])
            self.parts.setdefault(job_id, {})[part] = value
        elif isinstance(value, Fields) and name.startswith("repeat:"):
            self.records[name.removeprefix("repeat:")] = value.fields
        elif isinstance(value, Fields):
            self.jobs[name] = value.fields
        else:
            self.strange.append((key, f"nothing in a queue is a {WORDS[type(value)]} of this name"))

    def _check_type(self, key: str, value: Value, expected: type[Value]) -> None:
        if not isinstance(value, expected):
            self.strange.append((key, f"it is a {WORDS[type(value)]} where a {WORDS[expected]} belongs"))


def expect(value: object, empty: V) -> V:
    """Return the value if it is of the type of `empty`, else `empty`: a key of another type is what K15 reports."""
    return value if isinstance(value, type(empty)) else empty

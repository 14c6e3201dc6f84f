"""Read the keyspace of a server in one call, and say how it would look if the model were right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from oxmq.invariants import Fields, Items, Members, Scores, Text, Value
from tests.model.queue import Expiring, Job, Queue, World

Keyspace = dict[str, Any]
"""By key: text -> str, list -> list from its head, set -> set, sorted set -> dict of float, hash -> dict of str."""

#: How far a time to live may be from the model's: the server's clock runs while the model's stands still.
TTL_SLACK_MS: Final = 5_000

#: Reads every key with its time to live; the events are read once: the stream is deleted.
_READ: Final = """
local READERS = {
  string = function(key) return redis.call("GET", key) end,
  list = function(key) return redis.call("LRANGE", key, 0, -1) end,
  set = function(key) return redis.call("SMEMBERS", key) end,
  zset = function(key) return redis.call("ZRANGE", key, 0, -1, "WITHSCORES") end,
  hash = function(key) return redis.call("HGETALL", key) end,
  stream = function(key)
    local entries = redis.call("XRANGE", key, "-", "+")
    redis.call("DEL", key)
    return entries
  end,
}
local found = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local ttl, kind = redis.call("PTTL", key), redis.call("TYPE", key).ok
  found[#found + 1] = { key, kind, READERS[kind](key), ttl }
end
return found
"""


class Snapshot:
    """Hold what a server had at one moment: its keys, their times to live, and the events since the last look."""

    def __init__(self, client: Any) -> None:
        self.keys: Keyspace = {}
        self.left_ms: dict[str, int] = {}
        self.events: dict[str, list[str]] = {}
        self.kinds: dict[str, str] = {}
        for key, kind, value, ttl in client.eval(_READ, 0):
            if kind == "stream":
                self.events[key.removesuffix("events")] = [_event(fields) for _, fields in value]
            else:
                self.keys[key], self.kinds[key] = _SHAPES[kind](value), kind
            if ttl >= 0:
                self.left_ms[key] = ttl
        for key in [key for key in self.keys if key.endswith(":meta")]:
            # How long the stream may grow is written down when it is first needed.
            self.keys[key].pop("opts.maxLenEvents", None)
        for fields in [self.keys[key] for key, kind in self.kinds.items() if kind == "hash"]:
            # In what order the options of a scheduler's job are written is nobody's business.
            if "rjk" in fields:
                fields["opts"] = json.dumps(json.loads(fields["opts"]), sort_keys=True)
        # A counter that has been taken back is as good as none.
        self.keys = {
            key: value for key, value in self.keys.items() if value and not (key.endswith(":id") and value == "0")
        }

    def dump(self, base: str) -> dict[str, Value]:
        """Return the keys of one queue as those see them who look for contradictions."""
        keys = [key for key in self.keys if key.startswith(base)]
        return {key: _VALUES[self.kinds[key]](self.keys[key], self.left_ms.get(key)) for key in keys}


_VALUES: Final[dict[str, Callable[[Any, int | None], Value]]] = {
    "string": Text,
    "list": lambda value, _: Items(tuple(value)),
    "set": lambda value, _: Members(frozenset(value)),
    "zset": lambda value, _: Scores(value),
    "hash": lambda value, _: Fields(value),
}


def _pairs(flat: list[str]) -> Iterator[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _event(flat: list[str]) -> str:
    fields = dict(_pairs(flat))
    return " ".join([fields.pop("event"), *(f"{name}={value}" for name, value in sorted(fields.items()))])


_SHAPES: Final[dict[str, Callable[[Any], object]]] = {
    "string": lambda value: value,
    "list": lambda value: value,
    "set": set,
    "zset": lambda flat: {member: float(score) for member, score in _pairs(flat)},
    "hash": lambda flat: dict(_pairs(flat)),
}


# ---- the model as keys -------------------------------------------------------------------------------------------


def expected(world: World) -> tuple[Keyspace, dict[str, int]]:
    """Return the keys that the model stands for, and the times to live of those that expire."""
    keys: Keyspace = {}
    left_ms: dict[str, int] = {}
    for queue in world.queues.values():
        for key, value in _of_queue(queue):
            if isinstance(value, Expiring):
                keys[key] = str(value.value)
                if value.left_ms is not None:
                    left_ms[key] = value.left_ms
            elif value:
                keys[key] = value
    return keys, left_ms


def _of_queue(queue: Queue) -> Iterator[tuple[str, Any]]:
    base = queue.base
    yield base + "wait", queue.wait[::-1]
    yield base + "active", queue.active[::-1]
    scored: dict[str, dict[str, Any]] = {**queue.sets(), "marker": queue.marker, "repeat": queue.schedule}
    for name, scores in scored.items():
        yield base + name, {member: float(score) for member, score in scores.items()}
    yield base + "stalled", queue.stalled
    yield base + "stalled-check", queue.stalled_check
    yield base + "limiter", queue.limiter
    yield base + "id", str(queue.counter) if queue.counter else ""
    yield base + "pc", str(queue.arrivals) if queue.arrivals else ""
    for name, metrics in queue.metrics.items():
        if metrics.noted_at is not None:
            noted = {"count": metrics.count, "prevTS": metrics.noted_at, "prevCount": metrics.noted_count}
            yield f"{base}metrics:{name}", {field: str(value) for field, value in noted.items()}
            yield f"{base}metrics:{name}:data", [str(point) for point in metrics.points]
    yield base + "meta", {name: str(value) for name, value in queue.meta.items()}
    for name, owner in queue.owners.items():
        yield f"{base}de:{name}", owner
    for name, parked in queue.parked.items():
        yield f"{base}dn:{name}", parked
    for name, record in queue.records.items():
        yield f"{base}repeat:{name}", record
    for job_id, job in queue.jobs.items():
        yield from _of_job(base + job_id, job)


def _of_job(key: str, job: Job) -> Iterator[tuple[str, Any]]:
    yield key, job.fields
    yield f"{key}:lock", job.lock
    yield f"{key}:logs", job.logs
    yield f"{key}:dependencies", job.dependencies
    yield f"{key}:processed", job.processed
    yield f"{key}:failed", job.failed
    yield f"{key}:unsuccessful", {child: float(score) for child, score in job.unsuccessful.items()}


# ---- comparing ---------------------------------------------------------------------------------------------------


def differences(world: World, found: Snapshot) -> list[str]:
    """Return one line for each key of which model and server do not say the same."""
    keys, left_ms = expected(world)
    lines = [
        f"{key}: the model says {keys.get(key)!r}, Redis {found.keys.get(key)!r}"
        for key in sorted(keys.keys() | found.keys.keys())
        if keys.get(key) != found.keys.get(key)
    ]
    for key in sorted(left_ms.keys() | found.left_ms.keys()):
        one, other = left_ms.get(key), found.left_ms.get(key)
        if one is None or other is None or abs(one - other) > TTL_SLACK_MS:
            lines.append(f"{key} expires: the model says in {one} ms, Redis in {other} ms")
    return lines

"""A queue on a real server, with everything that the tests of the scripts do to it and look at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec import structs

from oxmq.clock import ManualClock
from oxmq.keys import QueueKeys
from oxmq.ops import flows, jobs, lifecycle
from oxmq.ops.call import Call
from oxmq.ops.drafts import JobDrafter
from oxmq.ops.flows import FlowJob
from oxmq.ops.jobs import NewJob
from oxmq.ops.lifecycle import Finished, Outcome, TakeTerms
from oxmq.options import Parent
from oxmq.records import Taken
from oxmq.transport.connect import Endpoint
from oxmq.transport.sync_runner import SyncRunner
from tests.support.servers import RedisServer

T = TypeVar("T")

#: When the tests take place.
NOW = 1_700_000_000_000
#: A score's room for one millisecond.
STEP = 4_096
#: A score's room for one priority.
PRIORITY = 2**32

#: Everything that can hold a job's id.
CONTAINERS = ("wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed")

Keyspace = dict[str, object]
Options = dict[str, Any]


class Bench:
    """Stand for one queue, on a server of the tests' own.

    Attributes:
        client: a plain client, answering with text.
        keys: the queue's keys.
    """

    def __init__(self, server: RedisServer, name: str = "q", prefix: str = "bull") -> None:
        self.client: Any = server.client()
        self.client.flushall()
        self.keys = QueueKeys(name, prefix)
        self._runner = SyncRunner(Endpoint(server.url))

    def close(self) -> None:
        self._runner.close()
        self.client.close()

    def run(self, call: Call[T]) -> T:
        """Execute a call as the client does."""
        return self._runner.run(call)

    def add(self, *ids: str, **fields: Any) -> None:
        """Add jobs with these ids and fields of `NewJob`."""
        made: dict[str, Any] = {"name": "job", "data": b"{}", "opts": b"{}", "timestamp": NOW} | fields
        self.run(jobs.add_bulk(self.keys, [NewJob(job_id, **made) for job_id in ids]))

    def add_drafted(self, *drafted: NewJob) -> list[str | int]:
        """Add jobs and return for each its id, or the code with which it was refused."""
        call: Call[Any] = jobs.add_bulk(self.keys, drafted)
        answers: list[bytes | int] = self.run(structs.replace(call, decode=list))
        return [answer if isinstance(answer, int) else answer.decode() for answer in answers]

    def add_tree(self, root: FlowJob, now: int = NOW) -> list[str]:
        """Add a flow and return the ids of its jobs, each parent before its children."""
        return self.run(flows.add_flow(draft_tree(root, now)))

    def take(self, count: int = 1, token: str = "t", now: int = NOW, terms: TakeTerms | None = None) -> Taken:
        """Take jobs."""
        return self.run(lifecycle.take(self.keys, now, count, token, terms or TakeTerms()))

    def taken_ids(self, count: int = 1, token: str = "t", now: int = NOW, terms: TakeTerms | None = None) -> list[str]:
        """Take jobs and return their ids."""
        return [record.id for record in self.take(count, token, now, terms).jobs]

    def start(self, *ids: str, token: str = "t", **fields: Any) -> None:
        """Add jobs and take them, leaving no trace of it in the event stream."""
        self.add(*ids, **fields)
        assert self.taken_ids(len(ids), token) == list(ids)
        self.client.delete(self.of("events"))

    def finish(
        self, *outcomes: Outcome, now: int = NOW, count: int = 0, token: str = "next", terms: TakeTerms | None = None
    ) -> Finished:
        """End runs."""
        return self.run(lifecycle.finish(self.keys, now, outcomes, count, token, terms or TakeTerms()))

    def codes(self, *outcomes: Outcome, now: int = NOW) -> list[int]:
        """End runs and return the code of each: 0 for done."""
        return [0 if refusal is None else refusal.code or 0 for refusal in self.finish(*outcomes, now=now).refusals]

    def complete(self, job_id: str, token: str = "t", value: bytes = b"1", **fields: Any) -> Outcome:
        """Return the outcome of a success."""
        return Outcome(job_id, token, "completed", value, **fields)

    def fail(self, job_id: str, token: str = "t", reason: str = "no", **fields: Any) -> Outcome:
        """Return the outcome of a failure."""
        return Outcome(job_id, token, "failed", reason, b'["trace"]', **fields)

    def outcome(self, job_id: str, kind: str, token: str = "t", **fields: Any) -> Outcome:
        """Return an outcome that ends no job."""
        return Outcome(job_id, token, kind, **fields)

    def of(self, part: str) -> str:
        """Return one of the queue's keys."""
        return self.keys.of(part)

    def in_line(self, name: str) -> list[str]:
        """Return the ids of a list, the next to run first."""
        return list(reversed(self.client.lrange(self.of(name), 0, -1)))

    def scores(self, name: str) -> dict[str, float]:
        """Return a sorted set's members with their scores, ascending."""
        return dict(self.client.zrange(self.of(name), 0, -1, withscores=True))

    def hash(self, job_id: str) -> dict[str, str]:
        """Return a job's hash."""
        found: dict[str, str] = self.client.hgetall(self.keys.job(job_id))
        return found

    def marker(self) -> dict[str, float]:
        """Return the wake-up markers."""
        return self.scores("marker")

    def clear_marker(self) -> None:
        self.client.delete(self.of("marker"))

    def events(self, base: str | None = None) -> list[str]:
        """Return the queue's events as ``name field=value ...``, oldest first."""
        stream = self.client.xrange((base or self.keys.base) + "events")
        return [spell(fields) for _, fields in stream]

    def forget_events(self) -> None:
        self.client.delete(self.of("events"))

    def dump(self, *without: str) -> Keyspace:
        """Return the whole keyspace, but the queue's keys named in `without`."""
        left_out = {self.of(name) for name in without}
        return {key: self._value(key) for key in sorted(self.client.keys("*")) if key not in left_out}

    def _value(self, key: str) -> object:
        match self.client.type(key):
            case "string":
                return self.client.get(key)
            case "hash":
                return self.client.hgetall(key)
            case "list":
                return self.client.lrange(key, 0, -1)
            case "set":
                return sorted(self.client.smembers(key))
            case "zset":
                return self.client.zrange(key, 0, -1, withscores=True)
            case _:
                return self.client.xrange(key)


def flags(*names: str) -> Options:
    """Return keyword arguments that are all True; an empty name stands for none."""
    return {name: True for name in names if name}


def draft(job_id: str = "", now: int = NOW, **options: Any) -> NewJob:
    """Return a job as the client makes it of its options; without an id, one that the counter numbers."""
    given = {"job_id": job_id, **options} if job_id else options
    return JobDrafter(ManualClock(now), None, "counter").draft("job", {}, given)


def tree(job_id: str, *children: FlowJob, queue: str = "q", **options: Any) -> FlowJob:
    """Describe a job of a flow."""
    return FlowJob("job", queue, options={"job_id": job_id, **options}, children=children)


def draft_tree(root: FlowJob, now: int = NOW) -> list[flows.Drafted[FlowJob]]:
    """Return the jobs of a flow as the client makes them."""
    drafter = JobDrafter(ManualClock(now), None, "uuid")

    def draft_node(node: FlowJob, parent: Parent | None, has_children: bool) -> tuple[QueueKeys, NewJob]:
        drafted = drafter.draft(node.name, {}, node.options, parent=parent, has_children=has_children)
        return QueueKeys(node.queue_name), drafted

    return flows.draft_flow(root, flows.children_of, draft_node)


def spell(fields: dict[str, str]) -> str:
    """Return one event as ``name field=value ...``."""
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if name != "event")
    return f"{fields['event']} {rest}".rstrip()


def make_flow(bench: Bench, parent: str, children: Sequence[str], *, parent_base: str = "", **policy: bool) -> str:
    """Write a waiting parent and its waiting children as the wire format has them; return the parent's key."""
    base = parent_base or bench.keys.base
    parent_key = base + parent
    bench.client.hset(parent_key, mapping=plain_hash())
    bench.client.zadd(f"{base}waiting-children", {parent: NOW})
    adopt(bench, parent_key, children, **policy)
    return parent_key


def adopt(bench: Bench, parent_key: str, children: Iterable[str], **policy: bool) -> None:
    """Write children of a parent and have them waiting."""
    qualified, parent_id = parent_key.rsplit(":", 1)
    relation = json.dumps({"id": parent_id, "queueKey": qualified, **policy})
    for child in children:
        key = bench.keys.job(child)
        bench.client.hset(key, mapping={**plain_hash(), "parentKey": parent_key, "parent": relation})
        bench.client.sadd(f"{parent_key}:dependencies", key)
        bench.client.lpush(bench.of("wait"), child)


def plain_hash(**fields: Any) -> dict[str, Any]:
    """Return the fields that every job has."""
    return {"name": "job", "data": "{}", "opts": "{}", "timestamp": NOW, "delay": 0, "priority": 0, **fields}


def fill(bench: Bench) -> None:
    """Put one job into the first container, two into the second, and so on."""
    for count, container in enumerate(CONTAINERS, start=1):
        ids = [f"{container}-{number}" for number in range(count)]
        if container in ("wait", "paused", "active"):
            bench.client.lpush(bench.of(container), *ids)
        else:
            bench.client.zadd(bench.of(container), {job_id: at for at, job_id in enumerate(ids)})

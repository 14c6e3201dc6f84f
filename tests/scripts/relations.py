"""Parents and children, laid out as the tests of their scripts need them."""

from __future__ import annotations

from typing import Any

from oxmq.ops.jobs import NewJob
from oxmq.options import Parent
from tests.scripts.bench import NOW, STEP, Bench, Options, draft, plain_hash

#: When what the tests do to a family takes place.
LATER = NOW + 100
#: What a parent's queue says when the parent need not wait any more.
RELEASED = "waiting jobId=p prev=waiting-children"
#: The queues that a parent can be in: the children's own, and another.
BASES = ("bull:q:", "bull:other:")

#: The options of a failure policy, and how a child's record of its parent spells it.
POLICIES: list[tuple[Options, Options]] = [
    ({}, {"fpof": True}),
    ({"fail_parent_on_failure": True}, {"fpof": True}),
    ({"fail_parent_on_failure": False}, {}),
    ({"continue_parent_on_failure": True}, {"cpof": True}),
    ({"ignore_dependency_on_failure": True}, {"idof": True}),
    ({"remove_dependency_on_failure": True}, {"rdof": True}),
]


def child(job_id: str = "a", base: str = "bull:q:", parent: str = "p", now: int = LATER, **options: Any) -> NewJob:
    """Return a child as the client makes it."""
    return draft(job_id, now, parent=Parent(parent, base[:-1]), **options)


def lay_parent(bench: Bench, base: str, where: str = "waiting-children", job_id: str = "p", **fields: Any) -> str:
    """Have a parent without children somewhere; return its key."""
    bench.client.hset(base + job_id, mapping=plain_hash(**fields))
    put(bench, base, where, job_id)
    return base + job_id


def put(bench: Bench, base: str, where: str, job_id: str) -> None:
    """Put an id into a container."""
    if where in ("wait", "paused", "active"):
        bench.client.lpush(base + where, job_id)
    else:
        bench.client.zadd(base + where, {job_id: NOW * STEP if where == "delayed" else NOW})


def lay_child(bench: Bench, where: str, job_id: str = "a") -> None:
    """Have a job without a parent somewhere, and no events."""
    fields: Options = {"delayed": {"delay": 5_000}, "prioritized": {"priority": 3}}.get(where, {})
    bench.add(job_id, **fields)
    if where in ("active", "completed", "failed"):
        assert bench.taken_ids() == [job_id]
    if where == "completed":
        bench.finish(bench.complete(job_id, value=b'"A"'))
    elif where == "failed":
        bench.finish(bench.fail(job_id, reason="broken"))
    bench.clear_marker()
    bench.forget_events()


def line(bench: Bench, base: str, name: str = "wait") -> list[str]:
    """Return the ids of a list of any queue, the next to run first."""
    return list(reversed(bench.client.lrange(base + name, 0, -1)))

"""Every public operation, what it is done to, and how one sees that it was done."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from oxmq import FlowJob, FlowProducer, Job, JobFailedError, Queue, RateLimit, Worker, every
from tests.faults.keyspace import Keyspace

TOKEN = "token of the test"

Begin = Literal["waiting", "delayed", "failed", "active", "parent", "child", "failed child", "busy parent"]


@dataclass(frozen=True)
class Case:
    """Hold what an operation is done to: a queue at `url` through the faulty network, and a job in it."""

    url: str
    queue: Queue
    job: Job[Any]


@dataclass(frozen=True)
class Operation:
    """Hold a public operation.

    Attributes:
        begin: how its job is prepared. A ``parent`` waits for a child that has not begun, as does the parent of a
            ``child``; a ``busy parent`` runs, and has such a child.
        act: does it.
        effect: what must differ once it was done; None for one that only reads.
        repeats: whether a lost answer is made good without the caller's knowledge.
    """

    name: str
    act: Callable[[Case], Awaitable[object]]
    effect: Callable[[Any, str, str], object] | None = None
    begin: Begin = "waiting"
    repeats: bool = True
    ids: Literal["uuid", "counter"] = "uuid"


def state(client: Any, base: str, job_id: str) -> object:
    return Keyspace(client, "", base.split(":")[1]).state_of(job_id)


def field(name: str) -> Callable[[Any, str, str], object]:
    return lambda client, base, job_id: client.hget(base + job_id, name)


def meta(name: str) -> Callable[[Any, str, str], object]:
    return lambda client, base, _id: client.hget(base + "meta", name)


def waiting(client: Any, base: str, _id: str) -> object:
    return client.llen(base + "wait")


def logs(client: Any, base: str, job_id: str) -> object:
    return client.llen(f"{base}{job_id}:logs")


def waiting_children(client: Any, base: str, _id: str) -> object:
    return client.zcard(base + "waiting-children")


def events(client: Any, base: str, _id: str) -> object:
    return client.xlen(base + "events")


def scheduled(client: Any, base: str, _id: str) -> object:
    return client.zcard(base + "repeat"), client.zcard(base + "delayed") + client.llen(base + "wait")


async def add_flow(case: Case) -> None:
    async with FlowProducer(case.url) as producer:
        children = [FlowJob("child", case.queue.name, {"key": f"c{number}"}) for number in range(3)]
        await producer.add(FlowJob("parent", case.queue.name, {"key": "p"}, children=children))


async def get_flow(case: Case) -> None:
    async with FlowProducer(case.url) as producer:
        await producer.get_flow(case.job.id, case.queue.name)


async def take(case: Case) -> object:
    async with Worker(case.queue.name, str, connection=case.url) as worker:
        return await worker.get_next_job(TOKEN)


async def extend(case: Case) -> None:
    await case.job.extend_lock(TOKEN, 600)


async def wait_for_result(case: Case) -> None:
    with contextlib.suppress(JobFailedError):
        await case.job.result(5)


OPERATIONS = (
    Operation("add", lambda case: case.queue.add("new"), waiting),
    Operation("add with a counted id", lambda case: case.queue.add("new"), waiting, repeats=False, ids="counter"),
    Operation("add_bulk", lambda case: case.queue.add_bulk([("new", {}), ("new", {})]), waiting),
    Operation("get_job", lambda case: case.queue.get_job(case.job.id)),
    Operation("get_job_state", lambda case: case.queue.get_job_state(case.job.id)),
    Operation("get_job_counts", lambda case: case.queue.get_job_counts()),
    Operation("get_jobs", lambda case: case.queue.get_jobs()),
    Operation("get_job_logs", lambda case: case.queue.get_job_logs(case.job.id)),
    Operation("pause", lambda case: case.queue.pause(), meta("paused")),
    Operation("resume", lambda case: case.queue.resume()),
    Operation("is_paused", lambda case: case.queue.is_paused()),
    Operation("remove", lambda case: case.queue.remove(case.job.id), state),
    Operation("set_global_concurrency", lambda case: case.queue.set_global_concurrency(3), meta("concurrency")),
    Operation("get_global_concurrency", lambda case: case.queue.get_global_concurrency()),
    Operation(
        "set_global_rate_limit",
        lambda case: case.queue.set_global_rate_limit(RateLimit(max=5, duration=1)),
        meta("max"),
    ),
    Operation(
        "rate_limit", lambda case: case.queue.rate_limit(60), lambda client, base, _: client.get(base + "limiter")
    ),
    Operation("refresh", lambda case: case.job.refresh()),
    Operation("get_state", lambda case: case.job.get_state()),
    Operation("update_data", lambda case: case.job.update_data({"new": 1}), field("data")),
    Operation("update_progress", lambda case: case.job.update_progress(50), field("progress")),
    Operation("log", lambda case: case.job.log("a line"), logs, repeats=False),
    Operation("get_logs", lambda case: case.job.get_logs()),
    Operation("clear_logs", lambda case: case.job.clear_logs()),
    Operation("promote", lambda case: case.job.promote(), state, begin="delayed", repeats=False),
    Operation("retry", lambda case: case.job.retry(), state, begin="failed", repeats=False),
    Operation("job.remove", lambda case: case.job.remove(), state),
    Operation(
        "extend_lock", extend, lambda client, base, id_: client.pttl(f"{base}{id_}:lock") > 60_000, begin="active"
    ),
    Operation(
        "move_to_completed", lambda case: case.job.move_to_completed(1, TOKEN), state, begin="active", repeats=False
    ),
    Operation(
        "move_to_failed", lambda case: case.job.move_to_failed("no", TOKEN), state, begin="active", repeats=False
    ),
    Operation("move_to_wait", lambda case: case.job.move_to_wait(TOKEN), state, begin="active", repeats=False),
    Operation(
        "move_to_delayed",
        lambda case: case.job.move_to_delayed(datetime.now(UTC) + timedelta(hours=1), TOKEN),
        state,
        begin="active",
        repeats=False,
    ),
    Operation("get_next_job", take, state, repeats=False),
    Operation("result", wait_for_result, begin="failed"),
    # Flows, and what ends a job or its wait.
    Operation("add with a parent", lambda case: case.queue.add("child", parent=case.job), waiting),
    Operation("add deduplicated", lambda case: case.queue.add("new", deduplication="x"), waiting),
    Operation("add_flow", add_flow, waiting_children),
    Operation("get_flow", get_flow, begin="parent"),
    Operation("remove with children", lambda case: case.job.remove(), waiting, begin="parent"),
    Operation("remove without children", lambda case: case.job.remove(remove_children=False), state, begin="parent"),
    Operation("remove a child", lambda case: case.job.remove(), waiting_children, begin="child"),
    Operation("cancel", lambda case: case.job.cancel("no"), state, repeats=False),
    Operation("cancel a child", lambda case: case.job.cancel("no"), waiting_children, begin="child", repeats=False),
    Operation("cancel a parent", lambda case: case.job.cancel("no"), state, begin="parent", repeats=False),
    Operation("cancel a delayed job", lambda case: case.job.cancel("no"), state, begin="delayed", repeats=False),
    Operation("cancel a running job", lambda case: case.job.cancel("no"), field("defa"), begin="active", repeats=False),
    Operation(
        "move_to_waiting_children",
        lambda case: case.job.move_to_waiting_children(TOKEN),
        state,
        begin="busy parent",
        repeats=False,
    ),
    Operation(
        "remove_child_dependency",
        lambda case: case.job.remove_child_dependency(),
        field("parentKey"),
        begin="child",
        repeats=False,
    ),
    Operation(
        "remove_unprocessed_children", lambda case: case.job.remove_unprocessed_children(), waiting, begin="parent"
    ),
    Operation("why", lambda case: case.job.why(), begin="parent"),
    Operation("get_dependencies", lambda case: case.job.get_dependencies(), begin="parent"),
    Operation("get_dependencies_count", lambda case: case.job.get_dependencies_count(), begin="parent"),
    Operation("get_dependencies_page", lambda case: case.job.get_dependencies_page("unprocessed"), begin="parent"),
    Operation("retry a child", lambda case: case.job.retry(), state, begin="failed child", repeats=False),
    # What concerns the queue as a whole.
    Operation("drain", lambda case: case.queue.drain(), waiting),
    Operation("clean", lambda case: case.queue.clean(0, limit=0, state="failed"), state, begin="failed"),
    Operation("clean some", lambda case: case.queue.clean(0, state="failed"), state, begin="failed", repeats=False),
    Operation("obliterate", lambda case: case.queue.obliterate(), state),
    Operation("retry_jobs", lambda case: case.queue.retry_jobs(), state, begin="failed"),
    Operation("promote_jobs", lambda case: case.queue.promote_jobs(), state, begin="delayed"),
    Operation("trim_events", lambda case: case.queue.trim_events(0)),
    Operation("publish_event", lambda case: case.queue.publish_event("ours"), events, repeats=False),
    Operation("remove_rate_limit_key", lambda case: case.queue.remove_rate_limit_key()),
    Operation("get_rate_limit_ttl", lambda case: case.queue.get_rate_limit_ttl()),
    Operation("remove_deduplication_key", lambda case: case.queue.remove_deduplication_key("x")),
    Operation("remove_orphaned_jobs", lambda case: case.queue.remove_orphaned_jobs()),
    Operation("change_delay", lambda case: case.job.change_delay(7200), field("delay"), begin="delayed"),
    Operation("change_priority", lambda case: case.job.change_priority(3), state),
    # Schedules.
    Operation("upsert_job_scheduler", lambda case: case.queue.upsert_job_scheduler("s", every(3600)), scheduled),
    Operation("remove_job_scheduler", lambda case: case.queue.remove_job_scheduler("s")),
    Operation("get_job_schedulers", lambda case: case.queue.get_job_schedulers()),
)


@contextlib.asynccontextmanager
async def prepared(url: str, operation: Operation) -> AsyncGenerator[Case]:
    """Give a new queue with a job in the state that the operation begins with."""
    async with Queue(f"points-{uuid.uuid4().hex[:8]}", connection=url, ids=operation.ids) as queue:
        case = Case(url, queue, await begin(url, queue, operation.begin))
        # The operation begins without a connection.
        await queue.close()
        yield case


async def begin(url: str, queue: Queue, how: Begin) -> Job[Any]:
    """Prepare the job that an operation is done to."""
    if how in ("parent", "child", "failed child"):
        return await begin_flow(url, queue, how)
    job = await queue.add("old", {"key": "old"}, delay=3600 if how == "delayed" else 0)
    if how not in ("waiting", "delayed"):
        await take(Case(url, queue, job))
    if how == "failed":
        await job.move_to_failed("no", TOKEN)
    elif how == "busy parent":
        await queue.add("child", {"key": "child"}, parent=job)
    return job


async def begin_flow(url: str, queue: Queue, how: Begin) -> Job[Any]:
    """Prepare a parent with one child."""
    async with FlowProducer(url) as producer:
        child = FlowJob("child", queue.name, {"key": "child"})
        node = await producer.add(FlowJob("old", queue.name, {"key": "old"}, children=[child]))
    # Only so that both live on the queue's own connection.
    parent, job = [await queue.get_job(node.job.id) for node in (node, *node.children)]
    assert parent is not None
    assert job is not None
    if how == "failed child":
        await take(Case(url, queue, job))
        await job.move_to_failed("no", TOKEN)
    return parent if how == "parent" else job


def effect_of(operation: Operation, client: Any, case: Case) -> object:
    return operation.effect(client, f"bull:{case.queue.name}:", case.job.id) if operation.effect else None

"""Flows of which one side adds, runs or reads a part and the other side the rest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from oxmq import FlowJob, FlowNode, FlowProducer, Queue, Worker
from tests.compat.node_peer import NodeError, NodePeer
from tests.compat.side import behave, until_state, working
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: What a child's failure does to its parent: our option, Node's, and how the parent ends when its only child fails.
POLICIES: dict[str, tuple[str, str, str]] = {
    "fail": ("fail_parent_on_failure", "failParentOnFailure", "failed"),
    "continue": ("continue_parent_on_failure", "continueParentOnFailure", "completed"),
    "ignore": ("ignore_dependency_on_failure", "ignoreDependencyOnFailure", "completed"),
    "remove": ("remove_dependency_on_failure", "removeDependencyOnFailure", "completed"),
}


@pytest_asyncio.fixture(loop_scope="session")
async def other(node: NodePeer, queue: Queue, server: RedisServer) -> AsyncIterator[Queue]:
    """Return another queue, for the other level of a flow."""
    async with Queue(f"{queue.name}-other", connection=server.url) as opened:
        yield opened
        await node.request("forget", queue=opened.name)


@pytest_asyncio.fixture(loop_scope="session")
async def producer(server: RedisServer) -> AsyncIterator[FlowProducer]:
    """Return our side's producer of flows."""
    async with FlowProducer(server.url) as opened:
        yield opened


@contextlib.asynccontextmanager
async def worked(who: str, node: NodePeer, queue: Queue, server: RedisServer) -> AsyncGenerator[None]:
    """Let one side's worker work a queue for the length of a block."""
    if who == "ours":
        async with working(Worker(queue.name, behave, connection=server.url)):
            yield
        return
    await node.start_worker(queue.name)
    yield
    await node.request("closeWorker", queue=queue.name, force=False)


def node_flow(queue: Queue, other: Queue, children: list[dict[str, Any]], **opts: Any) -> dict[str, Any]:
    """Spell a flow as Node does: the parent in one queue, the children in the other."""
    rows: list[dict[str, Any]] = [{"queueName": other.name, "data": {}, **child} for child in children]
    return {"name": "children", "queueName": queue.name, "data": {}, "opts": opts, "children": rows}


# ---- one side adds, the other works ----------------------------------------------------------------------------------


async def test_our_workers_run_nodes_flow(node: NodePeer, queue: Queue, other: Queue, server: RedisServer) -> None:
    leaves = [{"name": "echo", "data": {"n": number}} for number in range(3)]
    tree = await node.request("addFlow", flow=node_flow(queue, other, leaves))
    parent = await queue.get_job(tree["id"])
    assert parent is not None
    assert await parent.get_state() == "waiting-children"
    async with worked("ours", node, other, server), worked("ours", node, queue, server):
        values = await parent.result(timeout=10)
    keys = {f"bull:{other.name}:{child['id']}": {"n": number} for number, child in enumerate(tree["children"])}
    assert values == [keys, {}]
    assert (await node.get_job(queue.name, parent.id))["returnvalue"] == values
    assert (await node.request("getDependencies", queue=queue.name, id=parent.id))["processed"] == keys


async def test_nodes_workers_run_our_flow(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer, server: RedisServer
) -> None:
    leaves = [FlowJob("echo", other.name, {"n": number}) for number in range(3)]
    flow = await producer.add(FlowJob("children", queue.name, {}, children=leaves))
    assert await node.get_state(queue.name, flow.job.id) == "waiting-children"
    async with worked("node", node, other, server), worked("node", node, queue, server):
        values = await flow.job.result(timeout=10)
    assert values == [{child.job.key: {"n": number} for number, child in enumerate(flow.children)}, {}]
    assert await flow.job.get_children_values() == values[0]


async def test_three_levels_alternate_between_the_sides(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer, server: RedisServer
) -> None:
    middle = [FlowJob("children", other.name, {}, children=[FlowJob("echo", queue.name, {"n": n})]) for n in range(5)]
    flow = await producer.add(FlowJob("children", queue.name, {}, children=middle))
    async with worked("ours", node, other, server), worked("node", node, queue, server):
        values, _ = await flow.job.result(timeout=10)
    expected = {
        child.job.key: [{child.children[0].job.key: {"n": number}}, {}] for number, child in enumerate(flow.children)
    }
    assert values == expected


async def test_delay_and_priority_of_a_parent_are_kept_for_its_time(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer, server: RedisServer
) -> None:
    ours = await producer.add(
        FlowJob("echo", queue.name, {}, options={"delay": 3600}, children=[FlowJob("echo", other.name, {})])
    )
    theirs = await node.request("addFlow", flow=node_flow(queue, other, [{"name": "echo"}], priority=7))
    async with worked("node", node, other, server):
        await until_state(queue, ours.job.id, "delayed")
        await until_state(queue, theirs["id"], "prioritized")
    again = await node.request("addFlow", flow=node_flow(queue, other, [{"name": "echo"}], delay=3_600_000))
    async with worked("ours", node, other, server):
        await until_state(queue, again["id"], "delayed")


# ---- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("works", ["ours, then node's", "node's, then ours"])
@pytest.mark.parametrize("adds", ["ours", "node"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_childs_failure_reaches_a_parent_on_the_other_side(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer, server: RedisServer,
    policy: str, adds: str, works: str,
) -> None:  # fmt: skip
    ours, nodes, end = POLICIES[policy]
    data = {"reason": "told to fail"}
    if adds == "ours":
        child = FlowJob("unrecoverable", other.name, data, options={ours: True})
        parent_id = (await producer.add(FlowJob("children", queue.name, {}, children=[child]))).job.id
    else:
        leaf = {"name": "unrecoverable", "data": data, "opts": {nodes: True}}
        parent_id = (await node.request("addFlow", flow=node_flow(queue, other, [leaf])))["id"]
    sides = ("ours", "node") if works.startswith("ours") else ("node", "ours")
    async with worked(sides[0], node, other, server), worked(sides[1], node, queue, server):
        await until_state(queue, parent_id, end)
    parent = await queue.get_job(parent_id)
    assert parent is not None
    seen, dependencies = await node.get_job(queue.name, parent_id), await parent.get_dependencies()
    (child_key,) = dependencies.failed or dependencies.ignored or [""]
    if policy == "fail":
        assert parent.failed_reason == seen["failedReason"] == f"child {child_key} failed"
        assert dependencies.failed == [child_key]
    else:
        kept = {} if policy == "remove" else {child_key: "told to fail"}
        assert parent.return_value == seen["returnvalue"] == [{}, kept]


async def test_a_failure_goes_up_through_both_sides(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer, server: RedisServer
) -> None:
    leaf = FlowJob("unrecoverable", queue.name, {})
    flow = await producer.add(
        FlowJob("children", queue.name, {}, children=[FlowJob("echo", other.name, {}, children=[leaf])])
    )
    async with worked("node", node, other, server), worked("ours", node, queue, server):
        await until_state(queue, flow.job.id, "failed")
    seen = await node.get_job(queue.name, flow.job.id)
    assert seen["failedReason"] == f"child {flow.children[0].job.key} failed"


async def test_a_child_without_a_policy_means_what_its_side_means(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer, server: RedisServer
) -> None:
    """Ours fails its parent, so that the parent ends; Node's lets it wait."""
    ours = await producer.add(FlowJob("children", queue.name, {}, children=[FlowJob("unrecoverable", other.name, {})]))
    theirs = await node.request("addFlow", flow=node_flow(queue, other, [{"name": "unrecoverable"}]))
    for who in ("ours", "node"):
        async with worked(who, node, other, server):
            await until_state(other, ours.children[0].job.id, "failed")
            await until_state(other, theirs["children"][0]["id"], "failed")
    assert await node.get_state(queue.name, ours.job.id) == "waiting"
    assert await queue.get_job_state(theirs["id"]) == "waiting-children"


async def test_a_failed_child_is_retried_on_the_other_side(
    node: NodePeer, queue: Queue, other: Queue, server: RedisServer
) -> None:
    leaf = {"name": "fail", "data": {"times": 1}}
    tree = await node.request("addFlow", flow=node_flow(queue, other, [leaf]))
    child_id = tree["children"][0]["id"]
    async with worked("node", node, other, server):
        await until_state(other, child_id, "failed")
    child = await other.get_job(child_id)
    assert child is not None
    await child.retry()
    async with worked("ours", node, other, server), worked("node", node, queue, server):
        await until_state(queue, tree["id"], "completed")
    seen = await node.get_job(queue.name, tree["id"])
    assert seen["returnvalue"] == [{child.key: {"times": 1}}, {}]


# ---- children of running parents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", ["ours", "node"])
async def test_a_running_parent_adds_children_for_the_other_side(
    node: NodePeer, queue: Queue, other: Queue, server: RedisServer, parent: str
) -> None:
    job = await queue.add("adopt", {"queue": other.name, "children": [1, 2, 3], "url": server.url})
    child_side = "node" if parent == "ours" else "ours"
    async with worked(parent, node, queue, server), worked(child_side, node, other, server):
        values = await job.result(timeout=10)
    assert sorted(value["n"] for value in values.values()) == [1, 2, 3]
    await job.refresh()
    # A parent whose children end before it could be parked goes on, with Node; ours is run again.
    assert job.attempts_made == 1


# ---- reading and taking apart ----------------------------------------------------------------------------------------


async def test_each_side_reads_the_others_flow(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer
) -> None:
    leaves = [FlowJob("echo", other.name, {"n": number}) for number in range(3)]
    ours = await producer.add(FlowJob("children", queue.name, {"own": 1}, children=leaves))
    seen = await node.request("getFlow", queue=queue.name, id=ours.job.id)
    assert (seen["name"], seen["data"]) == ("children", {"own": 1})
    assert sorted(child["data"]["n"] for child in seen["children"]) == [0, 1, 2]
    rows = [{"name": "echo", "data": {"n": number}} for number in range(3)]
    theirs = await node.request("addFlow", flow=node_flow(queue, other, rows))
    read = await producer.get_flow(theirs["id"], queue.name)
    assert isinstance(read, FlowNode)
    assert sorted(child.job.data["n"] for child in read.children) == [0, 1, 2]
    assert {child.job.parent_key for child in read.children} == {read.job.key}


async def test_each_side_cuts_and_removes_the_others_family(
    node: NodePeer, queue: Queue, other: Queue, producer: FlowProducer
) -> None:
    ours = await producer.add(FlowJob("echo", queue.name, {}, children=[FlowJob("echo", other.name, {})] * 2))
    first, second = (child.job for child in ours.children)
    assert await node.request("cut", queue=other.name, id=first.id) is True
    assert await node.request("remove", queue=other.name, id=second.id) == 1
    assert await ours.job.get_state() == "waiting"
    theirs = await node.request("addFlow", flow=node_flow(queue, other, [{"name": "echo"}] * 2))
    cut, removed = [await other.get_job(child["id"]) for child in theirs["children"]]
    assert cut is not None
    assert removed is not None
    assert await cut.remove_child_dependency()
    await removed.remove()
    assert await node.get_state(queue.name, theirs["id"]) == "waiting"
    tree = await node.request("addFlow", flow=node_flow(queue, other, [{"name": "echo"}] * 2))
    assert await queue.remove(tree["id"]) == 1
    assert [await node.request("getJob", queue=other.name, id=child["id"]) for child in tree["children"]] == [None] * 2


# ---- waiting and cancelling ------------------------------------------------------------------------------------------


async def test_node_waits_for_our_jobs_to_finish(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    await node.request("startEvents", queue=queue.name)
    good, bad, gone = [await queue.add(name, {"reason": "why not"}) for name in ("echo", "unrecoverable", "echo")]
    await node.wait_for("waiting", source=f"events:{queue.name}", job_id=gone.id)
    waits = [
        asyncio.create_task(node.request("waitUntilFinished", queue=queue.name, id=job.id, ms=10_000))
        for job in (good, bad, gone)
    ]
    assert await gone.cancel("not wanted")
    async with worked("ours", node, queue, server):
        assert await waits[0] == {"reason": "why not"}
        for wait, reason in ((waits[1], "why not"), (waits[2], "not wanted")):
            with pytest.raises(NodeError, match=reason):
                await wait
    # Of those that have ended long ago it hears at once.
    assert await node.request("waitUntilFinished", queue=queue.name, id=good.id, ms=10_000) == {"reason": "why not"}


@pytest.mark.parametrize("takes_it_next", ["node", "ours"])
async def test_a_job_that_we_cancel_while_node_runs_it_fails_when_it_is_taken_next(
    node: NodePeer, queue: Queue, server: RedisServer, takes_it_next: str
) -> None:
    job = await queue.add("fail", {"times": 9, "ms": 200, "reason": "no luck"}, attempts=5, backoff=0.3)
    async with worked("node", node, queue, server):
        await node.wait_for("active", source=f"worker:{queue.name}", job_id=job.id)
        assert await job.cancel("not wanted any more") is False
        await until_state(queue, job.id, "delayed")
        if takes_it_next == "node":
            await until_state(queue, job.id, "failed")
    async with worked("ours", node, queue, server):
        await until_state(queue, job.id, "failed")
    await job.refresh()
    assert (job.failed_reason, job.attempts_made) == ("not wanted any more", 2)
    assert job.deferred_failure is None


async def test_a_job_that_we_cancel_before_node_runs_it_is_not_run(
    node: NodePeer, queue: Queue, server: RedisServer
) -> None:
    job_id = await node.add(queue.name, "echo", {})
    later = await queue.add("echo", {})
    job = await queue.get_job(job_id)
    assert job is not None
    assert await job.cancel("not wanted")
    async with worked("node", node, queue, server):
        await until_state(queue, later.id, "completed")
    seen = await node.get_job(queue.name, job_id)
    assert (seen["failedReason"], seen["attemptsStarted"], seen["finishedOn"] is None) == ("not wanted", 0, False)
    assert await node.get_state(queue.name, job_id) == "failed"
    await node.request("retry", queue=queue.name, id=job_id, state="failed")
    async with worked("node", node, queue, server):
        await eventually(lambda: has_completed(queue, job_id))


async def has_completed(queue: Queue, job_id: str) -> bool:
    return await queue.get_job_state(job_id) == "completed"

"""Chosen cases of parents and children: those that a random walk would seldom come upon."""

from __future__ import annotations

from typing import Final

from tests.compat.recording import OTHER, QUEUE, Recording
from tests.compat.wandering import ERROR, FATAL, NOW, look_at_marker
from tests.golden.keyspace import Json

OURS: Final = f"bull:{QUEUE}"


def node(name: str, queue: str = QUEUE, *children: Json, **opts: Json) -> Json:
    """Return a job of a flow; its name is its id."""
    below = {"children": list(children)} if children else {}
    return {"name": name, "queueName": queue, "data": {}, "opts": {"jobId": name, **opts}} | below


async def fetch(to: Recording, alias: str, queue: str = QUEUE) -> None:
    await to.do("worker.getNextJob", alias, NOW, on=f"worker:{queue}", alias=alias)


async def fetch_and_end(to: Recording, alias: str, queue: str = QUEUE, *, error: Json = None) -> None:
    """Take the next job and complete it, or fail it."""
    await fetch(to, alias, queue)
    if error is None:
        await to.do("job.moveToCompleted", {"by": alias}, alias, False, on=alias)
    else:
        await to.do("job.moveToFailed", error, alias, False, on=alias)


async def look_at_parent(to: Recording, alias: str, job_id: str = "root") -> None:
    """Compare all that a parent says of its children."""
    await to.do("queue.getJob", job_id, alias=alias)
    for method in ("getDependenciesCount", "getDependencies", "getChildrenValues", "getIgnoredChildrenFailures"):
        await to.do(f"job.{method}", on=alias)


async def the_last_child_of_a_parent_is_cleaned(to: Recording) -> None:
    await to.do("flow.add", node("root", QUEUE, node("c1")))
    await to.do("flow.add", node("other-root", OTHER, node("c2")))
    await to.do("flow.add", node("grand", QUEUE, node("mid", QUEUE, node("c3"))))
    await to.do("clock.advance", 1)
    await to.do("queue.clean", 0, 10, "wait")


async def a_child_of_a_living_parent_is_not_taken_over(to: Recording) -> None:
    for name in ("p1", "p2"):
        await to.do("queue.add", name, {}, {"jobId": name, "delay": 1000}, alias=name)
    for parent in ("p1", "p1", "p2"):
        await to.do("queue.add", "c", {}, {"jobId": "c", "parent": {"id": parent, "queue": OURS}})
    await to.do("queue.add", "c", {}, {"jobId": "c"})
    await to.do("queue.remove", "p1", {"removeChildren": False})
    await to.do("queue.add", "c", {}, {"jobId": "c", "parent": {"id": "p2", "queue": OURS}})
    await to.do("queue.add", "c", {}, {"parent": {"id": "missing", "queue": OURS}})


async def a_flow_takes_over_children_that_have_ended(to: Recording) -> None:
    for name in ("c1", "c2"):
        await to.do("queue.add", name, {}, {"jobId": name})
        await fetch_and_end(to, f"a-{name}")
    await to.do("flow.add", node("root", QUEUE, node("c1"), node("c2"), node("c3", OTHER)))
    await fetch_and_end(to, "a-c3", OTHER)
    await look_at_parent(to, "root")


async def a_flow_whose_children_have_all_ended_is_ready(to: Recording) -> None:
    await to.do("queue.add", "c1", {}, {"jobId": "c1"})
    await fetch_and_end(to, "a1")
    await to.do("flow.add", node("root", QUEUE, node("c1"), priority=3))
    await look_at_marker(to)


async def a_child_without_a_rule_fails_and_is_retried(to: Recording) -> None:
    await to.do("flow.add", node("root", QUEUE, node("c1")))
    await fetch_and_end(to, "a1", error=FATAL)
    await look_at_parent(to, "root")
    await to.do("job.retry", "failed", on="a1")
    await fetch_and_end(to, "a2")
    await fetch_and_end(to, "a3")


async def children_of_every_rule_are_retried(to: Recording) -> None:
    rules = ("failParent", "continueParent", "ignoreDependency", "removeDependency")
    for rule in rules:
        ruled: dict[str, Json] = {f"{rule}OnFailure": True}
        await to.do("flow.add", node(f"p-{rule}", OTHER, node(rule, QUEUE, **ruled), node(f"{rule}-2", OTHER)))
    for rule in rules:
        await fetch_and_end(to, rule, error=ERROR)
    for rule in rules:
        await to.do("job.retry", "failed", on=rule)
    for rule in rules:
        await fetch_and_end(to, f"{rule}-again", error=FATAL)
        await to.do("queue.getJob", f"p-{rule}", on=f"queue:{OTHER}", alias=f"p-{rule}")
        await to.do("job.getDependenciesCount", on=f"p-{rule}")
        await to.do("job.getIgnoredChildrenFailures", on=f"p-{rule}")


async def a_completed_child_is_retried(to: Recording) -> None:
    await to.do("flow.add", node("root", QUEUE, node("c1"), node("c2", OTHER)))
    await fetch_and_end(to, "a1")
    await to.do("job.retry", "completed", on="a1")
    await fetch_and_end(to, "a2", OTHER)
    await fetch_and_end(to, "a3")
    await look_at_parent(to, "root")


async def a_job_adds_children_and_waits_for_them(to: Recording) -> None:
    await to.do("queue.add", "p", {}, {"jobId": "p", "attempts": 2})
    await fetch(to, "a1")
    await to.do("job.moveToWaitingChildren", "a1", {}, on="a1")
    for name, queue in (("c1", QUEUE), ("c2", OTHER)):
        options = {"jobId": name, "parent": {"id": "p", "queue": OURS}}
        await to.do("queue.add", name, {}, options, on=f"queue:{queue}")
    await to.do("job.moveToCompleted", 1, "a1", False, on="a1")
    await to.do("job.moveToWaitingChildren", "stranger", {}, on="a1")
    await to.do("job.moveToWaitingChildren", "a1", {}, on="a1")
    await to.do("job.moveToWaitingChildren", "a1", {}, on="a1")
    await fetch_and_end(to, "a2")
    await fetch_and_end(to, "a3", OTHER)
    await look_at_marker(to)
    await fetch(to, "a4")
    await to.do("job.moveToWaitingChildren", "a4", {}, on="a4")
    await to.do("job.moveToCompleted", 1, "a4", True, on="a4")


async def a_job_waits_for_one_of_its_children(to: Recording) -> None:
    await to.do("queue.add", "p", {}, {"jobId": "p", "priority": 2})
    await fetch(to, "a1")
    for name in ("c1", "c2"):
        await to.do("queue.add", name, {}, {"jobId": name, "parent": {"id": "p", "queue": OURS}})
    await fetch_and_end(to, "a2")
    for name in ("c1", "c2"):
        await to.do("job.moveToWaitingChildren", "a1", {"child": {"id": name, "queue": OURS}}, on="a1")
    await fetch_and_end(to, "a3")


async def a_parent_with_a_failed_child_can_neither_complete_nor_wait(to: Recording) -> None:
    await to.do("queue.add", "p", {}, {"jobId": "p", "attempts": 3})
    await fetch(to, "a1")
    for name in ("c1", "c2"):
        options = {"jobId": name, "failParentOnFailure": True, "parent": {"id": "p", "queue": OURS}}
        await to.do("queue.add", name, {}, options)
    await fetch_and_end(to, "a2", error=FATAL)
    await to.do("job.moveToWaitingChildren", "a1", {}, on="a1")
    await fetch_and_end(to, "a3")
    await to.do("job.moveToCompleted", 1, "a1", False, on="a1")
    await to.do("job.moveToFailed", ERROR, "a1", False, on="a1")
    await to.do("worker.fetchAndFailDeferred", "t4")


async def failure_climbs_three_levels(to: Recording) -> None:
    leaf = node("c", QUEUE, failParentOnFailure=True)
    await to.do(
        "flow.add", node("root", QUEUE, node("mid", OTHER, leaf, failParentOnFailure=True), node("other", OTHER))
    )
    await fetch_and_end(to, "a1", error=FATAL)
    await to.do("worker.fetchAndFailDeferred", "t2", on=f"worker:{OTHER}")
    await to.do("worker.fetchAndFailDeferred", "t3")
    await look_at_parent(to, "root")


async def a_delayed_and_a_prioritized_parent_are_let_go_with_their_siblings_pending(to: Recording) -> None:
    for name, opts in (("later", {"delay": 5000}), ("ranked", {"priority": 4})):
        children = [node(f"{name}-{n}", continueParentOnFailure=True) for n in (1, 2)]
        await to.do("flow.add", node(name, OTHER, *children, **opts))
    for number in range(4):
        await fetch_and_end(to, f"a{number}", error=FATAL if number % 2 else None)
    await look_at_marker(to, OTHER)
    await to.do("clock.advance", 5000)
    await fetch(to, "b1", OTHER)
    await fetch(to, "b2", OTHER)


async def trees_are_removed_unless_one_of_their_jobs_is_running(to: Recording) -> None:
    await to.do("flow.add", node("root", QUEUE, node("mid", OTHER, node("c1"), node("c2", OTHER, delay=1000))))
    await fetch(to, "a1")
    await to.do("queue.remove", "root")
    await to.do("queue.remove", "mid", on=f"queue:{OTHER}")
    await to.do("queue.getJob", "root", alias="root")
    await to.do("job.removeUnprocessedChildren", on="root")
    await to.do("job.moveToCompleted", 1, "a1", False, on="a1")
    await to.do("queue.remove", "root")


async def a_tree_is_read_to_a_depth(to: Recording) -> None:
    await to.do("flow.add", node("root", QUEUE, node("mid", OTHER, node("c1"), node("c2", OTHER)), node("c3")))
    await fetch_and_end(to, "a1")
    for options in ({}, {"depth": 2}, {"depth": 1}):
        await to.do("flow.getFlow", {"id": "root", "queueName": QUEUE} | options)
    await to.do("flow.getFlow", {"id": "missing", "queueName": QUEUE})


FLOW_CASES: Final = (
    the_last_child_of_a_parent_is_cleaned,
    a_child_of_a_living_parent_is_not_taken_over,
    a_flow_takes_over_children_that_have_ended,
    a_flow_whose_children_have_all_ended_is_ready,
    a_child_without_a_rule_fails_and_is_retried,
    children_of_every_rule_are_retried,
    a_completed_child_is_retried,
    a_job_adds_children_and_waits_for_them,
    a_job_waits_for_one_of_its_children,
    a_parent_with_a_failed_child_can_neither_complete_nor_wait,
    failure_climbs_three_levels,
    a_delayed_and_a_prioritized_parent_are_let_go_with_their_siblings_pending,
    trees_are_removed_unless_one_of_their_jobs_is_running,
    a_tree_is_read_to_a_depth,
)

"""Jobs of flows, and the handler that the tests of flows share."""

from __future__ import annotations

from typing import Any, TypeGuard

from oxmq import FlowJob, FlowNode, Job


async def work(job: Job[Any]) -> object:
    """Fail where the data says so; else give the children's results, or the data, back."""
    data: Any = job.data
    if is_mapping(data) and "error" in data:
        raise ValueError(data["error"])
    return await job.get_children_values() or data


def is_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def leaf(name: str, data: object = None, queue: str = "q", /, **options: Any) -> FlowJob:
    """Return a job without children, whose name is its id."""
    return FlowJob(name, queue, data, options={"job_id": name, **options})


def family(*children: FlowJob, queue: str = "q", **options: Any) -> FlowJob:
    """Return a job with children; its name and id are ``parent``."""
    return FlowJob("parent", queue, "own", options={"job_id": "parent", **options}, children=children)


async def states(node: FlowNode) -> dict[str, str]:
    """Return the state of each job of a flow, by its id."""
    found = {node.job.id: str(await node.job.get_state())}
    for child in node.children:
        found |= await states(child)
    return found


def tree(node: FlowNode) -> dict[str, Any]:
    """Return the names of a flow's jobs, each with those of its children."""
    children: dict[str, Any] = {}
    for child in sorted(node.children, key=lambda child: child.job.name):
        children |= tree(child)
    return {node.job.name: children}

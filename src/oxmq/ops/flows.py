"""Describe the add of whole flows: parents with their children, all or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from msgspec import UNSET, Struct, field

from oxmq.errors import ConfigurationError, job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, Word, run_script, texts
from oxmq.ops.jobs import NewJob, row_of
from oxmq.options import JobOptions, Parent

T = TypeVar("T")

#: How many jobs one flow may have: it is added in one step, which no other client's command can come between.
MAX_FLOW_JOBS = 5_000


class FlowJob(Struct, frozen=True):
    """Describe a job of a flow, and its children.

    Attributes:
        name: the job's name.
        queue_name: its queue.
        data: any value that JSON can carry; ``{}`` when not given.
        options: the fields of `JobOptions`, as a mapping or as such.
        children: the jobs that must end before this one runs.
        prefix: with what its queue's keys begin; the producer's when None.
    """

    name: str
    queue_name: str
    data: object = UNSET
    options: Mapping[str, Any] | JobOptions = field(default_factory=dict[str, Any])
    children: Sequence[FlowJob] = ()
    prefix: str | None = None


class Drafted(Struct, Generic[T]):
    """Hold one job of a flow: what it was made of, its queue, and where its children are in the list."""

    source: T
    keys: QueueKeys
    job: NewJob
    children: list[int]


DraftNode = Callable[[T, Parent | None, bool], tuple[QueueKeys, NewJob]]
"""Draft one job of a flow, given its parent, and whether it has children."""


def checked(flow: FlowJob) -> FlowJob:
    """Return `flow`, or raise `ConfigurationError` when it is none."""
    if not isinstance(cast("object", flow), FlowJob):
        raise ConfigurationError(f"a flow must be a FlowJob, not {flow!r:.80}")
    return flow


def children_of(flow: FlowJob) -> Sequence[FlowJob]:
    """Return the children of a flow's job, checked."""
    if not isinstance(cast("object", flow.children), list | tuple):
        raise ConfigurationError(f"children must be a list of FlowJobs, not {flow.children!r:.80}")
    return [checked(child) for child in flow.children]


def draft_flow(root: T, children_of: Callable[[T], Sequence[T]], draft: DraftNode[T]) -> list[Drafted[T]]:
    """Return all jobs of a flow, level by level, which is the order in which BullMQ adds them.

    Raises:
        ConfigurationError: a job is not acceptable, two have the same id, or there are too many.
    """
    drafted: list[Drafted[T]] = []
    taken: set[tuple[str, str]] = set()
    pending: deque[tuple[T, int | None]] = deque([(root, None)])
    while pending:
        source, parent = pending.popleft()
        children = children_of(source)
        reference = None if parent is None else _reference(drafted[parent])
        keys, job = draft(source, reference, bool(children))
        if (keys.base, job.id) in taken:
            raise ConfigurationError(f"two jobs of the flow have the id {job.id!r} in queue {keys.name!r}")
        taken.add((keys.base, job.id))
        if parent is not None:
            drafted[parent].children.append(len(drafted))
        drafted.append(Drafted(source, keys, job, []))
        if len(drafted) > MAX_FLOW_JOBS:
            raise ConfigurationError(f"a flow can have at most {MAX_FLOW_JOBS} jobs; a running parent can add more")
        pending += [(child, len(drafted) - 1) for child in children]
    return drafted


def add_flow(flow: Sequence[Drafted[T]]) -> Call[list[str]]:
    """Add all jobs of a flow in one step; the result is their ids."""

    def decode(reply: Reply) -> list[str]:
        if isinstance(reply[0], int):
            code, row = int(reply[0]), int(reply[1])
            refused = flow[row - 1]
            raise job_error(
                code,
                job_id=refused.job.id,
                queue=refused.keys.name,
                operation="add_flow",
                parent=refused.job.parent_key or "",
            )
        return texts(reply)

    words: list[Word] = []
    for node in flow:
        words += (node.keys.base, *row_of(node.job))
    return run_script("add_flow", flow[0].keys.base, *words, decode=decode)


def _reference(parent: Drafted[T]) -> Parent:
    return Parent(parent.job.id, parent.keys.qualified_name)

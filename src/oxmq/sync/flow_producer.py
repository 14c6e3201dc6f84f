# Written by tools/unasync.py from oxmq/client/flow_producer.py; change that file, not this one.
"""Add flows: trees of jobs in which a parent runs when its children have ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from msgspec import Struct

from oxmq.clock import Clock, SystemClock
from oxmq.errors import ConfigurationError
from oxmq.keys import DEFAULT_PREFIX, QueueKeys, check_queue_name, split_job_key
from oxmq.ops import families, flows, jobs
from oxmq.ops.additions import follow_flow
from oxmq.ops.drafts import JobDrafter
from oxmq.ops.flows import Drafted, FlowJob, checked, children_of
from oxmq.ops.jobs import NewJob
from oxmq.options import JobOptions, Parent, check_whole, job_options
from oxmq.records import ChildKind
from oxmq.sync.closing import Closing
from oxmq.sync.context import QueueContext
from oxmq.sync.job import Job
from oxmq.tracing import Telemetry
from oxmq.transport.connect import Endpoint
from oxmq.transport.sync_runner import SyncRunner

_KINDS: tuple[ChildKind, ...] = ("processed", "unprocessed", "failed", "ignored")


class FlowNode(Struct, frozen=True):
    """Hold a job of a flow, and its children."""

    job: Job[Any]
    children: list[FlowNode]


class FlowProducer(Closing):
    """Add flows. Building one connects to nothing; the first call does::

        photo = FlowJob(name="resize", queue_name="images", data={"path": "a.png"})
        album = FlowJob(name="print", queue_name="albums", children=[photo])
        with FlowProducer() as flows:
            tree = flows.add(album)

    A flow is added as a whole or not at all. A child that fails for good fails its parent, unless its options say
    otherwise, so that every parent ends. Ids are made by the client, so that adding can be repeated safely.

    Args:
        connection: as for `Queue`.
        prefix: with what the keys of all queues begin, where a job does not say otherwise.
        clock: gives the time; a `ManualClock` holds it still.
        telemetry: follows the flows that are added: `oxmq.telemetry.OpenTelemetry`; None for nothing.
    """

    def __init__(
        self,
        connection: object = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        QueueKeys("any", prefix)
        self._clock = clock or SystemClock()
        self._prefix = prefix
        self._telemetry = telemetry
        self._runner = SyncRunner(Endpoint(connection), self._clock)

    def add(self, flow: FlowJob, *, queue_options: Mapping[str, JobOptions] | None = None) -> FlowNode:
        """Add a flow and return its jobs.

        Args:
            flow: the job that runs last, with its children. Its option `parent` hangs the flow under another job.
            queue_options: options under those of each job, by the name of its queue.

        Raises:
            ConfigurationError: something is not acceptable; nothing was sent.
            ParentNotFoundError: the root's parent does not exist; nothing was added.
            ParentConflictError: a job of the flow exists and belongs to another living parent; nothing was added.
            UnavailableError: the flow was not added.
            OutcomeUnknownError: it may have been added.
        """
        return (self.add_bulk([flow], queue_options=queue_options))[0]

    def add_bulk(
        self, new_flows: Iterable[FlowJob], *, queue_options: Mapping[str, JobOptions] | None = None
    ) -> list[FlowNode]:
        """Add flows, each as a whole, and return them in order. All are checked before any is sent."""
        defaults = _checked_options(queue_options)
        drafted = [self._draft_flow(flow, defaults) for flow in new_flows]
        if self._telemetry is not None:
            return [self._add_followed(self._telemetry, flow) for flow in drafted]
        added = self._runner.run_all(flows.add_flow(flow) for flow in drafted)
        return [self._tree(flow, ids) for flow, ids in zip(drafted, added, strict=True)]

    def get_flow(
        self, job_id: str, queue_name: str, *, prefix: str | None = None, depth: int = 10, max_children: int = 20
    ) -> FlowNode | None:
        """Read a flow from any of its jobs downwards; None when there is no such job.

        Args:
            depth: how many levels to read.
            max_children: about how many children of each kind to read for each job: completed, pending, failed,
                ignored, in this order.
        """
        check_whole(depth, "depth", least=1)
        check_whole(max_children, "max_children", least=1)
        return self._read(QueueKeys(queue_name, prefix or self._prefix), job_id, depth, max_children)

    def close(self) -> None:
        """Close the connection. A later call connects again."""
        self._runner.close()

    def _add_followed(self, telemetry: Telemetry, drafted: list[Drafted[FlowJob]]) -> FlowNode:
        following, flow = follow_flow(telemetry, drafted)
        with following:
            ids = self._runner.run(flows.add_flow(flow))
            following.added(ids)
        return self._tree(flow, ids)

    def _draft_flow(self, flow: FlowJob, defaults: Mapping[str, JobOptions]) -> list[Drafted[FlowJob]]:
        drafters: dict[str, JobDrafter] = {}

        def draft(node: FlowJob, parent: Parent | None, has_children: bool) -> tuple[QueueKeys, NewJob]:
            keys = QueueKeys(check_queue_name(node.queue_name), node.prefix or self._prefix)
            drafter = drafters.get(node.queue_name)
            if drafter is None:
                drafter = drafters[node.queue_name] = JobDrafter(self._clock, defaults.get(node.queue_name), "uuid")
            options = node.options if isinstance(node.options, JobOptions) else job_options(node.options)
            return keys, drafter.draft(node.name, node.data, options, parent=parent, has_children=has_children)

        return flows.draft_flow(checked(flow), children_of, draft)

    def _tree(self, flow: Sequence[Drafted[FlowJob]], ids: Sequence[str]) -> FlowNode:
        nodes = [
            FlowNode(Job(self._context(drafted.keys), drafted.job.record(job_id)), [])
            for drafted, job_id in zip(flow, ids, strict=True)
        ]
        for node, drafted in zip(nodes, flow, strict=True):
            node.children.extend(nodes[child] for child in drafted.children)
        return nodes[0]

    def _read(self, keys: QueueKeys, job_id: str, depth: int, max_children: int) -> FlowNode | None:
        record = self._runner.run(jobs.get(keys, job_id))
        if record is None:
            return None
        children: list[FlowNode] = []
        if depth > 1:
            for child_key in self._child_keys(keys.job(job_id), max_children):
                child_keys, child_id = split_job_key(child_key)
                child = self._read(child_keys, child_id, depth - 1, max_children)
                if child is not None:
                    children.append(child)
        return FlowNode(Job(self._context(keys), record), children)

    def _child_keys(self, job_key: str, most: int) -> list[str]:
        found: dict[str, None] = {}
        for kind in _KINDS:
            page, _ = self._runner.run(families.get_page(job_key, kind, 0, most))
            found |= dict.fromkeys(page)
        return list(found)

    def _context(self, keys: QueueKeys) -> QueueContext:
        return QueueContext(self._runner, keys, self._clock, telemetry=self._telemetry)


def _checked_options(queue_options: Mapping[str, JobOptions] | None) -> Mapping[str, JobOptions]:
    if queue_options is None:
        return {}
    given = cast("object", queue_options)
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"queue_options must be a mapping from queues to JobOptions, not {given!r:.80}")
    for queue, options in queue_options.items():
        if not isinstance(cast("object", options), JobOptions):
            raise ConfigurationError(f"queue_options[{queue!r}] must be JobOptions, not {type(options).__name__}")
    return queue_options

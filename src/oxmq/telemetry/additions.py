"""Make the spans of producers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from oxmq.telemetry.carriers import write_metadata_of
from oxmq.telemetry.counts import JobCounts
from oxmq.telemetry.failures import note_failure

#: How many jobs of a flow get spans of their own; the jobs of a larger one share that of the call.
MOST_NODES: Final = 250
#: How many spans one links to at most: what OpenTelemetry keeps unless told otherwise.
MOST_LINKS: Final = 128

SYSTEM: Final = "bullmq"


class Added:
    """Follow a call that adds jobs, with a span that all of them carry on.

    Args:
        counts: counts the jobs.
        queue: the queue; of a flow, that of its root.
        names: the jobs' names.
        operation: what the call is called.
        follows: whether nothing is recorded below a span that is not.
    """

    __slots__ = ("_counts", "_metadata", "_names", "_span", "queue")

    def __init__(
        self, tracer: Tracer, counts: JobCounts, queue: str, names: Sequence[str], operation: str, *, follows: bool
    ) -> None:
        self._counts = counts
        self._names = names
        self.queue = queue
        here = contexts.get_current()
        current = trace.get_current_span(here)
        # Below a span of which nothing is recorded the jobs carry on that: another one would be for nobody.
        self._span = current if follows and _is_unsampled(current) else _start_span(tracer, queue, names, operation)
        self._metadata = write_metadata_of(self._span, here)

    @property
    def span(self) -> Span:
        """Return the call's span."""
        return self._span

    def metadata(self, index: int) -> str:
        return self._metadata

    def added(self, job_ids: Sequence[str]) -> None:
        """Note that the jobs are in Redis."""
        if len(job_ids) == 1 and self._span.is_recording():
            self._span.set_attribute("messaging.message.id", job_ids[0])
        self._span.end()
        self._counts.added(self.queue, self._names)

    def failed(self, error: BaseException) -> None:
        """Note that the call failed."""
        note_failure(self._span, error)
        self._span.end()


class AddedFlow:
    """Follow a call that adds a flow, with a span, and within it one for each job.

    A parent's span links to those of its children: they are what it waits for.
    """

    def __init__(
        self,
        tracer: Tracer,
        counts: JobCounts,
        nodes: Sequence[tuple[str, str]],
        children: Sequence[Sequence[int]],
        *,
        follows: bool,
    ) -> None:
        names = [name for _, name in nodes]
        self._call = Added(tracer, counts, nodes[0][0], names, "addFlow", follows=follows)
        self._counts = counts
        self._nodes = nodes
        self._metadata: list[str] = [self._call.metadata(0)] * len(nodes)
        if self._call.span.is_recording() and len(nodes) <= MOST_NODES:
            self._spans = self._make_spans(tracer, children)
        else:
            self._spans = []

    def metadata(self, index: int) -> str:
        """Return what that job is to carry."""
        return self._metadata[index]

    def added(self, job_ids: Sequence[str]) -> None:
        """Note that the jobs are in Redis."""
        for span, job_id in zip(self._spans, job_ids, strict=False):
            span.set_attribute("messaging.message.id", job_id)
            span.end()
        self._call.span.end()
        for queue, name in self._nodes:
            self._counts.added(queue, (name,))

    def failed(self, error: BaseException) -> None:
        """Note that the call failed."""
        for span in self._spans:
            note_failure(span, error)
            span.end()
        self._call.failed(error)

    def _make_spans(self, tracer: Tracer, children: Sequence[Sequence[int]]) -> list[Span]:
        within = trace.set_span_in_context(self._call.span, contexts.get_current())
        spans: dict[int, Span] = {}
        # From the last one on, so that children come before their parents, which link to them.
        for index in reversed(range(len(self._nodes))):
            queue, name = self._nodes[index]
            links = [Link(spans[child].get_span_context()) for child in children[index][:MOST_LINKS]]
            spans[index] = span = tracer.start_span(
                f"addNode {queue}.{name}", within, SpanKind.PRODUCER, _node_attributes(queue, name), links
            )
            self._metadata[index] = write_metadata_of(span, within)
        return [spans[index] for index in range(len(self._nodes))]


def _is_unsampled(span: Span) -> bool:
    context = span.get_span_context()
    return context.is_valid and not context.trace_flags.sampled


def _start_span(tracer: Tracer, queue: str, names: Sequence[str], operation: str) -> Span:
    attributes: dict[str, str | int] = {
        "messaging.system": SYSTEM,
        "messaging.destination.name": queue,
        "messaging.operation.name": operation,
        "messaging.operation.type": "send",
    }
    name = f"{operation} {queue}"
    if operation == "add":
        name = f"add {queue}.{names[0]}"
        attributes["bullmq.job.name"] = names[0]
    else:
        attributes["messaging.batch.message_count"] = len(names)
    return tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)


def _node_attributes(queue: str, name: str) -> dict[str, str]:
    return {
        "messaging.system": SYSTEM,
        "messaging.destination.name": queue,
        "messaging.operation.name": "addNode",
        "messaging.operation.type": "create",
        "bullmq.job.name": name,
    }

"""Make the spans of workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import time_ns
from typing import Final

from msgspec import UNSET
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from oxmq.codec import read_options
from oxmq.errors import OxmqError
from oxmq.records import JobRecord
from oxmq.telemetry.additions import MOST_LINKS, SYSTEM
from oxmq.telemetry.carriers import read_metadata, read_unsampled, span_of, without_span, write_metadata
from oxmq.telemetry.counts import JobCounts, WorkerGauges
from oxmq.telemetry.failures import note_failure
from oxmq.telemetry.samplers import follows_parents
from oxmq.tracing import Watched

#: How often a queue's figures are read, in seconds.
_LOOK: Final = 15.0
#: What ends a run, by the kind of its outcome; as BullMQ's workers call it.
_OPERATIONS: Final = {"completed": "complete", "failed": "fail"}
_FAILURES: Final = ("failed", "retry", "delay")


class Following:
    """Follow the runs of one worker.

    Args:
        tracer: makes the spans.
        counts: counts the runs.
        watched: the worker.
        settle_spans: whether what becomes of a job has a span of its own.
        messages: whether spans hold the messages of errors.
    """

    def __init__(
        self, tracer: Tracer, counts: JobCounts, watched: Watched, *, settle_spans: bool, messages: bool
    ) -> None:
        self.tracer = tracer
        self.counts = counts
        self.queue = watched.queue
        self.settle_spans = settle_spans
        self.messages = messages
        self._watched = watched
        self._gauges = WorkerGauges(watched.queue, watched.look)
        self._task: asyncio.Task[None] | None = None
        self._name = f"process {watched.queue}"
        self._follows = follows_parents(tracer)
        self._attributes: dict[str, AttributeValue] = {
            "messaging.system": SYSTEM,
            "messaging.destination.name": watched.queue,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "bullmq.worker.name": watched.worker,
        }

    def start(self) -> None:
        """Begin to tell the worker's figures, and to read its queue's from time to time."""
        self.counts.watch(self._gauges)
        # Not in the context of whoever starts the worker: what it calls belongs to no trace.
        self._task = asyncio.get_running_loop().create_task(self._look_again_and_again())

    async def stop(self) -> None:
        """Tell the worker's figures no more."""
        self.counts.forget(self._gauges)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def started(self, record: JobRecord) -> TracedRun:
        """Follow a run, and make its span the current one in the task that calls this."""
        options = read_options(record.opts)
        metadata = options.tm if isinstance(options.tm, str) else ""
        if self._follows and (unsampled := read_unsampled(metadata)) is not None:
            contexts.attach(unsampled)
            return TracedRun(self, record, None, _NOTHING)
        carried = read_metadata(metadata) if metadata else _NOTHING
        span, context = self._start_span(record, carried)
        contexts.attach(context)
        writes = span.is_recording() and options.omc is not True
        return TracedRun(self, record, span if span.is_recording() else None, context if writes else _NOTHING)

    def stalled(self, job_ids: Sequence[str]) -> None:
        """Count jobs that were found without a worker, and note when."""
        self.counts.stalled(self.queue, len(job_ids))
        attributes: dict[str, AttributeValue] = {
            "messaging.system": SYSTEM,
            "messaging.destination.name": self.queue,
            "messaging.operation.name": "recover",
            "messaging.batch.message_count": len(job_ids),
            "bullmq.job.ids": list(job_ids[:MOST_LINKS]),
        }
        self.tracer.start_span(f"recover {self.queue}", _NOTHING, attributes=attributes).end()

    def _start_span(self, record: JobRecord, carried: Context) -> tuple[Span, Context]:
        links: list[Link] = []
        if record.scheduler_id is not None and (made_by := span_of(carried)) is not None:
            # A scheduler's jobs make one another, for ever: each begins a trace of its own.
            links.append(Link(made_by))
            carried = without_span(carried)
        if record.telemetry and (before := span_of(read_metadata(record.telemetry))) is not None:
            links.append(Link(before))
        attributes = self._attributes | {
            "messaging.message.id": record.id,
            "bullmq.job.name": record.name,
            "bullmq.job.attempts.made": record.attempts_made,
        }
        if record.scheduler_id is not None:
            attributes["bullmq.job.scheduler.id"] = record.scheduler_id
        span = self.tracer.start_span(self._name, carried, SpanKind.CONSUMER, attributes, links)
        return span, trace.set_span_in_context(span, carried)

    async def _look_again_and_again(self) -> None:
        contexts.attach(_NOTHING)
        while True:
            try:
                self._gauges.seen = await self._watched.look_at_queue()
            except OxmqError:
                self._gauges.seen = None  # rather nothing than what was
            await asyncio.sleep(_LOOK)


class TracedRun:
    """Follow one run of a job.

    Args:
        span: the run's span; None where nothing is recorded.
        carried: the context that the job carries on when this run fails; an empty one for none.
    """

    __slots__ = ("_carried", "_error", "_following", "_record", "_settling", "_span")

    def __init__(self, following: Following, record: JobRecord, span: Span | None, carried: Context) -> None:
        self._following = following
        self._record = record
        self._span = span
        self._carried = carried
        self._error: BaseException | None = None
        self._settling: Span | None = None

    def raised(self, error: BaseException) -> None:
        """Note what the handler raised."""
        if self._span is not None:
            self._error = error

    def lock_lost(self) -> None:
        """Note that the job is no longer this worker's."""
        if self._span is not None:
            self._span.add_event("lock lost")

    def ended(self, kind: str, stopped: str) -> str:
        """Note that the handler has ended; return the run's context where the job is to carry it on."""
        if self._span is None:
            return ""
        if kind in _FAILURES:
            self._note_failure(stopped)
        elif kind != "completed":
            self._span.set_attribute("oxmq.job.outcome", kind)
        self._error = None
        self._span.end()
        if self._following.settle_spans:
            self._settling = self._start_settling(kind)
        return write_metadata(self._carried) if kind in _FAILURES and self._carried else ""

    def accepted(self, kind: str, seconds: float) -> None:
        """Note that Redis has recorded the outcome."""
        if self._settling is not None:
            self._settling.end()
        record = self._record
        self._following.counts.ended(self._following.queue, record, kind, seconds, _waited(record))

    def refused(self, error: Exception) -> None:
        """Note that Redis has refused the outcome."""
        if self._settling is not None:
            note_failure(self._settling, error, messages=self._following.messages)
            self._settling.end()

    def _note_failure(self, stopped: str) -> None:
        span = self._span
        assert span is not None
        if stopped:
            # What the handler raised then is only how it was stopped.
            span.set_attribute("error.type", stopped)
            span.set_status(Status(StatusCode.ERROR, stopped))
        elif self._error is not None:
            note_failure(span, self._error, messages=self._following.messages)

    def _start_settling(self, kind: str) -> Span:
        assert self._span is not None
        operation = _OPERATIONS.get(kind, kind)
        attributes: dict[str, AttributeValue] = {
            "messaging.system": SYSTEM,
            "messaging.destination.name": self._following.queue,
            "messaging.operation.name": operation,
            "messaging.operation.type": "settle",
            "messaging.message.id": self._record.id,
        }
        within = trace.set_span_in_context(self._span, _NOTHING)
        return self._following.tracer.start_span(
            f"{operation} {self._following.queue}", within, SpanKind.INTERNAL, attributes, start_time=time_ns()
        )


def _waited(record: JobRecord) -> float | None:
    """Return for how long the job could have run before it did, in seconds; None where it had been started before."""
    if record.attempts_started != 1 or record.processed_on is None:
        return None
    delay = read_options(record.opts).delay
    due = record.timestamp + (0 if delay is UNSET else int(delay)) if record.due_on is None else record.due_on
    return max(0, record.processed_on - due) / 1000


_NOTHING: Final = Context()

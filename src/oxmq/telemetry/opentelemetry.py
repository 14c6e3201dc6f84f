"""Follow jobs with OpenTelemetry: spans that cross from producers to workers, and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import ProxyTracer, Tracer, TracerProvider

from oxmq.telemetry.additions import Added, AddedFlow
from oxmq.telemetry.attempts import Following
from oxmq.telemetry.carriers import read_carrier, write_carrier
from oxmq.telemetry.counts import JobCounts
from oxmq.telemetry.measures import TaskLabels
from oxmq.telemetry.samplers import follows_parents
from oxmq.tracing import Watched

_SCOPE: Final = "oxmq"
_RELEASE: Final = version("oxmq")


class OpenTelemetry:
    """Follow jobs: given as `telemetry` to `Oxmq`, `Queue`, `Worker` and `FlowProducer`, one for all of a process::

        app = Oxmq(telemetry=OpenTelemetry())  # with the providers that are set up for all

    A producer's span is carried by the job as BullMQ's own plug-in has it, so that a trace crosses between Python and
    Node. Spans hold ids, names and times; never data, results, or, unless asked for, the messages of errors.

    Args:
        tracer_provider: makes the spans; the one that OpenTelemetry was set up with when not given.
        meter_provider: takes the metrics; the one that OpenTelemetry was set up with when not given.
        settle_spans: whether a run's span has a further one below it for what Redis makes of its outcome.
        error_messages: whether spans hold what errors say, which may be part of a job's data.
        task_names: names of jobs that metrics always tell apart; of others, the first 100 are.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        settle_spans: bool = True,
        error_messages: bool = False,
        task_names: Iterable[str] = (),
    ) -> None:
        self._tracer_provider = tracer_provider
        self._settle_spans = settle_spans
        self._error_messages = error_messages
        self._tracer, self._follows = self._find_tracer()
        meter = metrics.get_meter(_SCOPE, _RELEASE, meter_provider)
        self._counts = JobCounts(meter, TaskLabels(task_names))

    def adding(self, queue: str, names: Sequence[str]) -> Added:
        """Follow a call that adds jobs of these names to a queue."""
        tracer, follows = self._settled_tracer()
        return Added(tracer, self._counts, queue, names, "add" if len(names) == 1 else "addBulk", follows=follows)

    def adding_flow(self, nodes: Sequence[tuple[str, str]], children: Sequence[Sequence[int]]) -> AddedFlow:
        """Follow a call that adds a flow: see `Telemetry`."""
        tracer, follows = self._settled_tracer()
        return AddedFlow(tracer, self._counts, nodes, children, follows=follows)

    def working(self, worker: Watched) -> Following:
        """Follow a worker."""
        tracer, _ = self._settled_tracer()
        return Following(tracer, self._counts, worker, settle_spans=self._settle_spans, messages=self._error_messages)

    def carrier(self) -> Mapping[str, str]:
        """Return the current context as propagation headers."""
        return write_carrier()

    def resume(self, carrier: Mapping[str, str]) -> None:
        """Go on in the context of these headers; the one that there was is forgotten."""
        contexts.attach(read_carrier(carrier))

    def _settled_tracer(self) -> tuple[Tracer, bool]:
        # One asked for before OpenTelemetry was set up stands for the later one: how that samples it cannot say.
        if isinstance(self._tracer, ProxyTracer):
            self._tracer, self._follows = self._find_tracer()
        return self._tracer, self._follows

    def _find_tracer(self) -> tuple[Tracer, bool]:
        tracer = trace.get_tracer(_SCOPE, _RELEASE, self._tracer_provider)
        return tracer, follows_parents(tracer)

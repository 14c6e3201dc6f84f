"""Set OpenTelemetry up for a test: to send to a collector, or to keep what was recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import Tracer

from oxmq.telemetry import OpenTelemetry

_PARENT_BASED = ParentBased(ALWAYS_ON)


@contextlib.contextmanager
def sending_to(url: str) -> Generator[OpenTelemetry]:
    """Return what sends to a collector; all has been sent when the block ends."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"), 3_600_000)
    meters = MeterProvider([reader])
    try:
        yield OpenTelemetry(tracers, meters)
    finally:
        tracers.shutdown()
        meters.shutdown()


class Recorder:
    """Keep what is recorded.

    Attributes:
        telemetry: what is given to the parts under test.
        tracer: makes spans of the test's own.
    """

    def __init__(self, sampler: Sampler = _PARENT_BASED, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._tracers = TracerProvider(sampler=sampler)
        self._tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._meters = MeterProvider([self._reader])
        self.telemetry = OpenTelemetry(self._tracers, self._meters, **options)
        self.tracer: Tracer = self._tracers.get_tracer("test")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Return the spans that have ended, in the order in which they did."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name that have ended."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only span of a name."""
        found = self.named(name)
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]

    def forget(self) -> None:
        """Forget the spans."""
        self._exporter.clear()

    def metrics(self) -> dict[str, dict[frozenset[tuple[str, Any]], Any]]:
        """Return the points of each metric, by their attributes."""
        data = self._reader.get_metrics_data()
        found: dict[str, dict[frozenset[tuple[str, Any]], Any]] = {}
        for of_resource in data.resource_metrics if data is not None else ():
            for scope in of_resource.scope_metrics:
                for metric in scope.metrics:
                    series = found.setdefault(metric.name, {})
                    for point in metric.data.data_points:
                        series[frozenset((point.attributes or {}).items())] = point
        return found

    def close(self) -> None:
        """End the threads."""
        self._tracers.shutdown()
        self._meters.shutdown()

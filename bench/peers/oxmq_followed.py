"""oxmq with OpenTelemetry, as the environment says: BENCH_SAMPLED (off, or a share from 0 to 1) and BENCH_COLLECTOR."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.contract import CHUNK, QUEUE, Handler
from bench.measure import run_async
from bench.peers.oxmq import Oxmq
from oxmq import Job, Queue, Worker
from oxmq.options import Telemetry


class Followed(Oxmq):
    """The peer. The jobs that it processes carry contexts of their own, as jobs do that were added one by one."""

    def __init__(self) -> None:
        sampled = os.environ["BENCH_SAMPLED"]
        self._share = None if sampled == "off" else float(sampled)
        self._telemetry: Any = None if self._share is None else _opentelemetry(self._share)

    async def open(self, url: str) -> None:
        """Connect the producer."""
        self._url = url
        self._queue = Queue(QUEUE, connection=url, telemetry=self._telemetry)

    async def add_many(self, count: int) -> None:
        """Add in chunks."""
        if self._share is None or "process" not in sys.argv:
            await super().add_many(count)
            return
        for start in range(0, count, CHUNK):
            numbers = range(start, min(start + CHUNK, count))
            await self._queue.add_bulk([("noop", {"i": i}, {"telemetry": self._context()}) for i in numbers])

    @asynccontextmanager
    async def worker(self, concurrency: int, handler: Handler) -> AsyncIterator[None]:
        """Run a worker on this loop."""

        async def process(job: Job) -> None:
            handler(job.data["i"])

        worker = Worker(
            QUEUE, process, self._url, concurrency=concurrency, remove_on_complete=None, telemetry=self._telemetry
        )
        async with worker:
            running = asyncio.create_task(worker.run())
            yield
            await worker.close(force=True)
            await running

    def _context(self) -> Telemetry:
        sampled = random.random() < (self._share or 0)
        header = f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-{int(sampled):02x}"
        return Telemetry(f'{{"traceparent":"{header}"}}')


def _opentelemetry(share: float) -> Any:
    """Return what sends to the collector, set up as ``oxmq worker --otel`` does, with a share of traces sampled."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from oxmq.telemetry import OpenTelemetry

    collector = os.environ["BENCH_COLLECTOR"]
    tracers = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)))
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(f"{collector}/v1/metrics"), 1_000)])
    return OpenTelemetry(tracers, meters)


if __name__ == "__main__":
    run_async(Followed())

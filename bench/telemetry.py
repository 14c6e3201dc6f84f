"""`python -m bench.telemetry`: what following jobs with OpenTelemetry costs, against the same without.

Short slices of work with and without follow one another in one process, many times, so that whatever else the machine
does slows them alike; a figure is the median of the ratios of neighbours. Spans and metrics go to a collector in a
process of its own, which throws them away.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any

from msgspec import Struct
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from bench.contract import QUEUE
from bench.measure import fastest_loop
from bench.server import Server, fresh_server
from oxmq import Job, Queue, Worker
from oxmq.options import Telemetry

#: What following may cost: the least share of the throughput that is left, where few traces are sampled.
BUDGET = 0.85
#: The shares of traces that are sampled, and whether they count against the budget.
SHARES = {0.0: True, 0.01: True, 1.0: False}
#: What does not count of a slice that processes jobs: the worker's start.
WARM = 500


class Side(Struct):
    """Hold one of those that are compared.

    Attributes:
        share: the share of traces that is sampled; None for one that follows nothing.
        telemetry: what follows its jobs.
        flush: sends what was recorded, so that the next slice does not pay for it.
    """

    share: float | None
    telemetry: Any = None
    flush: Callable[[], object] = bool

    def request(self) -> Context:
        """Return the context of a request that somebody else follows, who samples as much."""
        sampled = TraceFlags(int(random.random() < (self.share or 0)))
        span = SpanContext(random.getrandbits(128), random.getrandbits(64), True, sampled)
        return trace.set_span_in_context(NonRecordingSpan(span), Context())

    def context(self) -> dict[str, Any]:
        """Return the options of a job that was added by itself, by somebody who samples as much."""
        if self.share is None:
            return {}
        sampled = int(random.random() < self.share)
        header = f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-{sampled:02x}"
        return {"telemetry": Telemetry(f'{{"traceparent":"{header}"}}')}


async def add_single(url: str, side: Side, *, in_requests: bool = False) -> float:
    """Return how many jobs a second are added one after the other, each in a request of its own or in none."""
    return await _added(url, side, 400, lambda queue: _add_in_turn(queue, 400, side if in_requests else None))


async def add_concurrent(url: str, side: Side, *, in_requests: bool = False) -> float:
    """Return how many jobs a second a hundred coroutines add, as `add_single`."""
    requests = side if in_requests else None

    async def add(queue: Queue) -> None:
        await asyncio.gather(*(_add_in_turn(queue, 40, requests) for _ in range(100)))

    return await _added(url, side, 4000, add)


async def add_bulk(url: str, side: Side) -> float:
    """Return how many jobs a second are added, a thousand a call."""

    async def add(queue: Queue) -> None:
        for _ in range(5):
            await queue.add_bulk([("noop", {"i": i}) for i in range(1000)])

    return await _added(url, side, 5000, add)


async def process(url: str, side: Side, slots: int) -> float:
    """Return how many waiting jobs a second are processed."""
    jobs = 4000
    async with Queue(QUEUE, url) as queue:
        await queue.add_bulk([("noop", {"i": i}, side.context()) for i in range(WARM + jobs)])
    done, times = asyncio.Event(), [0.0, 0.0]
    seen = iter(range(1, WARM + jobs + 1))

    async def handle(_: Job) -> None:
        number = next(seen)
        if number == WARM:
            times[0] = time.perf_counter()
        elif number == WARM + jobs:
            times[1] = time.perf_counter()
            done.set()

    async with Worker(QUEUE, handle, url, concurrency=slots, telemetry=side.telemetry) as worker:
        worker.start()
        await done.wait()
    return jobs / (times[1] - times[0])


Measure = Callable[[str, Side], Awaitable[float]]

MEASUREMENTS: dict[str, Measure] = {
    "add, one by one": add_single,
    "the same in requests": lambda url, side: add_single(url, side, in_requests=True),
    "add, 100 at a time": add_concurrent,
    "the same in requests, 100 at a time": lambda url, side: add_concurrent(url, side, in_requests=True),
    "add, bulk": add_bulk,
    "process, 10 slots": lambda url, side: process(url, side, 10),
    "process, 100 slots": lambda url, side: process(url, side, 100),
}


async def measure_all(server: Server, collector: str, pairs: int) -> dict[str, dict[float | None, list[float]]]:
    """Return the rates of each measurement, by the share that is sampled (None: nothing is followed)."""
    sides = [Side(None), *(_followed(share, collector) for share in SHARES)]
    found: dict[str, dict[float | None, list[float]]] = {}
    for name, measure in MEASUREMENTS.items():
        rates = found[name] = {side.share: [] for side in sides}
        for number in range(pairs + 1):
            for side in sides if number % 2 else reversed(sides):
                server.empty()
                rate = await measure(server.url, side)
                side.flush()
                if number:  # the first slices only warm up
                    rates[side.share].append(rate)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what following jobs with OpenTelemetry costs.")
    parser.add_argument("--pairs", type=int, default=20, help="how many slices of each kind")
    parser.add_argument("--collect", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.collect:
        collect()
    with fresh_server() as server, _collector() as collector, asyncio.Runner(loop_factory=fastest_loop()) as runner:
        found = runner.run(measure_all(server, collector, arguments.pairs))
    return report(found)


def report(found: dict[str, dict[float | None, list[float]]]) -> int:
    """Print the table; return 1 where the budget is missed."""
    print(f"{'jobs per second':<36}{'off':>9}" + "".join(f"{share:>9.0%} sampled" for share in SHARES))
    met = True
    for name, rates in found.items():
        ratios = {
            share: median(with_it / off for with_it, off in zip(rates[share], rates[None], strict=True))
            for share in SHARES
        }
        met = met and all(ratios[share] >= BUDGET for share, counts in SHARES.items() if counts)
        print(f"{name:<36}{median(rates[None]):>9,.0f}" + "".join(f"{ratios[share]:>16.2f} " for share in SHARES))
    print(f"budget: {BUDGET} of off, where at most 1 % is sampled: {'met' if met else 'missed'}")
    return 0 if met else 1


async def _added(url: str, side: Side, jobs: int, add: Callable[[Queue], Awaitable[object]]) -> float:
    async with Queue(QUEUE, url, telemetry=side.telemetry) as queue:
        await _add_in_turn(queue, 20)
        begin = time.perf_counter()
        await add(queue)
        return jobs / (time.perf_counter() - begin)


async def _add_in_turn(queue: Queue, jobs: int, requests: Side | None = None) -> None:
    for number in range(jobs):
        if requests is not None:
            contexts.attach(requests.request())
        await queue.add("noop", {"i": number})


def _followed(share: float, collector: str) -> Side:
    """Return a side that sends to the collector, set up as ``oxmq worker --otel`` does."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from oxmq.telemetry import OpenTelemetry

    tracers = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)))
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(f"{collector}/v1/metrics"))])
    return Side(share, OpenTelemetry(tracers, meters), tracers.force_flush)


@contextmanager
def _collector() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.telemetry", "--collect"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


class _Sink(BaseHTTPRequestHandler):
    """Take what comes, and forget it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def collect() -> None:
    """Be the collector until killed."""
    sink = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    print(sink.server_port, flush=True)
    sink.serve_forever()


if __name__ == "__main__":
    sys.exit(main())

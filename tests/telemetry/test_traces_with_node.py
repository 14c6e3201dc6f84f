"""A trace crosses between Node and Python: real BullMQ with its OpenTelemetry plug-in, and a collector for both."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oxmq import Job, Queue, Worker
from tests.support.waiting import eventually
from tests.telemetry.collector import CollectedSpan, Collector
from tests.telemetry.recording import sending_to
from tools.setup_node import VERSIONS, install_telemetry, node_executable, telemetry_folder

PROGRAM = Path(__file__).parent / "node" / "traced.mjs"
DEADLINE = 60.0

pytestmark = pytest.mark.parametrize("version", VERSIONS)


class Node:
    """Start the program of one version on one server."""

    def __init__(self, version: str, url: str, prefix: str, collector: str) -> None:
        install_telemetry(version)
        self._command = [str(node_executable()), str(PROGRAM), str(telemetry_folder(version)), url, prefix, collector]

    async def add(self, queue: str, name: str, data: dict[str, Any]) -> str:
        """Add a job and return its id, once the spans have been sent."""
        process = await self._start("add", queue, name, msgspec.json.encode(data).decode())
        output, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode == 0, errors.decode()
        return str(msgspec.json.decode(output)["id"])

    @contextlib.asynccontextmanager
    async def worker(self, queue: str) -> AsyncGenerator[None]:
        """Work a queue while the block lasts; when it ends the spans have been sent."""
        process = await self._start("work", queue)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert await asyncio.wait_for(process.stdout.readline(), DEADLINE)
            yield
            process.stdin.close()
            _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
            assert process.returncode == 0, errors.decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _start(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(*self._command, *words, stdin=PIPE, stdout=PIPE, stderr=PIPE)


async def test_a_trace_goes_from_node_to_python_and_back(version: str, redis_url: str, prefix: str) -> None:
    with Collector() as collector, sending_to(collector.url) as telemetry:
        node = Node(version, redis_url, prefix, collector.url)
        ours, theirs = f"ours-{version}", f"theirs-{version}"

        async with Queue(theirs, redis_url, prefix=prefix, telemetry=telemetry) as queue:

            async def handle(job: Job[Any]) -> str:
                await queue.add("onward", {"n": job.data["n"]})
                return "done in Python"

            async with Worker(ours, handle, redis_url, prefix=prefix, telemetry=telemetry) as worker:
                worker.start()
                async with node.worker(theirs):
                    await node.add(ours, "begin", {"n": 7})
                    await eventually(lambda: _completed(queue, 1), DEADLINE, "the job did not come back to Node")

    request = _one(collector.named("request"))
    of_trace = {span.id: span for span in collector.spans if span.trace == request.trace}
    assert _way(of_trace, _one(collector.named("handler"))) == [
        ("INTERNAL", "handler"),
        ("CONSUMER", f"process {theirs}"),
        ("PRODUCER", f"add {theirs}.onward"),
        ("CONSUMER", f"process {ours}"),
        ("PRODUCER", f"add {ours}.begin"),
        ("INTERNAL", "request"),
    ]


async def test_a_trace_goes_from_python_to_node_and_back(version: str, redis_url: str, prefix: str) -> None:
    with Collector() as collector, sending_to(collector.url) as telemetry:
        node = Node(version, redis_url, prefix, collector.url)
        ours, theirs = f"ours-{version}", f"theirs-{version}"

        async def handle(job: Job[Any]) -> str:
            return f"done in Python: {job.data}"

        async with (
            Worker(ours, handle, redis_url, prefix=prefix, telemetry=telemetry) as worker,
            Queue(theirs, redis_url, prefix=prefix, telemetry=telemetry) as first,
            Queue(ours, redis_url, prefix=prefix) as second,
        ):
            worker.start()
            async with node.worker(theirs):
                await first.add("begin", {"to": ours, "name": "onward", "data": 3})
                await eventually(lambda: _completed(second, 1), DEADLINE, "the job did not come back to Python")

    last = _one(collector.named(f"process {ours}"))
    of_trace = {span.id: span for span in collector.spans if span.trace == last.trace}
    assert _way(of_trace, last) == [
        ("CONSUMER", f"process {ours}"),
        ("PRODUCER", f"add {ours}.onward"),
        ("CONSUMER", f"process {theirs}"),
        ("PRODUCER", f"add {theirs}.begin"),
    ]


async def _completed(queue: Queue, count: int) -> bool:
    return await queue.get_completed_count() >= count


def _one(spans: list[CollectedSpan]) -> CollectedSpan:
    assert len(spans) == 1, spans
    return spans[0]


def _way(spans: dict[str, CollectedSpan], span: CollectedSpan) -> list[tuple[str, str]]:
    """Return kind and name of a span and of all above it."""
    way = [(span.kind, span.name)]
    while span.parent:
        span = spans[span.parent]
        way.append((span.kind, span.name))
    return way

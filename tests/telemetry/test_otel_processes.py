"""``oxmq worker --otel``: real processes that send to a collector, or to one that is away; and processes without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oxmq import Job, Queue
from oxmq.ops import remote_runs
from oxmq.ops.remote_runs import RemoteRun
from tests.integration.bed import Bed, reaches
from tests.support.processes import ROOT, Process
from tests.support.waiting import eventually
from tests.telemetry.collector import CollectedSpan, Collector

PATIENCE = 60.0
SECRET = "hush-9e2d"
TASKS = "tests.telemetry.followed_tasks"

StartWorker = Callable[..., Process]


@pytest.fixture
def start_worker(tmp_path: Path, redis_url: str, prefix: str) -> Any:
    started: list[Process] = []

    def start(*options: str, **environment: str) -> Process:
        known = {"OXMQ_URL": redis_url, "OXMQ_TEST_PREFIX": prefix, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
        words = ("worker", f"{TASKS}:app", "--grace=5", *options)
        started.append(Process(TASKS, words, tmp_path / f"worker-{len(started)}.log", known | environment))
        return started[-1]

    yield start
    for process in started:
        if process.exit_code is None:
            process.kill9()


async def end(worker: Process) -> None:
    worker.terminate()
    await eventually(lambda: worker.exit_code is not None, PATIENCE, worker.tail())
    assert worker.exit_code == 0, worker.tail()


async def completed(queue: Queue, count: int, worker: Process) -> None:
    async def is_so() -> bool:
        return await queue.get_completed_count() >= count

    await eventually(is_so, PATIENCE, worker.tail())


async def test_a_trace_goes_through_every_kind_of_process(bed: Bed, start_worker: StartWorker) -> None:
    with Collector() as collector:
        worker = start_worker("--otel", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        queue = bed.queue("followed")
        await queue.add("on_the_loop", {"secret": SECRET})
        await completed(queue, 4, worker)
        await end(worker)
    spans = {span.id: span for span in collector.spans}
    last = only(collector.named("in a pod"))
    way = [(last.kind, last.name)]
    span = last
    while span.parent:
        span = spans[span.parent]
        way.append((span.kind, span.name))
    run = ("CONSUMER", "process followed")
    assert way == [
        ("INTERNAL", "in a pod"), run,
        ("PRODUCER", "add followed.in_a_pod"), ("INTERNAL", "in a process"), run,
        ("PRODUCER", "add followed.in_a_process"), ("INTERNAL", "in a thread"), run,
        ("PRODUCER", "add followed.in_a_thread"), ("INTERNAL", "on the loop"), run,
    ]  # fmt: skip
    assert {span.service for span in collector.spans} == {"oxmq-worker"}
    assert not any(SECRET.encode() in body for body in collector.bodies)
    ended = {dict(series)["task"]: point.as_int for series, point in collector.points("oxmq.jobs.completed").items()}
    assert ended == {"on_the_loop": 1, "in_a_thread": 1, "in_a_process": 1, "in_a_pod": 1}


async def test_several_processes_send_each_for_itself(bed: Bed, start_worker: StartWorker) -> None:
    with Collector() as collector:
        worker = start_worker(
            "--processes=2", OXMQ_OTEL="1", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="shop"
        )
        queue = bed.queue("followed")
        await queue.add("in_a_pod", {"secret": SECRET})
        await completed(queue, 1, worker)
        await eventually(lambda: collector.points("oxmq.worker.slots"), PATIENCE, worker.tail())
        await end(worker)
    assert {span.service for span in collector.spans} == {"shop"}
    assert only(collector.named("process followed"))


async def test_a_collector_that_is_away_harms_nothing(bed: Bed, start_worker: StartWorker) -> None:
    worker = start_worker("--otel", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    queue = bed.queue("followed")
    await queue.add("in_a_process", {"secret": SECRET})
    await completed(queue, 2, worker)
    await end(worker)


async def test_a_run_in_a_pod_goes_on_in_the_workers_trace(bed: Bed, redis_url: str, tmp_path: Path) -> None:
    with Collector() as collector:
        queue = bed.queue("followed")
        job = await queue.add("in_a_pod", {"secret": SECRET})
        by_hand = bed.worker(print, "followed")
        assert await by_hand.get_next_job("t")
        run = RemoteRun(
            number=1, attempt=1, namespace="jobs", name="pod", phase="spawned", uid="u", at_ms=job.record.timestamp
        )
        await by_hand.context.runner.run(remote_runs.note_run(by_hand.context.keys, job.id, "t", run, fresh=False))
        pod = Process(
            TASKS,
            ("run-job", f"{TASKS}:in_a_pod", "--queue=followed", f"--job={job.id}", "--run=1", "--otel"),
            tmp_path / "pod.log",
            {
                "OXMQ_URL": redis_url,
                "OXMQ_TEST_PREFIX": bed.prefix,
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "TRACEPARENT": "00-11111111111111111111111111111111-2222222222222222-01",
            },
        )
        await eventually(lambda: pod.exit_code is not None, PATIENCE, pod.tail())
        assert pod.exit_code == 0, pod.tail()
    span = only(collector.named("in a pod"))
    assert (span.trace, span.parent, span.service) == ("1" * 32, "2" * 16, "oxmq-job")


def test_opentelemetry_that_is_missing_is_named(redis_url: str) -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
sys.argv = ["oxmq", "worker", "tests.telemetry.talkative_tasks:app", "--otel"]
from oxmq.cli import main
main()
"""
    done = run_python(code, OXMQ_URL=redis_url)
    assert done.returncode == 2
    assert 'not installed: pip install "oxmq[otel]"' in done.stderr
    assert "Traceback" not in done.stderr
    with_import = 'import sys; sys.modules["opentelemetry"] = None; from oxmq.telemetry import OpenTelemetry'
    assert 'ImportError: OpenTelemetry is not installed: pip install "oxmq[otel]"' in run_python(with_import).stderr


def test_without_it_nothing_of_opentelemetry_is_imported(redis_url: str, prefix: str) -> None:
    code = f"""
import asyncio, json, sys
sys.modules["opentelemetry"] = None
from oxmq import Oxmq
app = Oxmq({redis_url!r}, prefix={prefix!r})
@app.task
async def greet(): return 1
async def main():
    async with app:
        worker = app.worker()
        running = asyncio.create_task(worker.run(handle_signals=False))
        await (await greet.enqueue()).result(timeout=60)
        await worker.close()
        await running
asyncio.run(main())
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry.", "oxmq.telemetry"))]))
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


async def test_without_it_a_job_is_stored_as_ever(bed: Bed, redis_client: Any) -> None:
    async def handle(_: Job[Any]) -> None:
        raise ValueError("no")

    job = await bed.queue().add("greet", 1, attempts=2)
    bed.working(handle)
    await reaches(job, "failed", PATIENCE)
    fields = redis_client.hgetall(f"{bed.prefix}:q:{job.id}")
    assert json.loads(fields["opts"]) == {"attempts": 2}
    assert fields.keys() == {
        "name", "data", "opts", "timestamp", "delay", "priority", "processedOn", "ats", "atm", "failedReason",
        "stacktrace", "finishedOn",
    }  # fmt: skip


def only(spans: list[CollectedSpan]) -> CollectedSpan:
    assert len(spans) == 1, spans
    return spans[0]


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

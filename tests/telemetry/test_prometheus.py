"""What a worker process tells Prometheus of its own work, and that this and the view of all queues go together."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from oxmq import Job
from oxmq.errors import RateLimited
from oxmq.ops.metrics import exposition, job_count
from oxmq.telemetry.combined import Combined
from oxmq.telemetry.measures import DURATIONS, MEASURES
from oxmq.telemetry.prometheus import JobMetrics
from oxmq.web import oxmq_web
from oxmq.web.worker_endpoint import worker_endpoint
from tests.integration.bed import Bed, reaches
from tests.support.processes import Processes
from tests.support.waiting import eventually
from tests.telemetry.test_logs import TARGET, ended, line_of
from tests.web.serving import serving

PATIENCE = 30.0

_Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str | bytes) -> _Series:
    """Return what a scrape finds: no series may be there twice."""
    decoded = text if isinstance(text, str) else text.decode()
    samples = [sample for family in text_string_to_metric_families(decoded) for sample in family.samples]
    names = Counter((sample.name, tuple(sorted(sample.labels.items()))) for sample in samples)
    assert [name for name, count in names.items() if count > 1] == []
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


class Scrape:
    """Look up what metrics say."""

    def __init__(self, text: str | bytes) -> None:
        self.series = read(text)

    def value(self, name: str, **labels: str) -> float | None:
        return self.series.get((name, tuple(sorted(labels.items()))))

    def names(self) -> set[str]:
        return {name for name, _ in self.series}


async def scraped(metrics: JobMetrics, **ended: tuple[str, int]) -> Scrape:
    """Return what is told once so many jobs of a task have ended so."""
    found: list[Scrape] = []

    def fits() -> bool:
        found[:] = [Scrape(metrics.text())]
        counts = [found[0].value(f"oxmq_jobs_{end}_total", queue="q", task=task) for end, (task, _) in ended.items()]
        return counts == [count for _, count in ended.values()]

    await eventually(fits, PATIENCE)
    return found[0]


async def test_each_end_of_a_job_is_counted_with_its_times(bed: Bed) -> None:
    metrics = JobMetrics()
    app = bed.app(telemetry=metrics)

    @app.task(queue="q")
    async def good() -> None: ...

    @app.task(queue="q", attempts=2)
    async def bad() -> None:
        raise ValueError

    worker = bed.app_worker(app, concurrency=3)
    running = asyncio.create_task(worker.run(handle_signals=False))
    await app.enqueue_many([good.call() for _ in range(5)])
    job = await bad.enqueue()
    await asyncio.to_thread(bad.enqueue_sync)
    await reaches(job, "failed", PATIENCE)

    scrape = await scraped(metrics, completed=("good", 5), failed=("bad", 2))
    assert scrape.value("oxmq_jobs_added_total", queue="q", task="good") == 5
    assert scrape.value("oxmq_jobs_added_total", queue="q", task="bad") == 2
    assert scrape.value("oxmq_jobs_retried_total", queue="q", task="bad") == 2
    assert scrape.value("oxmq_job_duration_seconds_count", queue="q", task="bad") == 4
    # Of an attempt after the first it is not known since when the job could have run.
    assert scrape.value("oxmq_job_wait_seconds_count", queue="q", task="bad") == 2
    assert scrape.value("oxmq_job_duration_seconds_bucket", queue="q", task="good", le="+Inf") == 5
    assert scrape.value("oxmq_worker_slots", queue="q") == 3
    assert scrape.value("oxmq_worker_active_jobs", queue="q") == 0
    assert scrape.value("oxmq_worker_healthy", queue="q") == 1
    assert scrape.value("oxmq_worker_loop_lag_seconds", queue="q") is not None
    assert "process_resident_memory_bytes" in scrape.names()
    await worker.close()
    await running
    after = Scrape(metrics.text())
    assert after.value("oxmq_jobs_completed_total", queue="q", task="good") == 5
    assert after.value("oxmq_worker_slots", queue="q") is None


async def test_times_are_sorted_into_buckets_that_add_up(bed: Bed) -> None:
    metrics = JobMetrics(CollectorRegistry())

    async def process(_: Job[Any]) -> None:
        await asyncio.sleep(0.03)

    job = await bed.queue().add("nap", delay=0.2)
    bed.working(process, telemetry=metrics)
    await job.result(timeout=PATIENCE)
    scrape = await scraped(metrics, completed=("nap", 1))
    buckets = [
        scrape.value("oxmq_job_duration_seconds_bucket", queue="q", task="nap", le=str(bound)) for bound in DURATIONS
    ]
    assert buckets == sorted(count for count in buckets if count is not None)
    assert buckets[:3] == [0, 0, 0]
    assert buckets[-1] == 1
    assert (scrape.value("oxmq_job_duration_seconds_sum", queue="q", task="nap") or 0) >= 0.03
    assert "process_resident_memory_bytes" not in scrape.names()


async def test_what_is_no_end_is_not_counted(bed: Bed) -> None:
    metrics, runs = JobMetrics(), 0

    async def process(_: Job[Any]) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RateLimited(0.01)

    job = await bed.queue().add("a")
    bed.working(process, telemetry=metrics)
    await job.result(timeout=PATIENCE)
    scrape = await scraped(metrics, completed=("a", 1))
    assert scrape.value("oxmq_jobs_retried_total", queue="q", task="a") is None
    assert scrape.value("oxmq_jobs_failed_total", queue="q", task="a") is None


async def test_names_that_nobody_knows_make_one_series(bed: Bed) -> None:
    metrics = JobMetrics(task_names=["known"])

    async def process(_: Job[Any]) -> None: ...

    queue = bed.queue()
    await queue.add_bulk([(name, {}) for name in ("known", 'x"y\\', "z" * 500, "other")])
    bed.working(process, telemetry=metrics)

    def counted() -> tuple[float | None, float | None]:
        scrape = Scrape(metrics.text())
        return (scrape.value("oxmq_jobs_completed_total", queue="q", task="known"),
                scrape.value("oxmq_jobs_completed_total", queue="q", task="other"))  # fmt: skip

    await eventually(lambda: counted() == (1, 3), PATIENCE)


async def test_stalled_jobs_are_counted(bed: Bed, redis_client: Any) -> None:
    metrics, running, release = JobMetrics(), asyncio.Event(), asyncio.Event()

    async def process(_: Job[Any]) -> None:
        running.set()
        await release.wait()

    job = await bed.queue().add("long")
    bed.working(process, telemetry=metrics, lock_duration=0.5, stalled_interval=0.2)
    await asyncio.wait_for(running.wait(), PATIENCE)
    redis_client.delete(f"{bed.prefix}:q:{job.id}:lock")
    await eventually(lambda: Scrape(metrics.text()).value("oxmq_jobs_stalled_total", queue="q"), PATIENCE)
    release.set()


async def test_two_may_follow_the_same_jobs(bed: Bed) -> None:
    first, second = JobMetrics(), JobMetrics()

    async def process(_: Job[Any]) -> None: ...

    both = Combined(first, second)
    job = await bed.queue(telemetry=both).add("a")
    bed.working(process, telemetry=both)
    await job.result(timeout=PATIENCE)

    for metrics in (first, second):
        await scraped(metrics, added=("a", 1), completed=("a", 1))


def test_a_name_that_is_taken_in_a_registry_is_refused() -> None:
    registry = CollectorRegistry()
    JobMetrics(registry)
    with pytest.raises(ValueError, match="oxmq_jobs_added"):
        JobMetrics(registry)


# ---- a worker process --------------------------------------------------------------------------------------------


async def test_a_worker_process_answers_for_itself(processes: Processes, bed: Bed) -> None:
    process = processes.start("oxmq", "worker", TARGET, "--health", "127.0.0.1:0", "--log-format", "json")
    address = (await asyncio.to_thread(line_of, process, f"works {TARGET}"))["health"]
    queue = bed.queue("talk")
    for name in ("on_the_loop", "failing", "nobody knows it"):
        await ended(await queue.add(name, {"secret": "x"}))
    async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE) as client:

        async def counted() -> bool:
            scrape = Scrape((await client.get("/metrics")).text)
            failed = [scrape.value("oxmq_jobs_failed_total", queue="talk", task=task) for task in ("failing", "other")]
            return scrape.value("oxmq_jobs_completed_total", queue="talk", task="on_the_loop") == 1 and failed == [1, 1]

        await eventually(counted, PATIENCE)
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    scrape = Scrape(answer.text)
    assert scrape.value("oxmq_worker_slots", queue="talk") == 10
    assert scrape.value("oxmq_worker_healthy", queue="talk") == 1
    assert scrape.value("process_resident_memory_bytes")
    process.terminate()
    assert process.wait(PATIENCE) == 0


async def test_what_a_worker_and_the_dashboard_tell_does_not_overlap(bed: Bed) -> None:
    metrics = JobMetrics(CollectorRegistry())

    async def process(_: Job[Any]) -> None: ...

    job = await bed.queue(telemetry=metrics).add("a")
    worker = bed.working(process, telemetry=metrics)
    await job.result(timeout=PATIENCE)
    async with serving(oxmq_web(bed.url, prefix=bed.prefix)) as url, httpx2.AsyncClient(base_url=url) as client:
        of_all = Scrape((await client.get("/metrics")).text)
    of_one = Scrape(metrics.text())
    assert of_all.names() & of_one.names() == set()
    assert of_all.value("oxmq_queue_slots", queue="q") == 1
    assert worker.is_running
    known = {measure.prometheus for measure in MEASURES}
    ends = ("_bucket", "_count", "_sum", "_created")
    bases = {next((name.removesuffix(end) for end in ends if name.endswith(end)), name) for name in of_one.names()}
    assert bases <= known


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "brace}{", "umlaut-ü", "comma,=1", "two\nlines", "\\n"])
def test_hostile_names_are_told_as_they_are(name: str) -> None:
    """Node's producers may give queues and jobs any name."""
    of_all = Scrape(exposition([job_count([({"queue": name, "state": "waiting"}, 1)])]) + "\n")
    assert of_all.value("bullmq_job_count", queue=name, state="waiting") == 1
    metrics = JobMetrics(CollectorRegistry())
    metrics.count_added([(name, name)])
    assert Scrape(metrics.text()).value("oxmq_jobs_added_total", queue=name, task=name) == 1


async def test_where_nothing_is_measured_it_is_said(bed: Bed) -> None:
    app = bed.app()

    @app.task
    def task() -> None: ...

    async with serving(worker_endpoint(app.worker())) as url, httpx2.AsyncClient(base_url=url) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 501
    assert "oxmq[prometheus]" in answer.json()["error"]


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("oxmq.web.worker_endpoint", ("fastapi", "pydantic", "prometheus_client")),
        ("oxmq, oxmq.app_worker, oxmq.cli.program", ("starlette", "prometheus_client", "opentelemetry")),
    ],
)
def test_nothing_is_imported_that_is_not_needed(imported: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {imported}; print(*(name for name in {absent!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

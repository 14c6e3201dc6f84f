"""How queues went, how much there is to do, how the server is, and what probes are told."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import msgspec
import pytest
from msgspec import structs
from pydantic import TypeAdapter

from oxmq import Job
from oxmq.codec import instant
from oxmq.histograms import Histogram
from oxmq.monitor.history import QueueMetrics, by_minute, recent_of, spread, with_kept
from oxmq.monitor.load import Load
from oxmq.monitor.overview import Overview
from oxmq.monitor.queues import QueueDetail, QueueList
from oxmq.monitor.server import ServerView
from oxmq.monitor.site import Site
from oxmq.monitor.workers import WorkerList
from oxmq.ops import history
from oxmq.ops.history import Counts
from oxmq.ops.metrics import NO_METRICS, Metrics, MetricsMeta
from oxmq.ops.running import Timing
from oxmq.web import examples, oxmq_web
from tests.integration.bed import Bed, reaches
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import eventually
from tests.web.serving import Web, serving


async def work(job: Job[Any]) -> None:
    if job.name == "bad":
        raise ValueError("no")


async def hang(job: Job[Any]) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("times", "expected"),
    [([], (None, None, None)), ([5], (0.005,) * 3), ([None, *range(1, 101)], (0.05, 0.095, 0.099))],
)
def test_a_spread_names_what_a_share_did_not_exceed(
    times: list[int | None], expected: tuple[float | None, ...]
) -> None:
    found = spread(times)
    assert (found.p50, found.p95, found.p99) == expected


def test_recent_jobs_are_told_apart_by_name() -> None:
    completed = [Timing(name="a", run_ms=10, wait_ms=1), Timing(name="b", run_ms=30, wait_ms=None)] * 2
    failed = [Timing(name="b", run_ms=900, wait_ms=None)]
    found = recent_of(completed, failed)
    assert [(each.name, each.count, each.failed, each.run_p50) for each in found.by_name] == [
        ("b", 3, 1, 0.03),
        ("a", 2, 0, 0.01),
    ]
    assert (found.completed_run.p50, found.wait.p99) == (0.01, 0.001)


async def test_minutes_and_recent_jobs(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    jobs = await queue.add_bulk([("good", {}), ("good", {}), ("bad", {})])
    bed.working(work, "email")
    for job, state in zip(jobs, ("completed", "completed", "failed"), strict=True):
        await reaches(job, state)
    site: Site = web.app.state.web.site
    now = site.clock.now_ms() + history.MINUTE_MS
    assert await site.runner.run(history.record(site.keys("email"), history.last_full_minute(now), now))
    metrics = await web.get("/api/metrics/email", minutes=5)
    (point,) = metrics["points"]
    assert (point["completed"], point["failed"], point["sampled"]) == (2, 1, 2)
    assert point["at"].endswith("Z")
    assert 0 <= point["run_p50"] <= point["run_p99"] < 5
    assert {each["name"]: (each["count"], each["failed"]) for each in metrics["recent"]["by_name"]} == {
        "good": (2, 0),
        "bad": (1, 1),
    }
    summary = (await web.get("/api/overview"))["queues"]["email"]
    assert [(each["completed"], each["failed"]) for each in summary["spark"]] == [(2, 1)]
    assert (await web.get("/api/metrics/email", 422, minutes=0))["errors"][0]["field"] == "query.minutes"


async def test_a_queue_without_a_past(web: Web) -> None:
    metrics = await web.get("/api/metrics/nope")
    assert (metrics["points"], metrics["recent"]["by_name"]) == ([], [])
    assert (metrics["counted"], metrics["heat"], metrics["kept"]) == (None, None, None)


async def test_what_workers_counted_is_exact_though_no_job_is_left(web: Web, bed: Bed) -> None:
    await bed.queue("email").add("keeper", {})
    site: Site = web.app.state.web.site
    last = history.last_full_minute(site.clock.now_ms())
    for worker, ago, ran in (("one", 0, [100] * 99), ("other", 0, [30_000]), ("one", 7, [100] * 9 + [0])):
        counts = Counts(len(ran), 1, 2, Histogram.of(ran), Histogram.of([3] * len(ran)))
        minute = last - ago * history.MINUTE_MS
        assert await site.runner.run(history.add_counts(site.keys("email"), f"{worker}-{ago}", minute, counts))
    metrics = await web.get("/api/metrics/email", minutes=60)
    assert [
        (point["exact"], point["completed"], point["failed"], point["retried"], point["sampled"], point["waiting"])
        for point in metrics["points"]
    ] == [(True, 10, 1, 2, 10, None), (True, 100, 2, 4, 100, None)]
    assert metrics["points"][1]["run_p99"] == pytest.approx(0.1, rel=0.1)
    counted = metrics["counted"]
    assert (counted["completed"], counted["failed"], counted["retried"]) == (110, 3, 6)
    assert (counted["run"]["p50"], counted["wait"]["p99"]) == (pytest.approx(0.1, rel=0.1), 0.003)
    heat = metrics["heat"]
    assert (heat["step"], heat["bounds"][0], heat["bounds"][-1]) == (60, 0, 32.767)
    assert [sum(column["run"]) for column in heat["columns"]] == [10, 100]
    assert heat["columns"][0]["run"][0] == 1
    assert heat["columns"][1]["run"][-1] == 1
    assert all(len(column["wait"]) == len(heat["bounds"]) for column in heat["columns"])
    wide = await web.get("/api/metrics/email", minutes=1440)
    assert wide["heat"]["step"] == 24 * 60
    assert sum(sum(column["run"]) for column in wide["heat"]["columns"]) == 110
    spark = (await web.get("/api/overview"))["queues"]["email"]["spark"]
    assert [each["completed"] for each in spark] == [10, 100]


async def test_rates_and_times_are_told_though_no_job_is_left(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    await queue.add("keeper", {})
    site: Site = web.app.state.web.site
    last = history.last_full_minute(site.clock.now_ms())
    counts = Counts(60, 2, 3, Histogram.of([7] * 60), Histogram.of([2] * 62))
    assert await site.runner.run(history.add_counts(site.keys("email"), "one", last, counts))
    summary = (await web.get("/api/overview"))["queues"]["email"]
    assert (summary["completed_per_minute"], summary["failed_per_minute"]) == (60, 2)
    lines = (await web.client.get("/metrics")).text.splitlines()
    assert 'oxmq_queue_ended_last_minute{queue="email", state="completed"} 60' in lines
    assert 'oxmq_queue_retried_last_minute{queue="email"} 3' in lines
    assert 'oxmq_queue_run_seconds{queue="email", quantile="0.99"} 0.0070000000000000001' in lines
    assert 'oxmq_queue_wait_seconds{queue="email", quantile="0.5"} 0.002' in lines


async def test_totals_of_bullmqs_own_metrics(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    jobs = await queue.add_bulk([("good", {}), ("good", {}), ("bad", {})])
    bed.working(work, "email", metrics=60)
    for job, state in zip(jobs, ("completed", "completed", "failed"), strict=True):
        await reaches(job, state)
    kept = (await web.get("/api/metrics/email"))["kept"]
    assert (kept["completed"], kept["failed"]) == (2, 1)


def listed(*data: int, at_ms: int) -> Metrics:
    """Return metrics whose newest minute was written at a moment."""
    return Metrics(MetricsMeta(sum(data), instant(at_ms), sum(data)), list(data), len(data))


def test_minutes_of_bullmqs_metrics_are_those_before_the_last_end() -> None:
    minute = history.MINUTE_MS
    found = by_minute(listed(5, 0, 7, 9, at_ms=100 * minute + 20_000), 97 * minute)
    assert found == {99 * minute: 5, 97 * minute: 7}
    assert by_minute(NO_METRICS, 0) == {}


def test_bullmqs_metrics_say_more_where_nobody_counted() -> None:
    sampled = structs.replace(history.nothing_written(60_000), completed=3, added=9)
    exact = structs.replace(history.nothing_written(120_000), completed=4, exact=True)
    found = with_kept([sampled, exact], {60_000: 8, 120_000: 99, 180_000: 1}, {60_000: 2})
    assert [(point.at_ms, point.completed, point.failed) for point in found] == [
        (60_000, 8, 2), (120_000, 4, 0), (180_000, 1, 0),
    ]  # fmt: skip


async def test_the_load_is_what_there_is_to_do_for_each_slot(
    web: Web, bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxmq.monitor.watch._WORKERS", 0.1)
    await bed.queue("idle").add("x", {}, delay=600)
    queue = bed.queue("email")
    await queue.add_bulk([("x", {}) for _ in range(6)])
    alone = await web.get("/api/load", queue="email")
    assert (alone["load"], alone["due"], alone["capacity"]) == (6, 6, 0)
    bed.working(hang, "email", concurrency=4)

    async def loaded() -> Any:
        load = await web.get("/api/load")
        return load if load["capacity"] == 4 and load["active"] == 4 else None

    load = await eventually(loaded, timeout=8)
    assert (load["load"], load["due"]) == (1.5, 2)
    assert load["queues"]["idle"] == {"load": 0, "active": 0, "due": 0, "capacity": 0}
    both = await web.client.get("/api/load?queue=email&queue=nope")
    assert list(both.json()["queues"]) == ["email", "nope"]
    assert (await web.get("/api/load", 422, queue="a:b"))["errors"][0]["field"] == "query.queue.0"


async def test_all_queues_for_prometheus(web: Web, bed: Bed) -> None:
    await bed.queue("email").add_bulk([("x", {}), ("x", {})])
    await bed.queue('od"d').get_job_counts()
    answer = await web.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'bullmq_job_count{queue="email", state="waiting"} 2' in lines
    assert 'oxmq_queue_added_total{queue="email"} 2' in lines
    assert 'oxmq_queue_slots{queue="email"} 0' in lines
    heads = [line for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    assert answer.text.endswith("\n")


async def test_how_the_server_is(web: Web, bed: Bed) -> None:
    await bed.queue("large").add_bulk([("x", {"text": "x" * 1_000}) for _ in range(50)])
    await bed.queue("small").add("x", {})
    server = await web.get("/api/server")
    assert server["name"] in ("Valkey", "Redis")
    assert server["memory"]["used"] > 0
    assert server["memory"]["limit"] is None
    assert server["persistence"].startswith("nothing is written to disk: ")
    assert server["eviction"].startswith("noeviction")
    assert server["clients"]["other"] >= 1
    assert 0 < server["latency"]["median"] <= server["latency"]["worst"]
    assert [queue["name"] for queue in server["queues"]] == ["large", "small"]
    large = server["queues"][0]
    assert 50_000 < large["memory_estimate"] < 250_000
    assert 0.5 < large["share"] <= 1
    findings = {finding["subject"]: finding for finding in server["findings"]}
    assert findings["persistence"]["level"] == "warning"
    assert findings["persistence"]["fix"]
    assert "nopass" not in str(server)


async def test_the_slow_log_names_scripts_and_shows_no_payload() -> None:
    with RedisServer(config={"slowlog-log-slower-than": "0"}) as redis:
        async with serving(oxmq_web(redis.url)) as url, httpx2.AsyncClient(base_url=url, timeout=10) as client:
            await client.post("/api/queues/email/jobs", json={"name": "x", "data": {"text": "payload"}})
            slow = (await client.get("/api/server")).json()["slowlog"]
    assert any(entry["command"].startswith("oxmq ") for entry in slow)
    assert all(len(entry["command"].split()) <= 2 and entry["took"] >= 0 for entry in slow)
    assert "payload" not in str(slow)


async def test_a_server_that_forbids_much_is_shown_all_the_same() -> None:
    """Many hosted servers let nobody list clients, read settings or the slow log."""
    with RedisServer() as redis:
        with redis.client() as plain:
            plain.execute_command(
                "ACL",
                "SETUSER",
                "app",
                "on",
                ">secret-of-app",
                "~*",
                "&*",
                "+@all",
                "-client|list",
                "-config",
                "-slowlog",
            )
        address = redis.url.replace("redis://", "redis://app:secret-of-app@")
        async with serving(oxmq_web(address)) as url, httpx2.AsyncClient(base_url=url, timeout=10) as client:
            await client.post("/api/queues/email/jobs", json={"name": "x"})
            server = (await client.get("/api/server")).json()
            assert (server["slowlog"], server["clients"]) == (None, {})
            assert "secret-of-app" not in str(server)
            assert (await client.get("/api/workers")).json() == {"workers": [], "complete": False}
            overview = (await client.get("/api/overview")).json()
            assert overview["queues"]["email"]["workers"] is None
            assert not any(item["kind"] == "no_worker" for item in overview["attention"])


async def test_probes_need_no_sign_in(guarded_web: Web) -> None:
    assert await guarded_web.get("/health/live") == {"status": "ok"}
    assert await guarded_web.get("/health/ready") == {"status": "ok"}


async def test_without_a_server_probes_and_calls_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oxmq.web.app._PATIENCE", 0.3)
    async with (
        serving(oxmq_web(f"redis://127.0.0.1:{free_port()}")) as url,
        httpx2.AsyncClient(base_url=url, timeout=10) as client,
    ):
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        answers = await asyncio.gather(*(client.get(f"/api/{path}") for path in ("overview", "workers", "server")))
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            assert answer.elapsed.total_seconds() < 5


@pytest.mark.parametrize(
    ("example", "kind"),
    [
        (examples.QUEUES, QueueList), (examples.OVERVIEW, Overview), (examples.QUEUE, QueueDetail),
        (examples.WORKERS, WorkerList), (examples.LOAD, Load), (examples.METRICS, QueueMetrics),
        (examples.SERVER, ServerView),
    ],
)  # fmt: skip
def test_examples_are_what_is_answered(example: object, kind: type[Any]) -> None:
    read = TypeAdapter(kind).validate_python(example)
    shown = msgspec.json.decode(TypeAdapter(kind).dump_json(read))
    assert shown == msgspec.json.decode(msgspec.json.encode(example))

"""How queues went, how much there is to do, how the server is, and what probes are told."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import msgspec
import pytest
from pydantic import TypeAdapter

from oxmq import Job
from oxmq.monitor.history import QueueMetrics, recent_of, spread
from oxmq.monitor.load import Load
from oxmq.monitor.overview import Overview
from oxmq.monitor.queues import QueueDetail, QueueList
from oxmq.monitor.server import ServerView
from oxmq.monitor.site import Site
from oxmq.monitor.workers import WorkerList
from oxmq.ops import history
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
    assert 'oxmq_worker_slots{queue="email"} 0' in lines
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

"""What Prometheus and Grafana are given: it is valid, it names metrics that exist, and alerts fire when they should."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pytest
import yaml

from oxmq import Job
from oxmq.histograms import Histogram
from oxmq.monitor.site import Site
from oxmq.ops import history
from oxmq.ops.history import Counts
from oxmq.telemetry.prometheus import JobMetrics
from oxmq.web import oxmq_web
from tests.deploy.prometheus import MONITORING, Prometheus, promtool, rules
from tests.integration.bed import Bed, reaches
from tests.support.servers import RedisServer
from tests.support.waiting import eventually
from tests.web.serving import serving

DASHBOARD: Final[dict[str, Any]] = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
#: What Grafana puts into expressions, and something that Prometheus can read in its place.
VARIABLES: Final = {"$queue": ".*", "$__rate_interval": "1m"}
PAGE: Final = MONITORING.parents[1] / "docs" / "how-to" / "metrics.md"

_METRIC: Final = re.compile(r"\b(?:oxmq|bullmq)_\w+")
_PARTS: Final = re.compile(r"_(?:bucket|sum|count)$")
_COUNT: Final = "bullmq_job_count"

RULES: Final[list[dict[str, Any]]] = rules()["groups"][0]["rules"]


def panels() -> Iterator[dict[str, Any]]:
    """Yield each panel of the dashboard, those within rows among them."""
    for panel in DASHBOARD["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions() -> list[str]:
    """Return what the dashboard asks Prometheus for."""
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    for name, value in VARIABLES.items():
        asked = [expression.replace(name, value) for expression in asked]
    return asked


# ---- the files -------------------------------------------------------------------------------------------------------


def test_the_rules_are_valid() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "alerts.yaml")
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_example_configuration_is_valid() -> None:
    assert "is valid prometheus config" in promtool("check", "config", "prometheus.yaml")


def test_what_the_dashboard_asks_can_be_read(tmp_path: Path) -> None:
    assert not [expression for expression in expressions() if "$" in expression]
    asked = [{"record": f"panel_{number}", "expr": expression} for number, expression in enumerate(expressions())]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", tmp_path / "panels.yaml")


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["uid"] == "oxmq"
    assert "id" not in DASHBOARD, "the number of some server's own database"
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["queue"]["datasource"]["uid"] == "${datasource}"
    rows = [panel["title"] for panel in panels() if panel["type"] == "row"]
    assert rows == ["Overview", "Latency", "Throughput", "Failures", "Workers", "Redis"]


def test_every_panel_asks_the_chosen_source() -> None:
    for panel in panels():
        if panel["type"] == "row":
            continue
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}, panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0
        assert panel["description"]


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


# ---- alerts ----------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """Hold what is seen for half an hour, a value a minute, and whether an alert fires at its end."""

    alert: str
    series: dict[str, str]
    fires: dict[str, str] | None


JOB = 'bullmq_job_count{queue="email", state="waiting"}'
PAUSED = 'oxmq_queue_paused{queue="email"}'
LATENCY = 'oxmq_queue_latency_seconds{queue="email"}'
ENDED = 'oxmq_queue_ended_last_minute{{queue="email", state="{}"}}'.format
WORKERS = 'oxmq_workers{{queue="email", health="{}"}}'.format
EMAIL = {"queue": "email"}

CASES: Final = (
    Case("OxmqNotSeen", {}, {}),
    Case("OxmqNotSeen", {"oxmq_redis_latency_seconds": "0.001x30"}, None),
    Case("OxmqNotSeen", {"oxmq_redis_latency_seconds": "0.001x27 stale _x2"}, None),
    Case("OxmqQueueSlow", {LATENCY: "400x30", PAUSED: "0x30"}, EMAIL),
    Case("OxmqQueueSlow", {LATENCY: "200x30", PAUSED: "0x30"}, None),
    Case("OxmqQueueSlow", {LATENCY: "400x30", PAUSED: "1x30"}, None),
    Case("OxmqQueueSlow", {LATENCY: "0x28 400x2", PAUSED: "0x30"}, None),
    Case("OxmqNoWorker", {JOB: "5x30", PAUSED: "0x30"}, EMAIL),
    Case("OxmqNoWorker", {JOB: "5x30", PAUSED: "0x30", WORKERS("gone"): "1x30"}, EMAIL),
    Case("OxmqNoWorker", {JOB: "5x30", PAUSED: "0x30", WORKERS("ok"): "1x30"}, None),
    Case("OxmqNoWorker", {JOB: "5x30", PAUSED: "0x30", WORKERS("stuck"): "1x30"}, None),
    Case("OxmqNoWorker", {JOB: "0x30", PAUSED: "0x30"}, None),
    Case("OxmqNoWorker", {JOB: "5x30", PAUSED: "1x30"}, None),
    Case("OxmqWorkerStuck", {WORKERS("stuck"): "2x30"}, EMAIL),
    Case("OxmqWorkerStuck", {WORKERS("ok"): "2x30"}, None),
    Case("OxmqWorkerStuck", {WORKERS("stuck"): "0x29 1x1"}, None),
    Case("OxmqManyFailures", {ENDED("failed"): "20x30"}, EMAIL),
    Case("OxmqManyFailures", {ENDED("failed"): "5x30", ENDED("completed"): "500x30"}, None),
    Case("OxmqFailureRatio", {ENDED("failed"): "2x30", ENDED("completed"): "10x30"}, EMAIL),
    Case("OxmqFailureRatio", {ENDED("failed"): "2x30", ENDED("completed"): "100x30"}, None),
    Case("OxmqFailureRatio", {ENDED("failed"): "0x29 1x1", ENDED("completed"): "0x30"}, None),
    Case("OxmqJobsStalled", {'oxmq_jobs_stalled_total{queue="email", instance="a"}': "0+1x30"}, EMAIL),
    Case("OxmqJobsStalled", {'oxmq_jobs_stalled_total{queue="email", instance="a"}': "7x30"}, None),
    Case("OxmqWorkerLoopBlocked", {'oxmq_worker_loop_lag_seconds{queue="email", instance="a"}': "2x30"},
         {"queue": "email", "instance": "a"}),
    Case("OxmqWorkerLoopBlocked", {'oxmq_worker_loop_lag_seconds{queue="email", instance="a"}': "0.1x30"}, None),
    Case("OxmqRedisMemory", {"oxmq_redis_memory_bytes": "90x30", "oxmq_redis_memory_limit_bytes": "100x30"}, {}),
    Case("OxmqRedisMemory", {"oxmq_redis_memory_bytes": "50x30", "oxmq_redis_memory_limit_bytes": "100x30"}, None),
    Case("OxmqRedisMemory", {"oxmq_redis_memory_bytes": "90x30"}, None),
    Case("OxmqRedisSlow", {"oxmq_redis_latency_seconds": "0.5x30"}, {}),
    Case("OxmqRedisSlow", {"oxmq_redis_latency_seconds": "0.001x30"}, None),
)  # fmt: skip


def test_alerts_fire_when_they_should_and_not_otherwise(tmp_path: Path) -> None:
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules(annotations=None)))
    tests = [
        {
            "name": f"{number} {case.alert}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "alert_rule_test": [
                {
                    "eval_time": "30m",
                    "alertname": case.alert,
                    "exp_alerts": []
                    if case.fires is None
                    else [{"exp_labels": {"severity": severity[case.alert], **case.fires}}],
                }
            ],
        }
        for number, case in enumerate(CASES)
    ]
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(content))
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "cases.yaml")


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_each_alert_has_a_case_for_either(alert: str) -> None:
    assert {case.fires is None for case in CASES if case.alert == alert} == {True, False}


def test_the_page_tells_of_each_alert() -> None:
    told_of = re.findall(r"^\| `(Oxmq\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(told_of) == sorted(rule["alert"] for rule in RULES)


# ---- metrics ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Run a server whose memory is limited, as that of most is."""
    with RedisServer(config={"maxmemory": "200mb"}) as running:
        yield running


@pytest.fixture
async def bed(server: RedisServer) -> AsyncIterator[Bed]:
    """Return a maker of queues and workers."""
    made = Bed(server.url, "bull")
    yield made
    await made.close()


async def work(job: Job[Any]) -> None:
    if job.name == "bad":
        raise ValueError("no")


async def work_all_kinds(bed: Bed) -> str:
    """Have all kinds of things go on in the queue `email`; return what the worker's process says of it."""
    metrics = JobMetrics()
    app = bed.app(telemetry=metrics)

    @app.task(queue="email", attempts=2)
    async def send(bad: bool) -> None:
        if bad:
            raise ValueError("no")

    worker = bed.app_worker(app, queues=["email"])
    working = asyncio.create_task(worker.run())
    await reaches(await send.enqueue(bad=False), "completed", 20)
    await reaches(await send.enqueue(bad=True), "failed", 20)
    said = metrics.text().decode()
    await worker.close()
    await working
    return said


async def count_a_minute(web: Any) -> None:
    """Have a worker count some jobs of the minute that has just passed."""
    site: Site = web.state.web.site
    counts = Counts(2, 1, 1, Histogram.of([5, 7]), Histogram.of([1, 1]))
    minute = history.last_full_minute(site.clock.now_ms())
    assert await site.runner.run(history.add_counts(site.keys("email"), "other", minute, counts))


async def get_text(url: str) -> str:
    """Return what is served at an address."""
    async with httpx2.AsyncClient(timeout=20) as client:
        answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture
async def expositions(bed: Bed) -> tuple[str, str]:
    """Return what `oxmq web` and a worker's process say."""
    of_worker = await work_all_kinds(bed)
    kept = bed.working(work, "kept", metrics=60)
    for name, state in (("good", "completed"), ("bad", "failed")):
        await reaches(await bed.queue("kept").add(name), state, 20)
    web = oxmq_web(bed.url)
    await count_a_minute(web)
    async with serving(web) as url:
        of_web = await get_text(f"{url}/metrics")
    await kept.close()
    return of_web, of_worker


def named(text: str) -> set[str]:
    """Return the metrics that a text names, without the parts of histograms."""
    return {_PARTS.sub("", name) if name != _COUNT else name for name in _METRIC.findall(text)}


def told(expositions: tuple[str, str]) -> set[str]:
    """Return the metrics that expositions have, whether anything was counted by now or not."""
    return set(re.findall(r"^# TYPE ((?:oxmq|bullmq)_\w+)", "\n".join(expositions), re.MULTILINE))


async def test_every_metric_that_is_named_exists(expositions: tuple[str, str]) -> None:
    exist = told(expositions)
    asked = named("\n".join(expressions())), named("\n".join(rule["expr"] for rule in RULES))
    assert len(asked[0]) > 15
    assert (asked[0] - exist, asked[1] - exist) == (set(), set())
    assert documented() == exist, "the page's tables name what there is, all of it"


def documented() -> set[str]:
    """Return the metrics of the page's tables."""
    return set(re.findall(r"^\| `((?:oxmq|bullmq)_\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


async def test_an_alert_fires_and_ends(bed: Bed, tmp_path: Path) -> None:
    await bed.queue("email").add("x")
    async with serving(oxmq_web(bed.url)) as url:
        targets = {"oxmq-web": url.removeprefix("http://")}
        with Prometheus(tmp_path, targets, rules(**{"for": "1s"})) as prometheus:

            async def told_of(expected: set[tuple[str, str]]) -> bool:
                return await asyncio.to_thread(prometheus.alerts) == expected

            await eventually(partial(told_of, {("OxmqNoWorker", "email")}), 60)
            assert await asyncio.to_thread(prometheus.value, 'bullmq_job_count{state="waiting"}') == 1
            bed.working(work, "email")
            await eventually(partial(told_of, set()), 60)

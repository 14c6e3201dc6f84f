"""What the reconciler of heavy jobs saw and did, and in which pod a job runs: as it is shown."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from oxmq.monitor.attention import about_heavy_jobs
from oxmq.ops import reconciling
from oxmq.ops.reconciling import Report
from tests.support import hostile
from tests.web.heavy_reports import repair, report, seen_run
from tests.web.jobs import path, start
from tests.web.serving import Web

RUN = {"number": 2, "attempt": 1, "namespace": "jobs", "name": "report-1f", "phase": "spawned", "uid": "u"}


async def written(web: Web, what: Report) -> None:
    """Write a report as a leader does."""
    site = web.app.state.web.site
    assert await site.runner.run(reconciling.lead(site.prefix, what.worker, 60_000, what)) == 1


def stored(redis_client: Any, prefix: str, text: bytes | str) -> None:
    """Put something in a report's place."""
    redis_client.hset(f"{prefix}:oxmq-leader", "report", text)


# ---- the report ------------------------------------------------------------------------------------------------------


async def test_without_a_report_there_is_none(web: Web) -> None:
    assert await web.get("/api/kubernetes") == {"reconciled": False, "report": None}
    assert (await web.get("/api/overview"))["kubernetes"] is False


async def test_a_report_is_shown(web: Web) -> None:
    await written(web, report(seen_run(), repairs=[repair()]))
    answer = await web.get("/api/kubernetes")
    shown = answer["report"]
    assert (answer["reconciled"], shown["silent_for"], shown["error"]) == (True, None, "")
    assert (shown["leader"], shown["term"], shown["took"]) == ("scheduler-1:7", 3, 0.043)
    assert (shown["namespaces"], shown["counts"]) == (["jobs"], {"follow": 1})
    (run,), (mended,) = shown["runs"], shown["repairs"]
    assert (run["queue"], run["job_id"], run["task"]) == ("email", "1", "report")
    assert (run["queue_says"], run["cluster_says"], run["action"]) == ("spawned", "running", "follow")
    assert run["since"] < mended["at"] < shown["at"]
    assert (mended["action"], mended["result"]) == ("delete", "done")
    assert (await web.get("/api/overview"))["kubernetes"] is True


async def test_an_old_report_says_that_nobody_reconciles(web: Web) -> None:
    await written(web, report(seen_run(), age=100))
    answer = await web.get("/api/kubernetes")
    assert answer["reconciled"] is False
    assert 100 <= answer["report"]["silent_for"] < 200


async def test_who_sees_one_queue_sees_the_runs_of_that_queue(guarded_web: Web) -> None:
    runs = [seen_run(), seen_run(name="other-1", queue="secret", action="delete")]
    await written(guarded_web, report(*runs, repairs=[repair(), repair(queue="secret")]))
    everything = (await guarded_web.as_("viewer").get("/api/kubernetes")).json()["report"]
    assert (len(everything["runs"]), everything["counts"]) == (2, {"follow": 1, "delete": 1})
    answer = await guarded_web.as_("only-email").get("/api/kubernetes")
    some = answer.json()["report"]
    assert ([run["queue"] for run in some["runs"]], some["counts"]) == (["email"], {"follow": 1})
    assert [each["queue"] for each in some["repairs"]] == ["email"]
    assert "secret" not in answer.text
    assert (await guarded_web.client.get("/api/kubernetes")).status_code == 401


async def test_hostile_reports_are_shown_as_text(web: Web, redis_client: Any, prefix: str) -> None:
    for text in (text for text in hostile.STRINGS if "\\ud800" not in text):
        names = dict.fromkeys(("namespace", "name", "queue", "job_id", "action", "why"), text)
        run = seen_run(**names, task=text, queue_says=text, cluster_says=text)
        found = report(run, repairs=[repair(**names, result=text)], error=text, worker=text, namespaces=[text])
        stored(redis_client, prefix, msgspec.json.encode(found))
        (shown,) = (await web.get("/api/kubernetes"))["report"]["runs"]
        assert shown["why"][:1000] == text[:1000]


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"[]", b"{}", b"null", hostile.deep(100_000), '{"x":' + hostile.deep(100_000) + "}"],
    ids=["empty", "no text", "a list", "no fields", "null", "deep", "deep within"],
)
async def test_what_is_no_report_counts_as_none(web: Web, redis_client: Any, prefix: str, text: bytes | str) -> None:
    stored(redis_client, prefix, text)
    assert await web.get("/api/kubernetes") == {"reconciled": False, "report": None}


async def test_a_key_of_another_type_counts_as_no_report(web: Web, redis_client: Any, prefix: str) -> None:
    redis_client.set(f"{prefix}:oxmq-leader", "x")
    assert (await web.get("/api/kubernetes"))["report"] is None
    assert (await web.get("/api/overview"))["kubernetes"] is False


async def test_figures_beyond_all_bounds_are_shown(web: Web, redis_client: Any, prefix: str) -> None:
    many = [seen_run(since_ms=-(2**63), number=2**63, name="x" * 3_000) for _ in range(500)]
    found = msgspec.to_builtins(report(*many, repairs=[repair(at_ms=2**63)] * 500))
    stored(redis_client, prefix, json.dumps({**found, "at_ms": -(2**63), "counts": {"wait": -5, "follow": 2**63}}))
    shown = (await web.get("/api/kubernetes"))["report"]
    assert (len(shown["runs"]), len(shown["repairs"]), shown["at"]) == (200, 50, None)
    assert (shown["runs"][0]["since"], shown["repairs"][0]["at"]) == (None, None)
    assert len(shown["runs"][0]["name"]) < 3_000


# ---- attention -------------------------------------------------------------------------------------------------------


def said(found: Report, later: float = 0) -> list[tuple[str, str, str]]:
    """Return what is said of a report, so many seconds after it."""
    now = found.at_ms + int(later * 1000)
    return [(item.level, item.kind, item.link.screen) for item in about_heavy_jobs(found, now)]


def test_heavy_jobs_that_nobody_reconciles_need_attention() -> None:
    assert said(report(seen_run()), 179) == []
    assert said(report(seen_run()), 200) == [("warning", "not_reconciled", "kubernetes")]
    (item,) = about_heavy_jobs(report(seen_run(), age=0), report().at_ms + 600_000)
    assert item.text.startswith("Heavy jobs are not reconciled: the last look was 10 minutes ago and saw 1 run under")


def test_where_nothing_is_under_way_nobody_need_reconcile() -> None:
    assert said(report(), 10**6) == []
    assert said(report(seen_run(action="keep")), 10**6) == []
    assert said(report(error="gone"), 10**6) == []


def test_a_cluster_that_cannot_be_looked_at_needs_attention() -> None:
    found = report(error="jobs: no answer")
    assert said(found) == [("critical", "cluster", "kubernetes")]
    (item,) = about_heavy_jobs(found, found.at_ms)
    assert item.text == "The cluster of heavy jobs cannot be looked at: jobs: no answer"


async def test_the_overview_says_so(guarded_web: Web) -> None:
    await written(guarded_web, report(seen_run(queue="secret"), age=600))
    seen, unseen = [
        [item["link"]["screen"] for item in (await guarded_web.as_(who).get("/api/overview")).json()["attention"]]
        for who in ("viewer", "only-email")
    ]
    assert "kubernetes" in seen
    assert "kubernetes" not in unseen


# ---- the run of a job ------------------------------------------------------------------------------------------------


async def test_a_job_without_a_run_has_none(web: Web) -> None:
    job = await web.bed.queue("email").add("send")
    assert (await web.get(path(job.id)))["run"] is None


async def test_the_run_of_a_job(web: Web, redis_client: Any) -> None:
    await web.bed.queue("email").add("report")
    job = await start(web)
    key = f"{web.bed.prefix}:email:{job.id}"
    now = web.app.state.web.site.clock.now_ms()
    noted = json.dumps({**RUN, "at_ms": now - 9_000, "disruptions": 1})
    redis_client.hset(key, mapping={"oxmq:run": noted, "oxmq:pod": "report-1f-x", "oxmq:heart": now - 3_000})
    run = (await web.get(path(job.id)))["run"]
    assert (run["namespace"], run["name"], run["pod"], run["phase"]) == ("jobs", "report-1f", "report-1f-x", "spawned")
    assert (run["number"], run["attempt"], run["disruptions"]) == (2, 1, 1)
    assert 3 <= run["silent_for"] < 30
    assert run["started_at"] < run["heart_at"]
    assert run["commands"] == ["kubectl -n jobs logs job/report-1f", "kubectl -n jobs describe job report-1f"]
    redis_client.hset(key, "oxmq:run", json.dumps({**RUN, "phase": "over"}))
    over = (await web.get(path(job.id)))["run"]
    assert (over["phase"], over["silent_for"], over["started_at"]) == ("over", None, None)


@pytest.mark.parametrize(
    "text", [*hostile.SCRIPTS[:4], "a; rm -rf ~", "$(id)", "--kubeconfig=x", "-x", "a\nb", "", "é"]
)
async def test_no_hostile_name_becomes_part_of_a_command(web: Web, redis_client: Any, text: str) -> None:
    job = await web.bed.queue("email").add("report")
    key = f"{web.bed.prefix}:email:{job.id}"
    for field in ("namespace", "name"):
        redis_client.hset(key, "oxmq:run", json.dumps({**RUN, field: text}))
        run = (await web.get(path(job.id)))["run"]
        assert (run[field], run["commands"]) == (text, [])


@pytest.mark.parametrize("text", ["", "\xff", "{}", "[]", json.dumps({**RUN, "phase": "x"}), hostile.deep(100_000)])
async def test_what_is_no_run_counts_as_none(web: Web, redis_client: Any, text: str) -> None:
    job = await web.bed.queue("email").add("report")
    fields = {"oxmq:run": text, "oxmq:heart": "1e999", "oxmq:pod": b"\xff"}
    redis_client.hset(f"{web.bed.prefix}:email:{job.id}", mapping=fields)
    assert (await web.get(path(job.id)))["run"] is None

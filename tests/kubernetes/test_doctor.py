"""What the doctor says of a cluster and of what is left undone there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from oxmq.doctor import Finding, Level
from oxmq.doctor.kubernetes import examine_cluster
from oxmq.kubernetes.api_client import connect
from oxmq.kubernetes.cluster import RIGHTS, Cluster
from oxmq.kubernetes.naming import Identity
from oxmq.ops import reconciling
from oxmq.ops.reconciling import Report
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.kubernetes.fake_cluster import FakeCluster
from tests.web.heavy_reports import repair, report, seen_run


class Clinic:
    """Examine a cluster, with an installation of its own."""

    def __init__(self, fake: FakeCluster, redis_url: str, prefix: str, folder: Path) -> None:
        self.fake = fake
        self.owner = "me"
        self._url = redis_url
        self._prefix = prefix
        self._folder = folder

    async def write(self, found: Report | None = None) -> None:
        """Write down whose Jobs these are, and a report as a leader does."""
        runner = AsyncRunner(Endpoint(self._url))
        try:
            await runner.run(reconciling.claim_owner(self._prefix, self.owner))
            if found is not None:
                await runner.run(reconciling.lead(self._prefix, found.worker, 60_000, found))
        finally:
            await runner.close()

    # Any: what a connection takes, such as a token.
    async def findings(self, *namespaces: str, **access: Any) -> list[Finding]:
        """Return what the doctor finds."""

        async def open_cluster() -> Cluster:
            path = self.fake.kubeconfig(self._folder / "kubeconfig", namespace="jobs", **access)
            return await connect({"KUBECONFIG": str(path)})

        return await examine_cluster(
            Endpoint(self._url), prefix=self._prefix, namespaces=namespaces, open_cluster=open_cluster
        )

    async def about(self, subject: str, *namespaces: str, **access: Any) -> list[tuple[Level, str]]:
        """Return what the doctor finds about something."""
        found = await self.findings(*namespaces, **access)
        return [(finding.level, finding.what) for finding in found if finding.subject == subject]

    def keep_job(self, number: int, owner: str = "me", namespace: str = "jobs", **labels: str) -> str:
        """Keep a Job of an installation, and return its name."""
        identity = Identity(
            owner=owner, prefix=self._prefix, queue="reports", job_id="1", timestamp=1, number=number, attempt=1,
            task="report",
        )  # fmt: skip
        metadata = {"name": identity.name, "labels": identity.labels | labels, "annotations": identity.annotations}
        containers = [{"name": "main", "image": "oxmq:test"}]
        spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": containers}}}
        self.fake.keep_job(namespace, {"metadata": metadata, "spec": spec})
        return identity.name


@pytest.fixture
async def clinic(redis_url: str, prefix: str, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with FakeCluster() as fake:
        fake.create_namespace("jobs")
        yield Clinic(fake, redis_url, prefix, tmp_path)


async def test_a_cluster_in_good_health(clinic: Clinic) -> None:
    await clinic.write(report(seen_run()))
    name = clinic.keep_job(1)
    clinic.fake.set_running(name)
    clinic.keep_job(2)
    clinic.keep_job(3, owner="somebody-else")
    findings = await clinic.findings()
    assert {finding.level for finding in findings} == {Level.OK}
    said = {finding.subject: finding.what for finding in findings}
    assert said["cluster"] == f"{clinic.fake.address} answers; namespace jobs"
    assert said["rights"] == "all 8 that heavy jobs need, in namespace jobs"
    assert said["jobs"] == "of this installation in namespace jobs: 2 active"
    assert said["reconciler"].startswith("scheduler-1:7 (term 3) looked ")
    assert said["reconciler"].endswith("took 0.043 s: 1 to follow")


async def test_before_the_first_heavy_job(clinic: Clinic) -> None:
    assert await clinic.about("jobs") == [(Level.OK, "no worker of heavy jobs has ever run with this prefix")]
    assert await clinic.about("reconciler") == [(Level.WARNING, "it has never reported")]


async def test_each_missing_right_comes_with_the_rule_that_grants_it(clinic: Clinic) -> None:
    await clinic.write(report())
    withheld: set[tuple[str, str, str]] = {("batch", "jobs", "delete"), ("", "pods/log", "get")}
    clinic.fake.add_user("weak", set[tuple[str, str, str]](RIGHTS) - withheld)
    findings = [finding for finding in await clinic.findings(token="weak") if finding.level is Level.ERROR]
    assert [(finding.subject, finding.what) for finding in findings] == [
        ("rights", "this client may not delete jobs in namespace jobs"),
        ("rights", "this client may not get pods/log in namespace jobs"),
    ]
    assert findings[0].fix == (
        'to the Role of workers in namespace jobs, add the rule {apiGroups: ["batch"], resources: ["jobs"], '
        'verbs: ["delete"]}',
    )
    assert findings[1].fix[0].endswith('{apiGroups: [""], resources: ["pods/log"], verbs: ["get"]}')


async def test_without_the_right_to_list_the_rest_is_examined_all_the_same(clinic: Clinic) -> None:
    await clinic.write(report())
    clinic.fake.add_user("nobody")
    assert len(await clinic.about("rights", token="nobody")) == len(RIGHTS)
    assert await clinic.about("jobs", token="nobody") == [
        (Level.WARNING, "those of namespace jobs could not be listed")
    ]
    assert await clinic.about("cluster", token="nobody") == [
        (Level.OK, f"{clinic.fake.address} answers; namespace jobs")
    ]


async def test_credentials_that_are_none(clinic: Clinic) -> None:
    ((level, what),) = await clinic.about("cluster", token="unknown")
    assert (level, "Unauthorized" in what) == (Level.ERROR, True)


async def test_a_cluster_that_does_not_answer(clinic: Clinic) -> None:
    await clinic.write(report())
    await clinic.fake.stop()
    ((level, what),) = await clinic.about("cluster")
    assert level is Level.ERROR
    assert what.startswith(f"{clinic.fake.address} cannot be asked: ")
    assert [level for level, _ in await clinic.about("reconciler")] == [Level.OK]


async def test_the_namespaces_that_are_asked_for(clinic: Clinic) -> None:
    await clinic.write(report(namespaces=["elsewhere"]))
    for namespace in ("one", "two", "elsewhere"):
        clinic.fake.create_namespace(namespace)
    assert "namespace elsewhere" in (await clinic.about("cluster"))[0][1]
    clinic.keep_job(1, namespace="two")
    assert (await clinic.about("cluster", "two", "one"))[0][1].endswith("namespaces one, two")
    assert (await clinic.about("jobs", "two", "one"))[-1] == (Level.WARNING, "nobody reconciles namespace two")


async def test_jobs_that_do_not_say_of_which_run_they_are(clinic: Clinic) -> None:
    await clinic.write(report())
    job = clinic.fake.job(clinic.keep_job(1))
    job["metadata"]["annotations"] = {}
    clinic.fake.store.put("jobs", job)
    assert (await clinic.about("jobs"))[1] == (
        Level.WARNING, "1 in namespace jobs do not say of which run they are"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (report(seen_run(), age=100), Level.ERROR, "scheduler-1:7 (term 3) looked 1"),
        (report(seen_run(action="keep"), age=100), Level.WARNING, "scheduler-1:7 (term 3) looked 1"),
        (report(error="jobs: no answer"), Level.ERROR, "it could not look at all: jobs: no answer"),
        (report(repairs=[repair(result="failed: forbidden")]), Level.WARNING, "could not delete Job jobs/report-0"),
    ],
    ids=["silent with runs", "silent", "an error", "a repair that failed"],
)
async def test_what_the_last_report_says(clinic: Clinic, found: Report, level: Level, words: str) -> None:
    await clinic.write(found)
    said = await clinic.about("reconciler")
    assert max(said)[0] is level
    assert max(said)[1].startswith(words)


async def test_what_is_overdue(clinic: Clinic) -> None:
    await clinic.write(report(
        *[seen_run(action="delete", since_ms=1, name=f"n-{number}", why="its job has ended") for number in range(14)],
        seen_run(action="wait", cluster_says="missing"),
        seen_run(action="follow", since_ms=1),
    ))  # fmt: skip
    said = [what for level, what in await clinic.about("reconciler") if level is Level.WARNING]
    assert said[0] == "Job jobs/n-0 of job 1 in queue email is still to be deleted"
    assert (len(said), said[-1]) == (11, "4 more are overdue")


async def test_what_is_no_report_is_none(clinic: Clinic, redis_client: Any, prefix: str) -> None:
    await clinic.write()
    redis_client.hset(f"{prefix}:oxmq-leader", "report", b"\xff")
    assert await clinic.about("reconciler") == [(Level.WARNING, "it has never reported")]
    redis_client.delete(f"{prefix}:oxmq-leader")
    redis_client.set(f"{prefix}:oxmq-leader", "x")
    assert await clinic.about("reconciler") == [(Level.WARNING, "it has never reported")]

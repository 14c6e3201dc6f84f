"""The reconciler on a real control plane: each thing that queue and cluster may say, and what follows."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from oxmq import Job
from oxmq.executors.child_task import Reference
from oxmq.kubernetes.manifest import Work, build_job
from oxmq.kubernetes.naming import DOMAIN, MANAGED_BY, OWNER, Identity
from oxmq.kubernetes.settings import read_settings
from oxmq.ops import audit, reconciling
from oxmq.ops.audit import AuditEntry
from oxmq.ops.reconciling import Report, SeenRun
from tests.kubernetes import heavy_tasks
from tests.kubernetes.api import Json
from tests.kubernetes.stage import LONG, QUEUE, Stage, WorkerProcess, failure_of
from tests.support.waiting import eventually


async def report_of(heavy: Stage) -> Report | None:
    return await heavy.app.runner.run(reconciling.get_report(heavy.prefix))


async def seen(heavy: Stage, job: Job[Any], **like: str) -> SeenRun:
    """Return what the reconciler says of a job's run, as soon as it says that."""

    async def find() -> SeenRun | None:
        report = await report_of(heavy)
        runs = report.runs if report else []
        mine = [run for run in runs if run.job_id == job.id]
        return next((run for run in mine if all(getattr(run, name) == like[name] for name in like)), None)

    found = await eventually(find, LONG, f"the reconciler does not say {like} of job {job.id}")
    assert found
    return found


async def repairs_of(heavy: Stage, job_id: str) -> list[AuditEntry]:
    """Return what the audit stream says of a job's Kubernetes Jobs, the oldest first."""
    page = await heavy.app.runner.run(audit.get_page(heavy.prefix, None, 1000))
    mine = [entry for entry in page.entries if f"of job {job_id}:" in entry.fields["scope"]]
    return list(reversed(mine))


async def on_record(heavy: Stage, job_id: str) -> None:
    """Wait until the audit stream tells of a repair."""
    await eventually(lambda: repairs_of(heavy, job_id), LONG, "nothing is on record")


async def no_job_left(heavy: Stage, job: Job[Any]) -> None:
    async def is_gone() -> bool:
        return not await heavy.cluster_jobs_of(job)

    await eventually(is_gone, LONG, f"the Kubernetes Job of job {job.id} is still there")


async def handed_back(heavy: Stage, job: Job[Any]) -> None:
    """Let a worker begin a job and go."""
    worker = heavy.start_worker()
    await heavy.has_begun(job)
    worker.terminate()
    assert await worker.ended() == 0, worker.output()


async def made_by_hand(heavy: Stage, job: Job[Any], **changes: Any) -> Json:
    """Create the Kubernetes Job that a worker would have made for another run of a job."""
    owner = await heavy.app.runner.run(reconciling.claim_owner(heavy.prefix, "tests"))
    identity = Identity(
        owner=owner, prefix=heavy.prefix, queue=QUEUE, job_id=job.id, timestamp=job.record.timestamp, number=1,
        attempt=1, task=job.name,
    )  # fmt: skip
    spec = structs.replace(heavy_tasks.pod, command=["sleep", "600"], grace=0)
    work = Work(identity=structs.replace(identity, **changes), reference=Reference("", ""), data=b"{}")
    manifest = build_job(spec, read_settings(), work)
    return await heavy.api.post(f"/apis/batch/v1/namespaces/{heavy.namespace}/jobs", manifest)


async def test_orphans_are_deleted_after_a_grace_and_on_record(heavy: Stage) -> None:
    stopped = heavy.file()
    script = f"trap 'touch {stopped}; exit 143' TERM; while :; do sleep 0.3; done"
    removed, cancelled = await heavy.add_script(script), await heavy.add_script("exec sleep 600")
    worker = heavy.start_worker()
    for job in (removed, cancelled):
        await heavy.has_begun(job)
    worker.terminate()
    assert await worker.ended() == 0, worker.output()
    await removed.remove()
    assert await cancelled.cancel("not wanted"), "nobody runs it, so that it has failed"
    async with heavy.working():
        waiting = await seen(heavy, removed, action="delete")
        assert (waiting.queue_says, waiting.cluster_says) == ("no such job", "running")
        assert await heavy.cluster_jobs_of(removed), "it has its grace"
        for job in (removed, cancelled):
            await no_job_left(heavy, job)
            await on_record(heavy, job.id)
        await eventually(stopped.exists, LONG, "the program was not told to stop")
    [entry] = await repairs_of(heavy, removed.id)
    assert entry.fields["action"] == "kubernetes delete"
    assert entry.fields["result"] == "done"
    assert entry.fields["scope"].endswith("its job was removed")
    [entry] = await repairs_of(heavy, cancelled.id)
    assert entry.fields["scope"].endswith("its job has ended")
    report = await report_of(heavy)
    assert report
    assert {repair.job_id for repair in report.repairs} == {removed.id, cancelled.id}
    await heavy.assert_sound(again={cancelled.id: 1})


async def test_a_job_that_comes_back_is_no_orphan_of_the_earlier_one(heavy: Stage) -> None:
    first = await heavy.add_script("exec sleep 600", job_id="same")
    await handed_back(heavy, first)
    await first.remove()
    second = await heavy.add_script("sleep 4; printf 2 > $OXMQ_RESULT_FILE", job_id="same")
    async with heavy.working():
        assert await second.result(LONG) == 2
        [entry] = await repairs_of(heavy, "same")
        assert entry.fields["scope"].endswith("its job was removed")
    assert [run.exit_code for run in heavy.runs_of(second)] == [143, 0]
    await heavy.assert_sound(again={"same": 1})


async def test_a_cancelled_job_with_a_dead_worker(heavy: Stage) -> None:
    stopped = heavy.file()
    job = await heavy.add_script(f"trap 'touch {stopped}; exit 143' TERM; while :; do sleep 0.3; done", attempts=2)
    worker = heavy.start_worker()
    await heavy.has_begun(job)
    worker.kill9()
    assert not await job.cancel("too late")
    async with heavy.working():
        assert await failure_of(job) == "too late"
        await no_job_left(heavy, job)
        await eventually(stopped.exists, LONG, "the program was not told to stop")
    assert job.attempts_made == 1
    await heavy.assert_sound()


async def test_what_a_job_wants_is_followed_and_all_else_goes(heavy: Stage) -> None:
    gate = heavy.file()
    job = await heavy.add_script(f"until [ -e {gate} ]; do sleep 0.3; done; printf 1 > $OXMQ_RESULT_FILE")
    async with heavy.working():
        await heavy.has_begun(job)
        followed = await seen(heavy, job, action="follow")
        assert (followed.queue_says, followed.cluster_says, followed.number) == ("spawned", "running", 1)
        earlier = await made_by_hand(heavy, job, number=0)
        unknown = await made_by_hand(heavy, job, number=9)

        async def only_its_own() -> bool:
            return [found["metadata"]["name"] for found in await heavy.cluster_jobs_of(job)] == [followed.name]

        await eventually(only_its_own, LONG, "Jobs that nobody wants are still there")
        gate.touch()
        assert await job.result(LONG) == 1

        async def all_on_record() -> bool:
            return len(await repairs_of(heavy, job.id)) >= 2

        await eventually(all_on_record, LONG, "a repair is not on record")
    told = {entry.fields["scope"].partition(" of job ")[0]: entry for entry in await repairs_of(heavy, job.id)}
    why = {name: told[f"Job {heavy.namespace}/{name}"].fields["scope"] for name in map(name_of, (earlier, unknown))}
    assert why[name_of(earlier)].endswith("a later run has taken its place")
    assert why[name_of(unknown)].endswith("its job knows of no such run")
    assert len([run for run in heavy.runs_of(job) if run.job == followed.name]) == 1


async def test_a_pod_that_was_to_be_asked_for_is_asked_for_again(heavy: Stage) -> None:
    job = await heavy.add_script("printf 1 > $OXMQ_RESULT_FILE")
    worker = heavy.start_worker("die before create_job 1")
    assert await worker.ended() == -signal.SIGKILL
    noted = (await heavy.run_state(job)).run
    assert noted
    assert noted.phase == "spawning"
    async with heavy.working(lock_duration=30, stalled_interval=30):
        # Nobody takes the job so soon, which the reconciler cannot but wait for.
        waiting = await seen(heavy, job, action="wait")
        assert (waiting.name, waiting.cluster_says, waiting.queue_says) == (noted.name, "missing", "spawning")
    async with heavy.working():
        assert await job.result(LONG) == 1
    assert [run.job for run in heavy.runs_of(job)] == [noted.name]
    await heavy.assert_sound()


def name_of(found: Json) -> str:
    return str(found["metadata"]["name"])


def foreign(owner: str, prefix: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """Return names, labels and annotations of Jobs that are none of ours, or claim what cannot be."""
    ours = {MANAGED_BY: "oxmq", OWNER: owner}
    told = {
        f"{DOMAIN}/prefix": prefix, f"{DOMAIN}/queue": QUEUE, f"{DOMAIN}/job-id": "unknown", f"{DOMAIN}/task": "t",
        f"{DOMAIN}/timestamp": "1", f"{DOMAIN}/number": "1", f"{DOMAIN}/attempt": "1",
    }  # fmt: skip
    return [
        ("no-labels", {}, told),
        ("other-owner", {**ours, OWNER: "somebody"}, told),
        ("other-manager", {**ours, MANAGED_BY: "Helm"}, told),
        ("no-annotations", ours, {}),
        ("no-number", ours, {**told, f"{DOMAIN}/number": "1e3"}),
        ("huge-number", ours, {**told, f"{DOMAIN}/number": "9" * 5000}),
        ("no-queue", ours, {**told, f"{DOMAIN}/queue": "a:b"}),
        ("another-name", ours, told),
    ]


async def test_jobs_of_others_are_left_alone(heavy: Stage) -> None:
    owner = await heavy.app.runner.run(reconciling.claim_owner(heavy.prefix, "tests"))
    path = f"/apis/batch/v1/namespaces/{heavy.namespace}/jobs"
    container = {"name": "theirs", "image": "theirs", "command": ["sleep", "600"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    theirs: set[str] = set()
    for name, labels, notes in foreign(owner, heavy.prefix):
        metadata = {"name": name, "labels": labels, "annotations": notes}
        made = await heavy.api.post(path, {"metadata": metadata, "spec": {"template": template}})
        theirs.add(made["metadata"]["uid"])
    job = await heavy.add_script("exit 0")
    # It says that it is of a key which is no job: what cannot be read is left alone.
    pretending = await made_by_hand(heavy, job, job_id="events")
    orphan = await made_by_hand(heavy, job, job_id="unknown")
    async with heavy.working():
        await on_record(heavy, "unknown")
        assert await job.result(LONG) is None
    left = {
        found["metadata"]["uid"]
        for found in await heavy.cluster_jobs()
        if not found["metadata"].get("deletionTimestamp")
    }
    assert left >= {*theirs, pretending["metadata"]["uid"]}
    assert orphan["metadata"]["uid"] not in left


async def test_one_reconciles_for_the_queues_and_namespaces_of_all(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.run_script, "elsewhere", queue="other")
    job = await heavy.add_script("exec sleep 600")
    await handed_back(heavy, job)
    await job.remove()
    async with heavy.working(queues=["other"]):
        await no_job_left(heavy, job)


async def test_a_deletion_that_is_refused_is_told_once(heavy: Stage, heavy_environment: Callable[..., None]) -> None:
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "watch"]}]
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{heavy.namespace}"
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": heavy.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "looks"}
    await heavy.api.post(f"{path}/roles", {"metadata": {"name": "looks"}, "rules": rules})
    body = {"metadata": {"name": "looks"}, "subjects": [subject], "roleRef": reference}
    await heavy.api.post(f"{path}/rolebindings", body)
    gone = await heavy.add_script("exit 0")
    await made_by_hand(heavy, gone)
    await gone.remove()
    heavy_environment(KUBECONFIG=str(heavy.plane.service_account_kubeconfig(heavy.namespace, "default")))
    async with heavy.working():
        await on_record(heavy, gone.id)
        report = await report_of(heavy)
        assert report

        async def tried_again() -> bool:
            newer = await report_of(heavy)
            return newer is not None and newer.at_ms > report.at_ms + 2000

        await eventually(tried_again, LONG)
    [entry] = await repairs_of(heavy, gone.id)
    assert entry.fields["result"].startswith("failed:")
    assert 'cannot delete resource "jobs"' in entry.fields["result"]


async def leader(heavy: Stage, *, other_than: str = "") -> Report:
    """Return the report of whoever leads, as soon as somebody else does."""
    before = await report_of(heavy)

    async def newer() -> Report | None:
        report = await report_of(heavy)
        is_newer = report is not None and (before is None or report.at_ms > before.at_ms)
        return report if report is not None and is_newer and report.worker != other_than else None

    found = await eventually(newer, LONG, f"nobody else than {other_than!r} leads")
    assert found
    return found


def process_of(report: Report, workers: list[WorkerProcess]) -> WorkerProcess:
    return next(worker for worker in workers if report.worker.endswith(f":{worker.pid}"))


@pytest.mark.parametrize("accident", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_one_leads_when_the_leader_falls_silent(heavy: Stage, accident: signal.Signals) -> None:
    gate = heavy.file()
    script = f"until [ -e {gate} ]; do sleep 0.3; done; printf 1 > $OXMQ_RESULT_FILE"
    jobs = [await heavy.add_script(script) for _ in range(3)]
    workers = [heavy.start_worker(concurrency=1, concurrency_kubernetes=1) for _ in range(2)]
    for job in jobs:
        await heavy.has_begun(job)
    first = await leader(heavy)
    silent = process_of(first, workers)
    silent.send(accident)
    orphan = await made_by_hand(heavy, jobs[0], job_id="unknown")
    second = await leader(heavy, other_than=first.worker)
    assert second.term == first.term + 1
    await on_record(heavy, "unknown")
    if accident == signal.SIGSTOP:
        silent.send(signal.SIGCONT)
        await leader(heavy)
    gate.touch()
    for job in jobs:
        assert await job.result(LONG) == 1
    for worker in workers:
        worker.terminate()
        await worker.ended()
    assert len(await repairs_of(heavy, "unknown")) == 1, "two have done the same"
    assert all(len(heavy.runs_of(job)) == 1 for job in jobs)
    assert orphan["metadata"]["uid"] not in {found["metadata"]["uid"] for found in await heavy.cluster_jobs()}
    await heavy.assert_sound()

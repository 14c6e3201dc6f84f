"""What an API server may answer, or not: every heavy job ends well, and its pod is asked for once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from oxmq import Job, Kubernetes, Oxmq, heavy_jobs
from oxmq.app_worker import AppWorker
from oxmq.kubernetes import executor, follower, held_job, spawning, watching
from oxmq.kubernetes.api_client import connect
from oxmq.kubernetes.executor import KubernetesExecutor
from oxmq.kubernetes.watching import JobWatch
from tests.kubernetes import heavy_tasks
from tests.kubernetes.fake_cluster import CUT, FakeCluster
from tests.kubernetes.working_pods import WorkingPods
from tests.support.waiting import eventually

NAMESPACE = "jobs"
QUEUE = "heavy"
#: Seconds for what takes one on a quiet machine.
LONG = 60.0
#: Seconds for an answer of the server.
DEADLINE = 2.0


class Site:
    """A fake cluster with working pods, an application, and workers of it in this process."""

    def __init__(self, fake: FakeCluster, pods: WorkingPods, app: Oxmq) -> None:
        self.fake = fake
        self.pods = pods
        self.app = app

    @property
    def looks_at_pods(self) -> int:
        """Return how often pods were asked for."""
        return sum((request.verb, request.resource) == ("list", "pods") for request in self.fake.requests)

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncGenerator[AppWorker]:
        """Run a worker; `options` are those of `Oxmq.worker`."""
        worker = self.app.worker(**options)
        running = asyncio.create_task(worker.run(handle_signals=False))
        try:
            yield worker
        finally:
            await worker.close()
            await running

    async def add(self, count: int = 1, name: str = "add_up") -> list[Job[Any]]:
        """Add jobs."""
        return await self.app.queue(QUEUE).add_bulk([(name, {"numbers": [1], "path": ""})] * count)

    async def assert_done(self, jobs: list[Job[Any]]) -> None:
        """Check that each job has completed with its own result, after one attempt with one Kubernetes Job."""
        for job in jobs:
            assert await job.result(LONG) == job.id
            await job.refresh()
            assert (job.attempts_made, job.attempts_started) == (1, 1)
        made = [job["metadata"]["annotations"]["oxmq.dev/job-id"] for job in self.fake.store.listed("jobs")]
        assert sorted(made) == sorted(job.id for job in jobs)
        assert self.pods.refused == []


@pytest_asyncio.fixture
async def site(redis_url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Return a cluster that is well, so far. Whatever is waited for is waited for a short time."""
    for name, seconds in {"_PENDING_TICK": 0.2, "_RUNNING_TICK": 0.5}.items():
        monkeypatch.setattr(follower, name, seconds)
    for module, name in ((spawning, "_FIRST_PAUSE"), (watching, "_FIRST_PAUSE"), (held_job, "_PAUSE")):
        monkeypatch.setattr(module, name, 0.1)
    monkeypatch.setattr(executor, "JobWatch", partial(JobWatch, round_seconds=1.0))
    impatient = partial(KubernetesExecutor, open_cluster=partial(connect, deadline=DEADLINE))
    monkeypatch.setattr(heavy_jobs, "KubernetesExecutor", impatient)
    async with FakeCluster() as fake, WorkingPods(fake, NAMESPACE, redis_url) as pods:
        fake.create_namespace(NAMESPACE)
        monkeypatch.setenv("OXMQ_URL", redis_url)
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)))
        app = heavy_tasks.app_for(redis_url, prefix)
        yield Site(fake, pods, app)
        await app.close()


@pytest.mark.parametrize(
    "refusals",
    [
        [{"status": 500}, {"status": 503, "reason": "ServiceUnavailable"}],
        [{"status": CUT}, {"status": 429, "reason": "TooManyRequests"}],
    ],
)
async def test_create_refused_for_a_while(site: Site, refusals: list[dict[str, Any]]) -> None:
    site.pods.release()
    for refusal in refusals:
        site.fake.fail_next("create", times=2, **refusal)
    async with site.working():
        await site.assert_done(await site.add(4))


async def test_create_is_not_asked_again_before_it_may_be(site: Site) -> None:
    site.pods.release()
    site.fake.fail_next("create", status=429, retry_after=1)
    async with site.working():
        begun = monotonic()
        await site.assert_done(await site.add())
        assert monotonic() - begun > 1


async def test_reply_of_create_lost(site: Site) -> None:
    site.pods.release()
    for _ in range(3):
        site.fake.lose_reply_of_next("create")
    async with site.working():
        await site.assert_done(await site.add(4))


async def test_quota_used_up(site: Site) -> None:
    site.fake.set_quota(NAMESPACE, 2)
    async with site.working():
        jobs = await site.add(4)
        await eventually(lambda: len(site.pods.running) == 2, LONG, "no pod runs")
        await eventually(lambda: has_log(jobs, "exceeded quota"), LONG, "nobody waits for the quota")
        site.fake.set_quota(NAMESPACE, 10)
        site.pods.release()
        await site.assert_done(jobs)


async def test_lists_and_watches_refused(site: Site) -> None:
    for verb in ("list", "watch"):
        site.fake.fail_next(verb, status=500, times=5)
        site.fake.fail_next(verb, status=403, reason="Forbidden", times=2)
    async with site.working():
        jobs = await site.add(4)
        await eventually(lambda: len(site.pods.running) == 4, LONG, "not all pods run")
        site.fake.fail_next("list", status=429, reason="TooManyRequests", times=5)
        site.pods.release()
        await site.assert_done(jobs)


async def test_history_forgotten(site: Site) -> None:
    async with site.working():
        jobs = await site.add(4)
        await eventually(lambda: len(site.pods.running) == 4, LONG, "not all pods run")
        for _ in range(3):
            await eventually(lambda: site.fake.watches, LONG, "nobody watches")
            site.fake.compact()
        site.pods.release()
        await site.assert_done(jobs)


async def test_server_frozen(site: Site) -> None:
    """Take requests and answer them when they have been given up: what they asked for is done all the same."""
    site.pods.release()
    async with site.working():
        await site.assert_done(first := await site.add())
        site.fake.freeze()
        jobs = await site.add(2)
        await eventually(lambda: has_log(jobs, "did not answer in time"), LONG, "nothing is given up")
        site.fake.thaw()
        await site.assert_done(first + jobs)


async def test_watch_gone_silent(site: Site) -> None:
    """Follow a program, of whose end only the cluster knows, over a connection that leads nowhere."""
    async with site.working():
        [job] = await site.add(name="run_script")
        name = await spawned(site, job)
        await eventually(lambda: site.fake.watches, LONG, "nobody watches")
        site.fake.silence_watches()
        site.fake.finish(name, message='{"pages": null}')
        assert await job.result(LONG) == {"pages": None}


async def test_result_of_program_waits_for_what_knows_it(site: Site) -> None:
    async with site.working():
        [job] = await site.add(name="run_script")
        name = await spawned(site, job)
        site.fake.fail_next("list", resource="pods", times=3)
        site.fake.fail_next("list", resource="events", times=10)
        site.fake.fail_next("get", resource="pods/log", times=10)
        site.fake.finish(name, message="7")
        assert await job.result(LONG) == 7


async def test_running_pod_is_not_taken_for_pending(site: Site) -> None:
    """Have a worker take over a pod that has run for longer than it might have waited, from a cluster that falters."""
    task = site.app.tasks[QUEUE, "run_script"]
    assert isinstance(task.run, Kubernetes)
    site.app.task(name="patient", queue=QUEUE, run=structs.replace(task.run, pending_timeout="1s"))(task.function)
    async with site.working():
        [job] = await site.add(name="patient")
        name = await spawned(site, job)
        await eventually(lambda: has_log([job], "runs on node"), LONG, "the pod is not seen")
    begun = monotonic()
    await eventually(lambda: monotonic() - begun > 1, LONG)
    site.fake.fail_next("list", resource="pods", times=3)
    looks = site.looks_at_pods
    async with site.working():
        await eventually(lambda: site.looks_at_pods > looks + 3, LONG, "the pods are not looked at")
        site.fake.finish(name, message="7")
        assert await job.result(LONG) == 7


@pytest.mark.parametrize("name", ["add_up", "run_script"])
async def test_job_lost_and_taken_again_by_the_same_worker(
    site: Site, redis_client: Any, prefix: str, name: str
) -> None:
    async with site.working(stalled_interval=0.3) as worker:
        [job] = await site.add(name=name)
        run = await spawned(site, job)
        await eventually(lambda: has_log([job], "runs on node"), LONG, "the pod is not seen")
        redis_client.delete(f"{prefix}:{QUEUE}:{job.id}:lock")
        await eventually(lambda: worker.running == 2, LONG, "the job is not taken again")
        if name == "add_up":
            site.pods.release()
        else:
            site.fake.finish(run, message=f'"{job.id}"')
        assert await job.result(LONG) == job.id
        await eventually(lambda: worker.running == 0, LONG, "the worker goes on to follow a job that has ended")


async def test_job_gone_as_soon_as_it_has_ended(site: Site) -> None:
    site.pods.release()
    site.pods.deletes_jobs = True
    async with site.working():
        for job in await site.add(4):
            assert await job.result(LONG) == job.id


async def test_one_watch_for_all(site: Site) -> None:
    async with site.working():
        jobs = await site.add(20)
        await eventually(lambda: len(site.pods.running) == 20, LONG, "not all pods run")
        await eventually(lambda: site.fake.watches == 1, LONG)
        site.pods.release()
        await site.assert_done(jobs)


async def has_log(jobs: list[Job[Any]], words: str) -> bool:
    """Tell whether the log of one of the jobs says something."""
    logs = [await job.get_logs() for job in jobs]
    return any(words in line for log in logs for line in log)


async def spawned(site: Site, job: Job[Any]) -> str:
    """Return the name of a job's Kubernetes Job, once it is there and its worker knows."""

    async def is_noted() -> bool:
        return await has_log([job], "was created")

    await eventually(is_noted, LONG, "no Kubernetes Job is made")
    found = site.fake.store.listed("jobs", NAMESPACE, lambda each: job.id in str(each["metadata"]["annotations"]))
    return str(found[-1]["metadata"]["name"])

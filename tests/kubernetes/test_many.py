"""Many heavy jobs at once on one worker: one watch, few requests, little memory, and each job ends once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from oxmq import Queue
from tests.kubernetes.fake_cluster import FakeCluster
from tests.kubernetes.working_pods import WorkingPods
from tests.support.processes import Process, Processes
from tests.support.waiting import eventually

NAMESPACE = "jobs"
#: Seconds for what takes two on a quiet machine.
LONG = 120.0

#: Bytes of the worker's memory for each job that it follows: about 35,000 were seen, most of which is what Python and
#: the connections ask of the system in steps.
MOST_WHILE_FOLLOWED = 100_000
#: Bytes that a job may leave behind in the worker. Some 2,000 were seen at first and 500 later, when what Python asks
#: of the system no longer grows; a job that was kept would be ten times as much.
MOST_LEFT_BEHIND = 8_000
#: Requests to the API server for each job: one creates it, the others are for many jobs at once.
MOST_REQUESTS = 1.5


class Crowd:
    """A worker in a process of its own, its queue, and the cluster that runs its pods."""

    def __init__(self, queue: Queue, fake: FakeCluster, pods: WorkingPods, worker: Process) -> None:
        self.queue = queue
        self.fake = fake
        self.pods = pods
        self.worker = worker
        self._added = 0

    def memory(self) -> int:
        """Return the resident memory of the worker in bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.worker.pid}/status").read_text())
        assert found
        return 1024 * int(found[1])

    async def run(self, jobs: int) -> int:
        """Run so many jobs, all at once, and return the worker's memory while their pods ran.

        Their Jobs are deleted in the end, as the cluster does some time later.
        """
        self.pods.hold()
        ids = [f"job-{self._added + number}" for number in range(jobs)]
        self._added += jobs
        await self.queue.add_bulk([("add_up", {"numbers": [1]}, {"job_id": job_id}) for job_id in ids])
        await eventually(lambda: len(self.pods.running) == self._added, LONG, "not all pods run")
        memory = self.memory()
        assert self.fake.watches == 1
        self.pods.release()
        await eventually(self._all_have_completed, LONG, "not all jobs have completed")
        for job in self.fake.store.listed("jobs"):
            self.fake.delete_job(job["metadata"]["name"])
        return memory

    async def _all_have_completed(self) -> bool:
        return await self.queue.get_job_count_by_types("completed") == self._added


@pytest_asyncio.fixture
async def crowd(redis_url: str, prefix: str, tmp_path: Path) -> AsyncIterator[Crowd]:
    """Start everything."""
    async with FakeCluster() as fake, WorkingPods(fake, NAMESPACE, redis_url) as pods:
        fake.create_namespace(NAMESPACE)
        config = fake.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)
        environment = {"OXMQ_URL": redis_url, "HEAVY_PREFIX": prefix, "KUBECONFIG": str(config)}
        with Processes(tmp_path, environment) as processes:
            options = ["--concurrency=1", "--concurrency-kubernetes=1000"]
            worker = processes.start("oxmq", "worker", "tests.kubernetes.heavy_tasks:app", *options)
            async with Queue("heavy", redis_url, prefix=prefix) as queue:
                yield Crowd(queue, fake, pods, worker)


async def test_five_hundred_at_once(crowd: Crowd) -> None:
    before = await crowd.run(100)
    while_followed = await crowd.run(500)
    after = crowd.memory()
    assert (while_followed - before) / 400 < MOST_WHILE_FOLLOWED
    await crowd.run(500)
    assert (crowd.memory() - after) / 500 < MOST_LEFT_BEHIND

    done = await crowd.queue.get_jobs("completed", 0, -1)
    assert {job.id: job.return_value for job in done} == {f"job-{number}": f"job-{number}" for number in range(1100)}
    assert crowd.pods.refused == []
    created = [request for request in crowd.fake.requests if request.verb == "create"]
    assert len(created) == 1100
    assert len(crowd.fake.requests) < MOST_REQUESTS * 1100

    crowd.worker.terminate()
    assert crowd.worker.wait(LONG) == 0, crowd.worker.tail()
    crowd.worker.assert_careful()

"""Be the program in each pod of a fake cluster: say that it lives, leave a result in Redis, and end."""

from __future__ import annotations

import asyncio
from time import time
from typing import Final, Self

from oxmq.kubernetes.naming import identify
from oxmq.ops import remote_runs
from oxmq.ops.remote_runs import Left
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.kubernetes.fake_cluster import FakeCluster

#: How many pods do something at once.
_AT_ONCE: Final = 50


class WorkingPods:
    """Run every pod of a namespace as soon as its Job is made; use it in ``async with``.

    The result of a job is its id.

    Args:
        fake: the cluster.
        namespace: in which the pods are.
        url: where Redis is.

    Attributes:
        running: the Jobs whose pods have started, in order.
        ended: when each Job was complete, in seconds since the epoch, by job id.
        refused: the Jobs whose pod was not wanted.
        deletes_jobs: whether a Job that has ended is deleted at once.
    """

    def __init__(self, fake: FakeCluster, namespace: str, url: str) -> None:
        self.running: list[str] = []
        self.ended: dict[str, float] = {}
        self.refused: list[str] = []
        self.deletes_jobs = False
        self._fake = fake
        self._namespace = namespace
        self._runner = AsyncRunner(Endpoint(url))
        self._news = asyncio.Event()
        self._seen: set[str] = set()
        self._may_end = asyncio.Event()
        self._lives: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    def hold(self) -> None:
        """Let no pod end from now on."""
        self._may_end.clear()

    def release(self) -> None:
        """Let the pods end."""
        self._may_end.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._lives, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        await self._runner.close()

    async def _follow(self) -> None:
        unlisten = self._fake.store.listen(self._news.set)
        self._news.set()
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                for job in self._fake.store.listed("jobs", self._namespace, lambda job: _uid(job) not in self._seen):
                    self._seen.add(_uid(job))
                    life = asyncio.create_task(self._live(job["metadata"]["name"]))
                    self._lives.add(life)
                    life.add_done_callback(self._bury)
        finally:
            unlisten()

    def _bury(self, life: asyncio.Task[None]) -> None:
        if life.cancelled() or life.exception() is None:
            self._lives.discard(life)

    async def _live(self, name: str) -> None:
        async with self._places:
            self._fake.set_running(name)
            self.running.append(name)
        await self._may_end.wait()
        async with self._places:
            await self._end(name)

    async def _end(self, name: str) -> None:
        identity = identify(self._fake.job(name))
        assert identity, f"{name} is nobody's"
        pod = self._fake.pod(name)["metadata"]["name"]
        beat = remote_runs.beat_run(identity.keys, identity.job_id, identity.number, pod, int(time() * 1000))
        if not await self._runner.run(beat):
            self.refused.append(name)
            self._fake.finish(name, 3)
            return
        left = Left(number=identity.number, result=f'"{identity.job_id}"')
        await self._runner.run(remote_runs.leave_result(identity.keys, identity.job_id, pod, left))
        self._fake.finish(name)
        if self.deletes_jobs:
            self._fake.delete_job(name)
        self.ended[identity.job_id] = time()


def _uid(job: dict[str, dict[str, str]]) -> str:
    return job["metadata"]["uid"]

"""Set the stage of heavy jobs: a real control plane, workers here and in processes of their own, what must hold."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from oxmq import Job, JobFailedError, Kubernetes
from oxmq.app_worker import AppWorker
from oxmq.doctor.queues import dump_keys, find_queues
from oxmq.invariants import Knowledge, violations
from oxmq.kubernetes.diagnosis.job_state import job_phase
from oxmq.kubernetes.pod import EXIT_UNWANTED
from oxmq.ops import remote_runs
from oxmq.ops.remote_runs import RunState
from oxmq.task import Task
from tests.kubernetes import heavy_tasks
from tests.kubernetes.api import Api, Json
from tests.kubernetes.container import PodRun
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.heavy_worker import work
from tests.kubernetes.node_agent import NodeAgent
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

QUEUE = "heavy"
#: Seconds for what takes a few on a quiet machine.
LONG = 60.0
#: Small times, so that the jobs of a dead worker soon come back.
TIMES: dict[str, Any] = {"lock_duration": 1, "stalled_interval": 0.3, "drain_delay": 0.5, "grace": 10}
#: Keys and members of keys that a test leaves at most.
_MOST = 1_000_000


class Stage:
    """Hold one test's jobs: its prefix, its namespace, its workers.

    Attributes:
        api: a connection of the administrator to the cluster.
        app: the application, with the tasks of `heavy_tasks`; `declare` adds others.
        redis: a plain client.
        url: where Redis is: what the environment said when the test began.
        prefix: of all keys.
        namespace: where pods run.
        folder: for the files of the test.
    """

    def __init__(
        self, plane: ControlPlane, node: NodeAgent, api: Api, redis: Any, prefix: str, namespace: str, folder: Path
    ) -> None:
        self.plane = plane
        self.node = node
        self.redis = redis
        self.url = os.environ["OXMQ_URL"]
        self.prefix = prefix
        self.namespace = namespace
        self.folder = folder
        self.app = heavy_tasks.app_for(self.url, prefix)
        self.api = api
        self._workers: list[WorkerProcess] = []
        self._parts: list[Stage] = []

    def part(self) -> Stage:
        """Return a stage with jobs and workers of its own, beside this one: for scenarios side by side."""
        number = str(len(self._parts))
        folder = self.folder / number
        folder.mkdir()
        made = Stage(self.plane, self.node, self.api, self.redis, f"{self.prefix}:{number}", self.namespace, folder)
        self._parts.append(made)
        return made

    async def close(self) -> None:
        """Kill the workers that still run."""
        for part in self._parts:
            await part.close()
        for worker in self._workers:
            worker.kill9()
        await self.app.close()

    # ---- tasks and jobs ------------------------------------------------------------------------------------------

    # Any: fields of `Kubernetes`, each of its own type.
    def declare(
        self, task: Task[..., Any, Any], name: str, *, queue: str = QUEUE, attempts: int = 1, **spec: Any
    ) -> Task[..., Any, Any]:
        """Declare a task of `heavy_tasks` once more, under another name and with a pod of another kind."""
        run = task.run
        assert isinstance(run, Kubernetes)
        env = {**run.env, "HEAVY_PREFIX": self.prefix, **spec.pop("env", {})}
        run = structs.replace(run, env=env, **spec)
        return self.app.task(name=name, queue=queue, run=run, attempts=attempts)(task.function)

    # Any: the task's arguments and the job's options.
    async def add(self, name: str, data: dict[str, Any], **options: Any) -> Job[Any]:
        """Add a job of a task, by the task's name."""
        return await self.app.queue(QUEUE).add(name, data, **options)

    async def add_script(self, script: str, name: str = "run_script", **options: Any) -> Job[Any]:
        """Add the job of a program: a shell script."""
        path = self.folder / f"{uuid.uuid4().hex}.sh"
        path.write_text(script)
        return await self.add(name, {"path": str(path)}, **options)

    def file(self, name: str = "") -> Path:
        """Return the path of a file that does not exist."""
        return self.folder / (name or uuid.uuid4().hex)

    async def run_state(self, job: Job[Any]) -> RunState:
        """Return what the job says of its run."""
        return await self.app.runner.run(remote_runs.get_run_state(self.app.context(job.queue_name).keys, job.id))

    async def has_begun(self, job: Job[Any]) -> None:
        """Wait until the pod of a job has started a process."""
        await eventually(lambda: self.runs_of(job), LONG, f"no pod of job {job.id} has started")

    async def has_progress(self, job: Job[Any]) -> None:
        """Wait until a handler has reported progress: it is under way."""

        async def reported() -> bool:
            await job.refresh()
            return bool(job.progress)

        await eventually(reported, LONG, f"the handler of job {job.id} has not begun")

    # ---- workers -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncGenerator[AppWorker]:
        """Run a worker in this process; `options` are those of `Oxmq.worker`."""
        app = heavy_tasks.app_for(self.url, self.prefix)
        app.tasks.update(self.app.tasks)
        worker = app.worker(**{**TIMES, **options})
        ready = asyncio.Event()
        worker.on("ready", ready.set)
        running = asyncio.create_task(worker.run(handle_signals=False))
        await eventually(lambda: ready.is_set() or running.done(), LONG, "the worker does not start")
        try:
            yield worker
        finally:
            await worker.close()
            await running

    def start_worker(self, accident: str = "", **options: Any) -> WorkerProcess:
        """Start a worker in a process of its own, with the tasks of `heavy_tasks`.

        Args:
            accident: what happens to it; see `heavy_worker`.
            options: those of `Oxmq.worker`.
        """
        log = self.folder / f"worker-{len(self._workers)}.log"
        worker = WorkerProcess(log, self.url, self.prefix, accident, {**TIMES, **options})
        self._workers.append(worker)
        return worker

    # ---- the cluster ---------------------------------------------------------------------------------------------

    async def cluster_jobs(self, namespace: str = "") -> list[Json]:
        """Return the Kubernetes Jobs in the namespace."""
        path = f"/apis/batch/v1/namespaces/{namespace or self.namespace}/jobs"
        found: list[Json] = (await self.api.get(path))["items"]
        return found

    async def cluster_jobs_of(self, job: Job[Any]) -> list[Json]:
        """Return the Kubernetes Jobs that were made for a job."""
        return [
            found
            for found in await self.cluster_jobs()
            if found["metadata"].get("annotations", {}).get("oxmq.dev/job-id") == job.id
        ]

    async def pods(self, namespace: str = "") -> list[Json]:
        """Return the pods in the namespace."""
        found: list[Json] = (await self.api.get(f"/api/v1/namespaces/{namespace or self.namespace}/pods"))["items"]
        return found

    def runs_of(self, job: Job[Any]) -> list[PodRun]:
        """Return every process that the node has started for a job, in order."""
        mine = [run for run in self.node.pods_run if run.environment.get("HEAVY_PREFIX") == self.prefix]
        return [run for run in mine if _runs(run, job.id)]

    # ---- what must hold ------------------------------------------------------------------------------------------

    async def assert_sound(self, *, again: Mapping[str, int] | None = None) -> None:
        """Check what must hold after any fault, once all jobs have ended.

        Args:
            again: how many more pods than attempts a job may have had, by its id: after a disruption, a `Delay`, or
                when somebody had it run again.
        """
        await self._assert_ended_once(again or {})
        assert await self._contradictions() == []
        await eventually(self._nothing_runs, LONG, "a Kubernetes Job still runs")

    async def _assert_ended_once(self, again: Mapping[str, int]) -> None:
        queue = self.app.queue(QUEUE)
        unfinished = await queue.get_jobs(["waiting", "active", "delayed", "prioritized", "waiting-children"])
        assert not [job.id for job in unfinished if not job.id.startswith("repeat:")]
        endings = Counter(
            entry["jobId"]
            for _, entry in self.redis.xrange(f"{self.prefix}:{QUEUE}:events")
            if entry["event"] in ("completed", "failed")
        )
        for job in await queue.get_jobs(["completed", "failed"]):
            # A pod that the cluster puts in the place of the one that has the run is refused it.
            worked = [run for run in self.runs_of(job) if run.exit_code != EXIT_UNWANTED]
            runs, more = Counter(run.job for run in worked), again.get(job.id, 0)
            assert not [name for name, count in runs.items() if count > 1], "a Kubernetes Job had two processes"
            assert len(runs) <= job.attempts_made + more, f"job {job.id} had {len(runs)} pods"
            assert 1 <= endings[job.id] <= 1 + more, f"job {job.id} ended {endings[job.id]} times"

    async def _contradictions(self) -> list[str]:
        runner = self.app.runner
        found = await find_queues(runner, self.prefix, (QUEUE,), _MOST)
        dump = await dump_keys(runner, found.get(QUEUE, set()), _MOST)
        told = violations(dump, f"{self.prefix}:{QUEUE}:", Knowledge(at_rest=True))
        return [f"{violation.rule}: {violation.key}: {violation.words}" for violation in told]

    async def _nothing_runs(self) -> bool:
        """Tell whether no Kubernetes Job of this installation is under way; those of others are no business of it."""
        mine = [
            found
            for found in await self.cluster_jobs()
            if found["metadata"].get("annotations", {}).get("oxmq.dev/prefix") == self.prefix
        ]
        return all(job_phase(found) in ("complete", "failed") for found in mine)


async def failure_of(job: Job[Any]) -> str:
    """Return why a job has failed, once it has; afterwards it is as it is in Redis."""
    try:
        result = await job.result(LONG)
    except JobFailedError as error:
        await job.refresh()
        return error.reason
    raise AssertionError(f"job {job.id} has not failed, but returned {result!r}")


class WorkerProcess:
    """Be a worker in a process of its own, forked from one that has imported everything."""

    def __init__(self, log: Path, url: str, prefix: str, accident: str, options: dict[str, Any]) -> None:
        self._log = log
        environment = {name: value for name, value in os.environ.items() if name.startswith(("OXMQ_", "KUBE"))}
        self._process: ForkServerProcess = _forks().Process(
            target=work, args=(str(log), environment, url, prefix, accident, options), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return self._process.exitcode

    async def ended(self, seconds: float = LONG) -> int:
        """Return the exit code once it has ended."""
        await eventually(lambda: self._process.exitcode is not None, seconds, f"the worker goes on:\n{self.output()}")
        assert self._process.exitcode is not None
        return self._process.exitcode

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill9(self) -> None:
        """Kill it, if it runs."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """Ask it to stop."""
        self._process.terminate()

    def output(self) -> str:
        """Return what it has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _forks() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.kubernetes.heavy_worker"])
    return context


def _runs(run: PodRun, job_id: str) -> bool:
    return f"--job={job_id}" in run.command or run.environment.get("OXMQ_JOB_ID") == job_id


@pytest.fixture
def heavy_environment(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Return what sets a worker's environment; it is set for this test's namespace."""

    def choose(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    choose(
        KUBECONFIG=str(control_plane.admin_kubeconfig),
        OXMQ_KUBERNETES_NAMESPACE=namespace,
        OXMQ_KUBERNETES_RECONCILE_EVERY="0.5s",
        OXMQ_KUBERNETES_ORPHAN_GRACE="1s",
    )
    return choose


@pytest_asyncio.fixture
async def heavy(
    control_plane: ControlPlane,
    node: NodeAgent,
    shared_server: RedisServer,
    redis_client: Any,
    prefix: str,
    namespace: str,
    heavy_environment: Callable[..., None],
    tmp_path: Path,
) -> AsyncIterator[Stage]:
    """Return a stage for this test alone."""
    heavy_environment(OXMQ_URL=shared_server.url)
    async with control_plane.api() as api:
        made = Stage(control_plane, node, api, redis_client, prefix, namespace, tmp_path)
        try:
            yield made
        finally:
            await made.close()

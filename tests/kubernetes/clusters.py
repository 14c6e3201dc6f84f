"""The two clusters that contract tests run on, the fake and the real one, handled alike."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from oxmq.kubernetes.api_client import ApiCluster, connect
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.fake_cluster import FakeCluster
from tests.support.waiting import eventually

#: An object of Kubernetes. Any, because its depth is that of the API's own types.
Object = dict[str, Any]

#: Seconds for what takes less than one on a quiet machine.
LONG = 60.0
#: What every pod of these tests writes.
WRITTEN = "one\ntwo\nthree\n"

_PROGRAM = """
printf 'one\\ntwo\\nthree\\n'
until [ -s {file} ]; do sleep 0.05; done
exit "$(cat {file})"
"""


@asynccontextmanager
async def opened(kubeconfig: Path, deadline: float = 30.0) -> AsyncGenerator[ApiCluster]:
    """Connect by a kubeconfig; the deadline suits a machine under load."""
    cluster = await connect({"KUBECONFIG": str(kubeconfig)}, deadline=deadline)
    try:
        yield cluster
    finally:
        await cluster.close()


class Stage(ABC):
    """A cluster, and what a test does to it besides what oxmq does.

    Attributes:
        cluster: connected as somebody who may do everything.
        namespace: for this test alone; it is that of the connection's configuration, too.
    """

    def __init__(self, cluster: ApiCluster, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.folder = folder

    # Any: fields of a Job, which are the API's.
    def manifest(
        self, name: str, *, labels: dict[str, str] | None = None, script: str = "", cpu: str = "10m", **spec: Any
    ) -> Object:
        """Return a Job whose program writes `WRITTEN` and ends when `finish` says so.

        `script` is an accident that its pod is to have, see `NodeAgent`; a test tells the fake of it besides.
        """
        program = _PROGRAM.format(file=self.folder / name)
        container: Object = {"name": "main", "image": "oxmq:test", "command": ["sh", "-c", program]}
        container["resources"] = {"requests": {"cpu": cpu}}
        template: Object = {
            "metadata": {"labels": labels or {}, "annotations": {"lab/script": script}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
            },
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {"backoffLimit": 0, "template": template, **spec},
        }

    async def create(self, name: str, **details: Any) -> Object:
        """Create such a Job."""
        return await self.cluster.create_job(self.namespace, self.manifest(name, **details))

    async def pods(self, job: str) -> list[Object]:
        """Return the pods of a Job."""
        return await self.cluster.list_pods(self.namespace, f"job-name={job}")

    async def pod_in(self, job: str, phase: str) -> Object:
        """Return a Job's pod, as soon as it is in a phase."""

        async def found() -> Object | None:
            return next((pod for pod in await self.pods(job) if pod["status"].get("phase") == phase), None)

        pod = await eventually(found, LONG, f"no pod of {job} is {phase}")
        assert pod
        return pod

    async def condition(self, job: str, kind: str) -> Object:
        """Return a Job's condition, as soon as it is true."""

        async def found() -> Object | None:
            conditions = (await self.cluster.get_job(self.namespace, job))["status"].get("conditions", [])
            return next((each for each in conditions if each["type"] == kind and each["status"] == "True"), None)

        condition = await eventually(found, LONG, f"{job} is not {kind}")
        assert condition
        return condition

    @abstractmethod
    async def run(self, job: str) -> Object:
        """Let a Job's pod run, and return it when it has written what it writes."""

    @abstractmethod
    async def finish(self, job: str, exit_code: int) -> None:
        """Let the program of a running Job exit."""

    @abstractmethod
    async def hold_up(self, job: str) -> None:
        """Let the image of a Job that was created with ``script="imagepull"`` not be found."""

    @abstractmethod
    async def starve(self, job: str) -> None:
        """Let no node have what a Job that was created with ``cpu="1000"`` asks for."""

    @abstractmethod
    async def kill(self, job: str) -> None:
        """Let a Job that was created with the script ``oom`` run out of memory."""

    @abstractmethod
    async def evict(self, job: str) -> None:
        """Let the node put out the pod of a Job that was created with the script ``evict``."""

    @abstractmethod
    async def set_quota(self, jobs: int) -> None:
        """Allow so many Jobs in the namespace."""

    @abstractmethod
    def stranger(self) -> AbstractAsyncContextManager[ApiCluster]:
        """Connect as somebody whom the cluster knows and who may do nothing."""

    @abstractmethod
    def unknown(self) -> AbstractAsyncContextManager[ApiCluster]:
        """Connect with credentials that are none."""

    @abstractmethod
    async def compact(self) -> None:
        """Forget all history."""

    @abstractmethod
    async def stop(self) -> None:
        """Take the API server down at once."""

    @abstractmethod
    async def start(self) -> None:
        """Bring it back."""


class FakeStage(Stage):
    """The fake."""

    def __init__(self, fake: FakeCluster, cluster: ApiCluster, namespace: str, folder: Path) -> None:
        super().__init__(cluster, namespace, folder)
        self.fake = fake

    async def run(self, job: str) -> Object:
        self.fake.set_running(job)
        self.fake.set_log(job, WRITTEN)
        return await self.pod_in(job, "Running")

    async def finish(self, job: str, exit_code: int) -> None:
        self.fake.finish(job, exit_code)

    async def hold_up(self, job: str) -> None:
        self.fake.waiting(job, "ImagePullBackOff", 'Back-off pulling image "oxmq:test"')

    async def starve(self, job: str) -> None:
        self.fake.unschedulable(job)

    async def kill(self, job: str) -> None:
        self.fake.finish(job, 137, "OOMKilled")

    async def evict(self, job: str) -> None:
        self.fake.evict(job)

    async def set_quota(self, jobs: int) -> None:
        self.fake.set_quota(self.namespace, jobs)

    @asynccontextmanager
    async def stranger(self) -> AsyncGenerator[ApiCluster]:
        self.fake.add_user("stranger")
        async with opened(self.fake.kubeconfig(self.folder / "stranger", token="stranger")) as cluster:
            yield cluster

    @asynccontextmanager
    async def unknown(self) -> AsyncGenerator[ApiCluster]:
        async with opened(self.fake.kubeconfig(self.folder / "unknown", token="unknown")) as cluster:
            yield cluster

    async def compact(self) -> None:
        self.fake.compact()

    async def stop(self) -> None:
        await self.fake.stop()

    async def start(self) -> None:
        await self.fake.start()


class RealStage(Stage):
    """The control plane of the tests, with its node."""

    def __init__(self, plane: ControlPlane, cluster: ApiCluster, namespace: str, folder: Path) -> None:
        super().__init__(cluster, namespace, folder)
        self.plane = plane

    async def run(self, job: str) -> Object:
        pod = await self.pod_in(job, "Running")

        async def has_written() -> bool:
            return await self.cluster.read_log(self.namespace, pod["metadata"]["name"], 10) == WRITTEN

        await eventually(has_written, LONG, f"the pod of {job} has written nothing")
        return pod

    async def finish(self, job: str, exit_code: int) -> None:
        (self.folder / job).write_text(str(exit_code))

    async def hold_up(self, job: str) -> None:
        async def waits() -> bool:
            found = [each for pod in await self.pods(job) for each in pod["status"].get("containerStatuses", [])]
            return any(each["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for each in found)

        await eventually(waits, LONG, f"{job} finds its image")

    async def starve(self, job: str) -> None:
        """Nothing is to be done: the scheduler finds out."""

    async def kill(self, job: str) -> None:
        """Nothing is to be done: the script has said so."""

    async def evict(self, job: str) -> None:
        """Nothing is to be done: the script has said so."""

    async def set_quota(self, jobs: int) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/resourcequotas"
        body = {"metadata": {"name": "quota"}, "spec": {"hard": {"count/jobs.batch": str(jobs)}}}
        async with self.plane.api() as api:
            await api.post(path, body)

    @asynccontextmanager
    async def stranger(self) -> AsyncGenerator[ApiCluster]:
        async with opened(self.plane.service_account_kubeconfig(self.namespace, "default")) as cluster:
            yield cluster

    @asynccontextmanager
    async def unknown(self) -> AsyncGenerator[ApiCluster]:
        text = self.plane.admin_kubeconfig.read_text()
        path = self.folder / "unknown"
        path.write_text(text.replace('"token": "', '"token": "un'))
        async with opened(path) as cluster:
            yield cluster

    async def compact(self) -> None:
        await asyncio.to_thread(self.plane.compact)

    async def stop(self) -> None:
        await asyncio.to_thread(self.plane.stop_api)

    async def start(self) -> None:
        await asyncio.to_thread(self.plane.start_api)


@asynccontextmanager
async def fake_stage(folder: Path) -> AsyncGenerator[Stage]:
    """Set up a fake with a namespace."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    async with FakeCluster() as fake:
        fake.create_namespace(namespace)
        async with opened(fake.kubeconfig(folder / "admin", namespace=namespace)) as cluster:
            yield FakeStage(fake, cluster, namespace, folder)


@asynccontextmanager
async def real_stage(plane: ControlPlane, namespace: str, folder: Path) -> AsyncGenerator[Stage]:
    """Connect to the control plane of the tests."""
    text = plane.admin_kubeconfig.read_text().replace('"namespace": "default"', f'"namespace": "{namespace}"')
    path = folder / "admin"
    path.write_text(text)
    async with opened(path) as cluster:
        yield RealStage(plane, cluster, namespace, folder)


@pytest_asyncio.fixture(params=["fake", "real"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return each of the two clusters in turn. The real one is only started for tests that come to it."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "fake":
            yield await stack.enter_async_context(fake_stage(tmp_path))
            return
        request.getfixturevalue("node")
        plane: ControlPlane = request.getfixturevalue("control_plane")
        namespace: str = request.getfixturevalue("namespace")
        yield await stack.enter_async_context(real_stage(plane, namespace, tmp_path))

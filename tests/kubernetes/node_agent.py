"""A node for a control plane: it runs the commands of pods as local processes and serves their logs."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from aiohttp import web

from tests.kubernetes.api import MERGE, STRATEGIC, UNREACHABLE, ApiError, Json
from tests.kubernetes.container import PodRun, kind_of
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.lifeline import Lifeline
from tests.kubernetes.loop_thread import LoopThread
from tests.kubernetes.pod_on_node import Node, PodOnNode
from tests.support.waiting import eventually

#: Seconds between two signs of life; the control plane gives a node up after eight without one.
_BEAT = 1.5
#: Seconds for the control plane to take the node.
_READY_TIMEOUT = 60.0

#: What a node offers, as quantities of Kubernetes.
CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "110"}

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class NodeAgent:
    """A node with a name, running in a thread of its own; use it in ``with``, or call `start` and `close`.

    A pod's command runs with the tests' Python first in its PATH and the repository as its folder. Its spec's
    environment is set; a value that is the container's `terminationMessagePath`, or a path in one of its volumes, is
    replaced by that of a real file. A pod with the annotation ``lab/script`` has an accident:

    * ``imagepull``, ``invalid-image``, ``config-error``: it never starts, for that reason;
    * ``oom``, ``evict``: it runs for a second, or as many as follow a colon, and is killed as out of memory or evicted;
    * ``slow-start:5``: it starts after so many seconds.

    Args:
        control_plane: a running one.
        name: the node's.
        capacity: instead of `CAPACITY`; what is left out is taken from there.
        labels: of the node, for pods with a `nodeSelector`.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        name: str = "node-1",
        *,
        capacity: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._control_plane = control_plane
        self._capacity = {**CAPACITY, **(capacity or {})}
        self._labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})}
        self._folder = Path(tempfile.mkdtemp(prefix=f"oxmq-{name}-"))
        self._lifeline = Lifeline(self._folder)
        self._node = Node(name, control_plane.api(), self._folder, self._lifeline)
        self._pods: dict[str, PodOnNode] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._failures: list[BaseException] = []
        self._work: list[asyncio.Task[None]] = []
        self._logs: web.AppRunner | None = None
        self._thread: LoopThread | None = None

    @property
    def pods_run(self) -> list[PodRun]:
        """Return every process that the node has started, in order."""
        return list(self._node.journal)

    def runs_of(self, job: str) -> list[PodRun]:
        """Return the processes of the pods that a Job made."""
        return [run for run in self._node.journal if run.job == job]

    def start(self) -> Self:
        """Register the node and return when pods can be bound to it."""
        self._thread = LoopThread(self.name)
        try:
            self._thread.call(self._begin())
        except BaseException:
            self.close()
            raise
        return self

    def kill_node(self, *, processes: bool = False) -> None:
        """Lose the node: it shows no sign of life and reports nothing any more.

        Args:
            processes: kill those of its pods, as a power cut does; else they go on, as behind a cut cable.
        """
        if self._thread is None:
            return
        self._thread.call(self._end(kill=processes))
        self._thread.close()
        self._thread = None
        if processes:
            self._reap()

    def close(self) -> None:
        """Remove the node and kill all that it started; raises what went wrong in it."""
        self.kill_node(processes=True)
        self._control_plane.remove_node(self.name)
        self._lifeline.close()
        self._reap()
        if self._failures:
            raise BaseExceptionGroup(f"{self.name} failed", self._failures)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _begin(self) -> None:
        await self._node.api.__aenter__()
        port = await self._serve_logs()
        await self._register(port)
        self._work = [asyncio.create_task(self._beat(port)), asyncio.create_task(self._follow_pods())]
        await eventually(self._is_usable, _READY_TIMEOUT, f"the control plane does not take {self.name}")

    async def _end(self, *, kill: bool) -> None:
        tasks = [*self._work, *self._lives.values()]
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                self._failures.append(ended)
        for pod in self._pods.values():
            if kill:
                pod.kill()
            pod.release()
        if self._logs:
            await self._logs.cleanup()
        await self._node.api.__aexit__()

    def _reap(self) -> None:
        for pod in self._pods.values():
            pod.reap()

    async def _register(self, port: int) -> None:
        metadata = {"name": self.name, "labels": self._labels}
        try:
            await self._node.api.post("/api/v1/nodes", {"metadata": metadata, "status": self._status(port)})
        except ApiError as error:
            if error.status != 409:
                raise

    def _status(self, port: int) -> Json:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the node agent runs"}
        info = {"kubeletVersion": "v1.20.2", "operatingSystem": "linux", "architecture": "amd64"}
        return {
            "capacity": self._capacity,
            "allocatable": self._capacity,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": self.name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "nodeInfo": info,
        }

    async def _is_usable(self) -> bool:
        node = await self._node.api.get(f"/api/v1/nodes/{self.name}")
        return not node["spec"].get("taints")

    async def _beat(self, port: int) -> None:
        """Renew the node's lease and its status, as long as it lives."""
        while True:
            try:
                await self._renew_lease()
                body = {"status": self._status(port)}
                await self._node.api.patch(f"/api/v1/nodes/{self.name}/status", body, STRATEGIC)
            except (ApiError, *UNREACHABLE):
                # The server is away, or not yet complete.
                pass
            await asyncio.sleep(_BEAT)

    async def _renew_lease(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now}
        try:
            await self._node.api.patch(f"{_LEASES}/{self.name}", {"spec": spec}, MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._node.api.post(_LEASES, {"metadata": {"name": self.name}, "spec": spec})

    async def _follow_pods(self) -> None:
        async for kind, pod in self._node.api.follow("/api/v1/pods", fieldSelector=f"spec.nodeName={self.name}"):
            uid = pod["metadata"]["uid"]
            known = self._pods.get(uid)
            if kind == "DELETED":
                if known:
                    known.forget()
            elif known:
                known.update(pod)
            else:
                self._take(uid, pod)

    def _take(self, uid: str, pod: Json) -> None:
        taken = self._pods[uid] = PodOnNode(self._node, pod)
        life = self._lives[uid] = asyncio.create_task(taken.run())
        life.add_done_callback(lambda ended: self._bury(uid, ended))

    def _bury(self, uid: str, ended: asyncio.Task[None]) -> None:
        if ended.cancelled():
            return
        del self._pods[uid], self._lives[uid]
        if error := ended.exception():
            self._failures.append(error)

    async def _serve_logs(self) -> int:
        """Serve what the API server asks a node for, and return the port."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._log)
        self._logs = web.AppRunner(app, access_log=None)
        await self._logs.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._control_plane.server_certificate)
        site = web.TCPSite(self._logs, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port: int = self._logs.addresses[0][1]
        return port

    async def _log(self, request: web.Request) -> web.Response:
        asked = request.match_info
        named = [pod for pod in self._pods.values() if _names(pod) == (asked["namespace"], asked["pod"])]
        container = named[-1].container(asked["container"]) if named else None
        if container is None:
            raise web.HTTPNotFound(text=f'container "{asked["container"]}" in pod "{asked["pod"]}" is not known here')
        if kind_of(container.state) == "waiting":
            reason = container.state["waiting"]["reason"]
            raise web.HTTPBadRequest(
                text=f'container "{asked["container"]}" in pod "{asked["pod"]}" is waiting to start: {reason}'
            )
        return web.Response(body=_part(container.log, request.query.get("tailLines"), request.query.get("limitBytes")))


def _names(pod: PodOnNode) -> tuple[str, str]:
    metadata = pod.pod["metadata"]
    return metadata["namespace"], metadata["name"]


def _part(log: Path, lines: str | None, size: str | None) -> bytes:
    with log.open("rb") as opened:
        text = opened.read() if lines is None else b"".join(deque(opened, int(lines)))
    return text if size is None else text[: int(size)]

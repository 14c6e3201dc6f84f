"""A small scheduler: it binds pods to nodes that are ready and have room, and says why a pod has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from tests.kubernetes.api import STRATEGIC, UNREACHABLE, Api, ApiError, Json
from tests.kubernetes.events import record
from tests.kubernetes.loop_thread import LoopThread

_SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGTP", 1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTP", 1)},
}
_RESOURCES = ("cpu", "memory")
_OVER = ("Succeeded", "Failed")

#: Seconds between two tries while the API server is away.
_PAUSE = 0.2


class Scheduler:
    """Bind pods as they come, in a thread of its own, until it is closed.

    It knows requests of cpu and memory, the number of pods that a node takes, taints (no pod tolerates any) and
    `nodeSelector`. A pod that fits nowhere waits with the condition and the event that a cluster would show.

    Args:
        connect: returns a connection of the administrator.
    """

    def __init__(self, connect: Callable[[], Api]) -> None:
        self._connect = connect
        self._nodes: dict[str, Json] = {}
        self._pods: dict[str, Json] = {}
        #: The message that each waiting pod carries.
        self._said: dict[str, str] = {}
        self._thread: LoopThread | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to schedule."""
        self._thread = LoopThread("scheduler")
        self._thread.call(self._begin())

    def close(self) -> None:
        """End, and raise what went wrong in it. Harmless when it was not started."""
        if self._thread is None:
            return
        self._thread.close()
        self._thread = None
        if self._task and not self._task.cancelled():
            self._task.result()

    async def _begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        changed = asyncio.Event()
        async with self._connect() as api, asyncio.TaskGroup() as group:
            group.create_task(_collect(api, "/api/v1/nodes", self._nodes, changed))
            group.create_task(_collect(api, "/api/v1/pods", self._pods, changed))
            while True:
                await changed.wait()
                changed.clear()
                try:
                    await self._schedule(api)
                except (ApiError, *UNREACHABLE):
                    # The server is away, or was restarted a moment ago.
                    await asyncio.sleep(_PAUSE)
                    changed.set()

    async def _schedule(self, api: Api) -> None:
        waiting = [pod for pod in self._pods.values() if _is_waiting(pod)]
        for pod in sorted(waiting, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
            fitting = [node for node in self._nodes.values() if self._why_not(node, pod) is None]
            if fitting:
                await self._bind(api, pod, min(fitting, key=lambda node: len(self._pods_of(node))))
            else:
                await self._refuse(api, pod)

    async def _bind(self, api: Api, pod: Json, node: Json) -> None:
        metadata, name = pod["metadata"], node["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": name}
        body = {"metadata": {"name": metadata["name"], "uid": metadata["uid"]}, "target": target}
        try:
            await api.post(f"{_path(pod)}/binding", body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            # It has gone, or somebody bound it.
            return
        pod["spec"]["nodeName"] = name

    async def _refuse(self, api: Api, pod: Json) -> None:
        reasons = [self._why_not(node, pod) or "" for node in self._nodes.values()]
        counted = ", ".join(f"{reasons.count(reason)} {reason}" for reason in sorted(set(reasons)))
        message = f"0/{len(reasons)} nodes are available" + (f": {counted}." if counted else ".")
        if self._said.get(pod["metadata"]["uid"]) == message:
            return
        self._said[pod["metadata"]["uid"]] = message
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        try:
            await api.patch(f"{_path(pod)}/status", {"status": {"conditions": [condition]}}, STRATEGIC)
            await record(api, pod, "Warning", "FailedScheduling", message, source="default-scheduler")
        except ApiError as error:
            if error.status not in (403, 404, 409):
                raise

    def _why_not(self, node: Json, pod: Json) -> str | None:
        """Return why the node does not take the pod, in the scheduler's words; None where it does."""
        if not _is_ready(node):
            return "node(s) were not ready"
        if node["spec"].get("unschedulable") or node["spec"].get("taints"):
            return "node(s) had taints that the pod didn't tolerate"
        labels = node["metadata"].get("labels", {})
        if not pod["spec"].get("nodeSelector", {}).items() <= labels.items():
            return "node(s) didn't match node selector"
        return self._lack(node, pod)

    def _lack(self, node: Json, pod: Json) -> str | None:
        offered, present = node["status"]["allocatable"], self._pods_of(node)
        if len(present) >= int(offered["pods"]):
            return "Too many pods"
        for resource in _RESOURCES:
            if sum(requested(each, resource) for each in (*present, pod)) > amount(offered[resource]):
                return f"Insufficient {resource}"
        return None

    def _pods_of(self, node: Json) -> list[Json]:
        name = node["metadata"]["name"]
        return [
            pod
            for pod in self._pods.values()
            if pod["spec"].get("nodeName") == name and pod["status"].get("phase") not in _OVER
        ]


def amount(quantity: str) -> Decimal:
    """Return a quantity of Kubernetes as a number: ``500m`` is 0.5, ``8Gi`` is 8 * 1024 ** 3."""
    suffix = quantity.lstrip("+-.0123456789")
    return Decimal(quantity.removesuffix(suffix)) * _SUFFIXES[suffix]


def requested(pod: Json, resource: str) -> Decimal:
    """Return how much of a resource the pod's containers ask for."""
    requests = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
    return sum((amount(request.get(resource, "0")) for request in requests), Decimal(0))


async def _collect(api: Api, path: str, known: dict[str, Json], changed: asyncio.Event) -> None:
    async for kind, item in api.follow(path):
        uid = item["metadata"]["uid"]
        if kind == "DELETED":
            known.pop(uid, None)
        else:
            known[uid] = item
        changed.set()


def _is_waiting(pod: Json) -> bool:
    return (
        not pod["spec"].get("nodeName")
        and not pod["metadata"].get("deletionTimestamp")
        and pod["status"].get("phase") not in _OVER
    )


def _is_ready(node: Json) -> bool:
    conditions = node["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

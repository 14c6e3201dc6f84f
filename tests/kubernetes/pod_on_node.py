"""The life of one pod on a node: start its containers, report what becomes of them, and stop them when told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal

from tests.kubernetes.api import STRATEGIC, UNREACHABLE, Api, ApiError, Json
from tests.kubernetes.container import Container, PodRun, kind_of, stamp, waiting
from tests.kubernetes.events import record
from tests.kubernetes.lifeline import Lifeline
from tests.kubernetes.pod_environment import ConfigError, PodEnvironment

#: The annotation that makes a pod fail in a way that processes do not.
SCRIPT = "lab/script"

#: Seconds between two tries, and until a script's accident unless it says otherwise.
_PAUSE = 0.2
_ACCIDENT = 1.0
_OVER = ("Succeeded", "Failed")

_EVICTED = "The node was low on resource: memory. Container {} was using more than it asked for."
_LOST = "The container could not be located when the pod was terminated"


@dataclass
class Node:
    """What a pod needs of its node.

    Attributes:
        name: the node's.
        api: a connection of the node's own.
        folder: where the files of pods go.
        lifeline: takes charge of the processes.
        journal: every process that was started, in order.
    """

    name: str
    api: Api
    folder: Path
    lifeline: Lifeline
    journal: list[PodRun] = field(default_factory=list[PodRun])


class PodOnNode:
    """One pod, from its binding to its removal.

    Args:
        node: where it runs.
        pod: the object as it was first seen.
    """

    def __init__(self, node: Node, pod: Json) -> None:
        self.pod = pod
        self._node = node
        self._uid = str(pod["metadata"]["uid"])
        self._path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self._changed = asyncio.Event()
        self._is_gone = False
        self._started = stamp()
        #: Reason and message of the pod itself, such as those of an eviction.
        self._verdict: Json = {}
        self._containers: dict[str, Container] = {}

    def update(self, pod: Json) -> None:
        """Take a newer state of the object."""
        self.pod = pod
        self._changed.set()

    def forget(self) -> None:
        """Learn that the object has gone: what still runs is killed at once."""
        self._is_gone = True
        self._changed.set()

    def container(self, name: str) -> Container | None:
        """Return a container that is known here."""
        return self._containers.get(name)

    def kill(self) -> None:
        """Kill the processes and report nothing."""
        for container in self._containers.values():
            container.kill()

    def release(self) -> None:
        """Stop seeing the processes end."""
        for container in self._containers.values():
            container.release()

    def reap(self) -> None:
        """Wait for released processes that were killed."""
        for container in self._containers.values():
            container.reap()

    async def run(self) -> None:
        """Live until the object is removed."""
        living = asyncio.create_task(self._live())
        deleted = asyncio.create_task(self._until_deleted())
        try:
            await asyncio.wait({living, deleted}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                # An error in it ends the run; a pod that is over stays until it is deleted.
                living.result()
            await deleted
            await self._stop(living)
            await self._remove()
        finally:
            living.cancel()
            deleted.cancel()

    async def _live(self) -> None:
        phase = self.pod["status"].get("phase")
        if phase in _OVER or _is_deleted(self.pod):
            return
        if phase == "Running":
            await self._report_lost()
            return
        self._make_containers()
        await self._report()
        script, _, argument = self.pod["metadata"].get("annotations", {}).get(SCRIPT, "").partition(":")
        if script in _REFUSALS:
            await self._refuse(*_REFUSALS[script])
        if script == "slow-start":
            await asyncio.sleep(float(argument))
        for container in self._containers.values():
            await self._start(container)
        await self._report()
        if script in _ACCIDENTS:
            await self._accident(script, float(argument or _ACCIDENT))
        for container in self._containers.values():
            await container.ended.wait()
            await self._report()

    def _make_containers(self) -> None:
        for spec in self.pod["spec"]["containers"]:
            folder = self._node.folder / self._uid / spec["name"]
            self._containers[spec["name"]] = Container(spec, folder, self._node.lifeline)

    async def _start(self, container: Container) -> None:
        """Start a container, as soon as its configuration is there."""
        spec = next(each for each in self.pod["spec"]["containers"] if each["name"] == container.name)
        environment = PodEnvironment(self._node.api, self.pod, spec, container.log.parent)
        while True:
            try:
                values = await environment.values()
                command = await environment.command(values)
                break
            except ConfigError as error:
                await self._wait_with(container, "CreateContainerConfigError", str(error))
            except (ApiError, *UNREACHABLE):
                # The server is away, or was restarted a moment ago.
                pass
            await asyncio.sleep(_PAUSE)
        metadata = self.pod["metadata"]
        run = PodRun(
            namespace=metadata["namespace"],
            pod=metadata["name"],
            uid=self._uid,
            job=metadata.get("labels", {}).get("job-name", ""),
            container=container.name,
            node=self._node.name,
            command=command,
            environment=values,
        )
        self._node.journal.append(run)
        container.start(run, environment.termination_message)

    async def _wait_with(self, container: Container, reason: str, message: str) -> None:
        state = waiting(reason, message)
        if container.state == state:
            return
        container.state = state
        await self._report()
        await self._event("Failed", f"Error: {message}")

    async def _refuse(self, event: str, *reasons: tuple[str, str]) -> None:
        """Show the states of a container that never starts, the last of them until the pod is deleted."""
        for reason, words in reasons:
            for container in self._containers.values():
                container.state = waiting(reason, words.format(self.pod["spec"]["containers"][0]["image"]))
            await self._report()
            message = next(iter(self._containers.values())).state["waiting"]["message"]
            await self._event(event, message)
            await asyncio.sleep(_PAUSE)
        await asyncio.Event().wait()

    async def _accident(self, script: str, seconds: float) -> None:
        """Kill the containers when they have run for so long, unless they ended by themselves."""
        first = next(iter(self._containers.values()))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(first.ended.wait(), seconds)
            return
        if script == "evict":
            message = _EVICTED.format(first.name)
            self._verdict = {"reason": "Evicted", "message": message}
            await self._event("Evicted", message)
        for container in self._containers.values():
            container.kill("OOMKilled" if script == "oom" else "")

    async def _report_lost(self) -> None:
        """Say that the containers of an earlier run of the node have gone."""
        self._make_containers()
        now = stamp()
        for container in self._containers.values():
            ending = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": _LOST}
            container.state = {"terminated": {**ending, "startedAt": now, "finishedAt": now}}
            container.ended.set()
        await self._report()

    async def _until_deleted(self) -> None:
        while not (self._is_gone or _is_deleted(self.pod)):
            await self._next_change()

    async def _next_change(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def _stop(self, living: asyncio.Task[None]) -> None:
        """Ask the processes to end, and kill them when their grace is over; it may be shortened meanwhile."""
        if not any(container.is_running for container in self._containers.values()):
            living.cancel()
        begun = monotonic()
        for container in self._containers.values():
            container.send(signal.SIGTERM)
        while not living.done():
            left = begun + self._grace() - monotonic()
            if left <= 0:
                self.kill()
                left = _PAUSE
            change = asyncio.create_task(self._next_change())
            await asyncio.wait({living, change}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
        if not living.cancelled():
            living.result()

    def _grace(self) -> float:
        return 0.0 if self._is_gone else float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)

    async def _remove(self) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
        await self._insist(lambda: self._node.api.delete(self._path, options))

    async def _report(self) -> None:
        """Write the pod's status."""
        body = {"metadata": {"uid": self._uid}, "status": self._status()}
        await self._insist(lambda: self._node.api.patch(f"{self._path}/status", body, STRATEGIC))

    def _status(self) -> Json:
        statuses = [container.status() for container in self._containers.values()]
        phase = self._phase()
        ready = "True" if phase == "Running" and all(status["ready"] for status in statuses) else "False"
        conditions = [
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": ready},
            {"type": "ContainersReady", "status": ready},
        ]
        address = {"hostIP": "127.0.0.1", "podIP": "127.0.0.1", "startTime": self._started}
        verdict = self._verdict if phase == "Failed" else {}
        return {"phase": phase, "conditions": conditions, "containerStatuses": statuses, **address, **verdict}

    def _phase(self) -> Literal["Pending", "Running", "Succeeded", "Failed"]:
        states = [container.state for container in self._containers.values()]
        kinds = {kind_of(state) for state in states}
        if kinds == {"waiting"}:
            return "Pending"
        if kinds != {"terminated"}:
            return "Running"
        failed = any(state["terminated"]["exitCode"] for state in states)
        return "Failed" if failed else "Succeeded"

    async def _event(self, reason: str, message: str) -> None:
        await self._insist(
            lambda: record(self._node.api, self.pod, "Warning", reason, message, source="kubelet"), refusals=(403, 404)
        )

    async def _insist(self, call: Callable[[], Awaitable[object]], refusals: tuple[int, ...] = (404,)) -> None:
        """Make a call until the server takes it, or says that there is nothing to do it with."""
        while not self._is_gone:
            try:
                await call()
                return
            except ApiError as error:
                if error.status in refusals:
                    return
                if error.status < 500 and error.status not in (409, 429):
                    raise
            except UNREACHABLE:
                pass
            await asyncio.sleep(_PAUSE)


def _is_deleted(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


_NOT_FOUND = 'failed to pull image "{0}": manifest for {0} not found: manifest unknown'

#: What becomes of containers that never start: the reason of the event, and the states one after the other.
_REFUSALS: dict[str, tuple[str, *tuple[tuple[str, str], ...]]] = {
    "imagepull": (
        "Failed",
        ("ErrImagePull", "rpc error: code = NotFound desc = " + _NOT_FOUND),
        ("ImagePullBackOff", 'Back-off pulling image "{0}"'),
    ),
    "invalid-image": (
        "InspectFailed",
        ("InvalidImageName", 'Failed to apply default image tag "{0}": couldn\'t parse image reference "{0}"'),
    ),
    "config-error": ("Failed", ("CreateContainerConfigError", 'secret "missing" not found')),
}
_ACCIDENTS = ("oom", "evict")

"""One container of a pod, which is a local process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Literal

from tests.kubernetes.api import Json
from tests.kubernetes.lifeline import Lifeline

ROOT = Path(__file__).parents[2]

#: Bytes and lines that Kubernetes takes of a termination message.
_MESSAGE_LIMIT = 4096
_LOG_AS_MESSAGE = (2048, 80)

#: What of the tests' own environment a process needs: an image would bring it.
_INHERITED = ("LANG", "LC_ALL", "TZ", "OXMQ_TIMESCALE")


@dataclass
class PodRun:
    """A process that a node started.

    Attributes:
        namespace: of the pod.
        pod: its name.
        uid: the pod's.
        job: the name of the Job that made it; empty where there is none.
        container: its name.
        node: the node that it ran on.
        command: its words.
        environment: the variables that its spec names.
        pid: of the process.
        started: seconds since the epoch.
        ended: likewise; None while it runs, and for ever where the node was lost.
        exit_code: as Kubernetes counts: 128 and more for a signal.
    """

    namespace: str
    pod: str
    uid: str
    job: str
    container: str
    node: str
    command: list[str]
    environment: dict[str, str]
    pid: int = 0
    started: float = field(default_factory=time)
    ended: float | None = None
    exit_code: int | None = None


class Container:
    """Start a container's process, see it end, and put both in the words of Kubernetes.

    Args:
        spec: the container, out of the pod's spec.
        folder: where its log and its termination message are.
        lifeline: takes charge of the process.
    """

    def __init__(self, spec: Json, folder: Path, lifeline: Lifeline) -> None:
        self.name = str(spec["name"])
        self.ended = asyncio.Event()
        self.state: Json = waiting("ContainerCreating")
        self.log = folder / "log"
        self.run: PodRun | None = None
        self._spec = spec
        self._folder = folder
        self._lifeline = lifeline
        self._id = f"process://{uuid.uuid4().hex}"
        self._process: subprocess.Popen[bytes] | None = None
        self._reason = ""
        self._descriptor: int | None = None
        folder.mkdir(parents=True)
        self.log.touch()

    @property
    def is_running(self) -> bool:
        """Tell whether its process runs."""
        return self._process is not None and not self.ended.is_set()

    def start(self, run: PodRun, message: Path) -> None:
        """Start the process; where that fails, it has ended in the way that Kubernetes shows.

        Args:
            run: what to start, completed with what became of it.
            message: where the process may leave its termination message.
        """
        message.touch()
        own = {"OXMQ_NODE_TERMINATION_MESSAGE": str(message), "HOSTNAME": run.pod}
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    run.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    env={**_image(self._folder), **own, **run.environment},
                    process_group=0,
                )
        except (OSError, ValueError, IndexError) as error:
            now = stamp()
            self.state = self._terminated(128, "StartError", f"failed to start container: {error}", now, now)
            self.ended.set()
            return
        run.pid, run.started, self.run = self._process.pid, time(), run
        self._lifeline.add(run.pid)
        self.state = {"running": {"startedAt": stamp()}}
        self._watch(self._process.pid, message)

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL to all its processes, any other to the first, as a node does."""
        if self._process is None or not self.is_running:
            return
        # Its number is its own as long as nobody has waited for it.
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            os.kill(self._process.pid, number)

    def kill(self, reason: str = "") -> None:
        """Kill it, for a reason that is shown instead of the usual one."""
        self._reason = reason
        self.send(signal.SIGKILL)

    def release(self) -> None:
        """Stop seeing it end; it goes on. Call it in the event loop that started it."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def reap(self) -> None:
        """Wait for a released process that was killed."""
        if self._process and self.run and self.run.ended is None:
            self._process.wait()
            self._lifeline.remove(self._process.pid)
            self.run.ended, self.run.exit_code = time(), 137

    def status(self) -> Json:
        """Return its part of the pod's status."""
        image = self._spec.get("image", "")
        status = {"name": self.name, "image": image, "imageID": image, "restartCount": 0, "state": self.state}
        running = "running" in self.state
        started = {"containerID": self._id} if running or "terminated" in self.state else {}
        return {**status, "ready": running, "started": running, **started}

    def _watch(self, pid: int, message: Path) -> None:
        def has_ended() -> None:
            self.release()
            self._bury(message)

        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, has_ended)

    def _bury(self, message: Path) -> None:
        assert self._process and self.run, "it was started"
        with contextlib.suppress(ProcessLookupError):
            # What its first process left behind ends with it.
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self._lifeline.remove(self._process.pid)
        code = code if code >= 0 else 128 - code
        self.run.ended, self.run.exit_code = time(), code
        reason = self._reason or ("Completed" if code == 0 else "Error")
        text = self._message(message, failed=code != 0)
        self.state = self._terminated(code, reason, text, self.state["running"]["startedAt"], stamp())
        self.ended.set()

    def _message(self, file: Path, *, failed: bool) -> str:
        try:
            text = file.read_bytes()[:_MESSAGE_LIMIT]
        except OSError:
            text = b""
        if not text and failed and self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            size, lines = _LOG_AS_MESSAGE
            text = b"".join(self.log.read_bytes()[-size:].splitlines(keepends=True)[-lines:])
        return text.decode(errors="replace")

    def _terminated(self, code: int, reason: str, message: str, started: str, ended: str) -> Json:
        ending = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": ended}
        return {"terminated": {**ending, "containerID": self._id, **({"message": message} if message else {})}}


def waiting(reason: str, message: str = "") -> Json:
    """Return the state of a container that has not started."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def stamp() -> str:
    """Return the time in Kubernetes' spelling."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def kind_of(state: Json) -> Literal["waiting", "running", "terminated"]:
    """Return which of the three states it is."""
    return "waiting" if "waiting" in state else "running" if "running" in state else "terminated"


def _image(folder: Path) -> dict[str, str]:
    """Return the environment that an image would have: the tests' own Python, with the repository in its path."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**inherited, "PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT)}

"""Run the whole demo as a process of its own, as a user would, in a fresh directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from oxmq.transport.embedded import EmbeddedServer
from tests.support.waiting import eventually_sync

#: Enough requests for the receiver to refuse one of them once and one twice.
REQUESTS = 8


#: The end of the last line in which the demo names what runs.
RUNNING = "(watch the jobs there, live)"


class Demo:
    """A demo that runs as a process of its own."""

    def __init__(self, directory: Path, *arguments: str, url: str = "", requests: int = REQUESTS) -> None:
        self.directory = directory
        environment = {name: value for name, value in os.environ.items() if name != "OXMQ_URL"}
        environment |= {"OXMQ_URL": url} if url else {}
        environment["OXMQ_RUN_KUBERNETES"] = "kubernetes"  # must not count: no cluster could get the demo's image
        command = [sys.executable, "-u", "-m", "oxmq.demo", "--requests", str(requests), *arguments]
        self._output = directory / "output.txt"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=directory, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def text(self) -> str:
        """Return what the demo has printed so far."""
        return self._output.read_text()

    def says(self, text: str) -> None:
        """Wait until the demo has printed `text`."""
        eventually_sync(lambda: text in self.text or self.process.poll() is not None, 60, f"the demo never said {text}")
        assert text in self.text, self.text

    def ends(self) -> int:
        """Wait for the exit code."""
        return self.process.wait(90)

    def left_running(self) -> list[int]:
        """Return those of the processes which the demo named that still run."""
        named = [int(pid) for pid in re.findall(r"process (\d+)", self.text)]
        assert named, self.text
        return [pid for pid in named if _is_running(pid)]

    def assert_nothing_is_left(self) -> None:
        """Check that the processes which the demo named have ended, and wait until Valkey has noticed it."""
        assert self.left_running() == []
        valkey = EmbeddedServer(self.directory / ".oxmq")
        eventually_sync(lambda: valkey.pid is None, 15, "Valkey still runs")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class StartDemo(Protocol):
    """Start a demo in a directory; it is ended after the test."""

    def __call__(self, directory: Path, *arguments: str, url: str = "", requests: int = REQUESTS) -> Demo:
        """Return the demo that was started."""
        ...

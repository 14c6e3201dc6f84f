"""Start the worker and producer processes of a test, and do to them what operators and accidents do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.waiting import TIME_SCALE, eventually_sync

ROOT = Path(__file__).parents[2]

#: What a process writes only when the library has left something lying about.
_CARELESS = (
    "was never retrieved",
    "was never awaited",
    "destroyed but it is pending",
    "ResourceWarning",
    "Fatal Python",
)


class Process:
    """One Python process, running a module of the tests with `arguments`. It leads a process group of its own."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = log.stem
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-W", "always::ResourceWarning", "-m", module, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *_inherited_path()]), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return self._process.poll()

    def kill9(self) -> None:
        """Kill it: nothing is cleaned up."""
        self._send(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop, as an operator or an orchestrator does."""
        self._send(signal.SIGTERM)

    def freeze(self) -> None:
        """Suspend it."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def wait(self, seconds: float) -> int:
        """Return the exit code, which it must have within so many seconds."""
        try:
            return self._process.wait(seconds * TIME_SCALE)
        except subprocess.TimeoutExpired:
            # Its threads' stacks go to its log.
            self._send(signal.SIGABRT)
            self._process.wait()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s\n{self.tail(80)}") from None

    def output(self) -> str:
        """Return everything that it has written."""
        return self._log.read_text(errors="replace")

    def tail(self, lines: int = 30) -> str:
        """Return the end of what it has written."""
        return "\n".join(self.output().splitlines()[-lines:])

    def assert_careful(self) -> None:
        """Check that it left no task, coroutine or connection lying about."""
        output = self.output()
        assert not any(word in output for word in _CARELESS), f"{self.name} left something behind:\n{self.tail(60)}"

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Processes:
    """Own the processes of a test: those that still run at the end of the block are killed."""

    def __init__(self, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        self._logs = logs
        self._environment = environment or {}
        self._started: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.exit_code is None:
                process.thaw()
                process.kill9()

    def start(self, module: str, *arguments: str) -> Process:
        """Run a module of the tests."""
        name = f"{module.rpartition('.')[2]}-{len(self._started)}"
        process = Process(module, arguments, self._logs / f"{name}.log", self._environment)
        self._started.append(process)
        return process

    def all(self) -> list[Process]:
        """Return every process that was started."""
        return list(self._started)

    def alive(self) -> list[Process]:
        """Return those that run."""
        return [process for process in self._started if process.exit_code is None]


def _inherited_path() -> list[str]:
    return [path] if (path := os.environ.get("PYTHONPATH")) else []


def until_ended(process: Process, seconds: float) -> None:
    """Wait until the process has ended by itself."""
    eventually_sync(lambda: process.exit_code is not None, seconds, f"{process.name} goes on:\n{process.tail()}")

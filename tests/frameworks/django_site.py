"""Run the example's Django project: its commands, its ASGI server, its worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx2

from tests.support.processes import ROOT, Process, Processes
from tests.support.servers import free_port
from tests.support.waiting import TIME_SCALE, eventually_sync

PROJECT: Final = ROOT / "examples" / "django_site"
#: Seconds for anything to happen on a busy machine.
PATIENCE: Final = 30.0


class DjangoSite:
    """Hold the project with a database and a Redis of its own.

    Attributes:
        url: where the Redis is.
        processes: those that were started; they end with the block.
    """

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self._environment = {
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "tests.frameworks.probe.settings",
            "DATABASE": str(directory / "db.sqlite3"),
            "OXMQ_URL": url,
        }
        self.processes = Processes(directory, self._environment)

    def __enter__(self) -> Self:
        self.processes.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.processes.__exit__(*error)

    @property
    def python_path(self) -> str:
        """Return where the project's modules are found."""
        return self._environment["PYTHONPATH"]

    @contextmanager
    def elsewhere(self, url: str) -> Generator[None]:
        """Let commands find another address of the server."""
        self._environment["OXMQ_URL"] = url
        try:
            yield
        finally:
            self._environment["OXMQ_URL"] = self.url

    def migrate(self) -> None:
        """Make the tables."""
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *words: str, check: bool = True, **environment: str) -> str:
        """Run a command of ``manage.py`` and return what it prints."""
        return self._run(str(PROJECT / "manage.py"), *words, check=check, **environment)

    def walk(self, *words: str, module: str = "scenarios") -> Any:
        """Run a module of `tests.frameworks.probe`, and return what each of its scenarios saw."""
        return json.loads(self._run("-m", f"tests.frameworks.probe.{module}", *words))

    def serve(self, application: str = "mysite.asgi:application") -> str:
        """Serve an ASGI application, and return its address once it answers."""
        port = free_port()
        process = self.processes.start("uvicorn", application, "--port", str(port), "--log-level", "warning")
        address = f"http://127.0.0.1:{port}"
        eventually_sync(lambda: answers(address, process), PATIENCE, "the server does not answer")
        return address

    def work(self, *options: str) -> Process:
        """Start a worker as ``manage.py oxmq_worker``, and return it once it has said so."""
        process = self.processes.start("manage", "oxmq_worker", *options)
        eventually_sync(lambda: _says(process, "works oxmq"), PATIENCE, "the worker does not start")
        return process

    def _run(self, *words: str, check: bool = True, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], env={**os.environ, **self._environment, **environment}, check=False, text=True,
            capture_output=True, timeout=PATIENCE * 2 * TIME_SCALE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if check else f"{done.returncode} {done.stdout}{done.stderr}"


def answers(address: str, process: Process) -> bool:
    """Tell whether anything answers at an address, whatever it says; the process that shall must not have ended."""
    assert process.exit_code is None, process.tail()
    try:
        httpx2.get(address, timeout=PATIENCE)
    except httpx2.TransportError:
        return False
    return True


def _says(process: Process, words: str) -> bool:
    assert process.exit_code is None, process.tail()
    return words in process.output()

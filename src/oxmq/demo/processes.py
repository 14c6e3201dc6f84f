"""Start the demo's processes, notice when one dies, and stop them all, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_LOG_LINES = 12


class ProcessError(Exception):
    """Say that a process of the demo died or did not become ready; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """Hold a running process and where its output goes."""

    name: str
    process: Process
    log: Path

    def error(self, what: str) -> ProcessError:
        """Build the error that says what went wrong, with the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return ProcessError("\n  ".join((f"The {self.name} {what}. The end of {self.log}:", *lines)))


class Processes:
    """Own the child processes: `async with` stops every one of them at its end.

    Each child leads a session of its own, so that Ctrl-C reaches the main process alone, which then stops the
    children in the reverse order of their start. Each may take `grace` seconds to finish its work, and is then killed.
    `lifeline` is a descriptor that every child inherits: a pipe that ends when the main process does, even if it is
    killed.
    """

    def __init__(self, logs: Path, environment: dict[str, str], grace: float = 10) -> None:
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._grace = grace
        self._children: list[Child] = []
        self.lifeline, self._held_end = os.pipe()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            await _stop(child.process, self._grace)
        os.close(self.lifeline)
        os.close(self._held_end)

    async def start(self, name: str, arguments: Sequence[str], descriptors: Sequence[int] = ()) -> Child:
        """Run this Python with `arguments`; the process inherits the file `descriptors`."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                pass_fds=[self.lifeline, *descriptors],
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def watch(self) -> None:
        """Return never; raise when a process ends by itself.

        Raises:
            ProcessError: With the end of the log of the process that died.
        """
        endings = {asyncio.create_task(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for ending in endings:
                ending.cancel()
        ended = endings[done.pop()]
        raise ended.error(f"died with exit code {ended.process.returncode}")


async def wait_until_ready(child: Child, is_ready: Callable[[], Awaitable[bool]], deadline: float) -> None:
    """Ask `is_ready` again and again until it says yes.

    Raises:
        ProcessError: The process died, or was not ready after `deadline` seconds.
    """
    try:
        async with asyncio.timeout(deadline):
            while not await is_ready():
                if child.process.returncode is not None:
                    raise child.error(f"died with exit code {child.process.returncode}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise child.error(f"was not ready after {deadline:g} s") from None


async def _stop(process: Process, grace: float) -> None:
    """Ask the process to stop; after the grace, kill it with all of its session."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

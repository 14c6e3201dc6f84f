"""Run a worker that starts afresh whenever the source code changes, and the dashboard beside it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from oxmq.cli.children import Child, ending, first_of
from oxmq.cli.terminal.screen import note
from oxmq.worker.signals import stopping_on_signals

#: Seconds between two looks at the files.
_INTERVAL = 0.4
_SKIPPED = ("node_modules", "site-packages", "__pycache__")


class Sources:
    """Watch the Python files below a directory, but not those in hidden directories or virtual environments."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen = self._look()

    async def changed(self) -> Path:
        """Wait until a file changes, appears or vanishes, and return it."""
        while True:
            now = await asyncio.to_thread(self._look)
            before, self._seen = self._seen, now
            if different := dict(now.items() ^ before.items()):
                return min(different)
            await asyncio.sleep(_INTERVAL)

    def _look(self) -> dict[Path, int]:
        return dict(_source_files(self._directory))


def _source_files(directory: Path) -> Iterator[tuple[Path, int]]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        if "pyvenv.cfg" in files:
            folders.clear()
        for path in (Path(folder, name) for name in files if name.endswith(".py")):
            try:
                yield path, path.stat().st_mtime_ns
            except FileNotFoundError:  # an editor has just replaced it
                continue


class Companion:
    """Hold a process that goes on while the worker is restarted: the one that serves the dashboard.

    Args:
        arguments: its command line; none for no such process.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._child: Child | None = None
        self._end: asyncio.Task[None] | None = None
        self._stopping = False

    async def ensure(self) -> None:
        """Start it unless it runs: an application that could not be imported may be better after a change."""
        if self._arguments and self._end is None:
            self._child = await Child.start(self._arguments)
            self._end = asyncio.create_task(self._await_end(self._child))

    async def stop(self) -> None:
        """Stop it, and wait for its end."""
        self._stopping = True
        if self._child is not None and self._end is not None:
            self._child.stop()
            await self._end

    async def _await_end(self, child: Child) -> None:
        code = await child.wait()
        self._end = None
        if not self._stopping:
            note(f"the dashboard {ending(code)}: it is tried again with the next change")


class DevSession:
    """Run one worker process at a time, and another after each change.

    Args:
        arguments: the command line of the worker.
        directory: where the source code is.
        companion: the command line of a process that goes on meanwhile; none for no such process.
    """

    def __init__(self, arguments: Sequence[str], directory: Path, companion: Sequence[str] = ()) -> None:
        self._arguments = arguments
        self._directory = directory
        self._companion = Companion(companion)
        self._child: Child | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Return 0 after SIGTERM or SIGINT, when the worker has ended."""
        sources = Sources(self._directory)
        note(f"restarting at each change of a Python file in {self._directory}; Ctrl-C stops everything")
        with stopping_on_signals(self._stop, self._stop):
            try:
                while not self._stopping.is_set():
                    await self._companion.ensure()
                    await self._run_until_change(sources)
            finally:
                await self._companion.stop()
        return 0

    def _stop(self) -> None:
        self._stopping.set()
        if self._child is not None:
            self._child.stop()

    async def _run_until_change(self, sources: Sources) -> None:
        child = self._child = await Child.start(self._arguments)
        if self._stopping.is_set():
            child.stop()
        change = asyncio.create_task(sources.changed())
        end = asyncio.create_task(child.wait())
        await asyncio.wait((change, end), return_when=asyncio.FIRST_COMPLETED)
        if not change.done() and not self._stopping.is_set():
            note(f"the worker {ending(end.result())}: waiting for a change")
            await self._wait_for(change)
        if change.done():
            note(f"{change.result().relative_to(self._directory)} changed: restarting the worker")
            child.stop()
        change.cancel()
        await end
        self._child = None

    async def _wait_for(self, change: asyncio.Task[Path]) -> None:
        changed = asyncio.Event()
        change.add_done_callback(lambda _: changed.set())
        await first_of(changed, self._stopping)

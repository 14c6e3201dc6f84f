"""Keep a number of worker processes running."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence

from oxmq.cli.children import Child, ending, first_of
from oxmq.cli.terminal.screen import EXIT_FAILURE, EXIT_UNUSABLE, note
from oxmq.worker.signals import stopping_on_signals

#: A process that lives for fewer seconds has failed to start.
_QUICK_DEATH = 5.0
#: After so many failed starts in a row all processes are stopped.
_MOST_FAILURES = 5
#: Seconds before the first new start; doubled with each that fails.
_PAUSE = 0.1


class WorkerPool:
    """Run worker processes, replace those that die, and stop them all at SIGTERM or SIGINT.

    Args:
        count: how many.
        arguments: the command line of each.
    """

    def __init__(self, count: int, arguments: Sequence[str]) -> None:
        self._count = count
        self._arguments = arguments
        self._children: dict[int, Child] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Return the exit code once all have ended: 0 if each ended in good order after the signal."""
        with stopping_on_signals(self._stop, self._stop):
            codes = await asyncio.gather(*(self._keep_running(number) for number in range(self._count)))
        return max(codes)

    def _stop(self) -> None:
        self._stopping.set()
        for child in self._children.values():
            child.stop()

    async def _keep_running(self, number: int) -> int:
        failures = 0
        while True:
            started = time.monotonic()
            code, pid = await self._run_child(number)
            if self._stopping.is_set():
                return _verdict(code)
            failures = failures + 1 if time.monotonic() - started < _QUICK_DEATH else 1
            if code == EXIT_UNUSABLE or failures >= _MOST_FAILURES:
                note(f"worker process {pid} {ending(code)}: stopping, because it would do so again")
                self._stop()
                return max(_verdict(code), EXIT_FAILURE)
            note(f"worker process {pid} {ending(code)}: starting another")
            await first_of(self._stopping, timeout=_PAUSE * 2**failures)
            if self._stopping.is_set():
                return 0

    async def _run_child(self, number: int) -> tuple[int, int]:
        child = self._children[number] = await Child.start(self._arguments)
        if self._stopping.is_set():
            child.stop()
        code = await child.wait()
        del self._children[number]
        return code, child.pid


def _verdict(code: int) -> int:
    # A process that was still importing the application knows no other way to stop.
    if code in (0, -signal.SIGTERM):
        return 0
    return code if code == EXIT_UNUSABLE else EXIT_FAILURE

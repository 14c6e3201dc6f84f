"""Start worker processes of one's own, which stop when this process dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Self


class Child:
    """Hold a process that runs ``oxmq`` with some arguments."""

    def __init__(self, process: asyncio.subprocess.Process, lifeline: int) -> None:
        self._process = process
        self._lifeline = lifeline

    @classmethod
    async def start(cls, arguments: Sequence[str]) -> Self:
        """Start a process. It is in a group of its own, so that Ctrl-C reaches this process alone."""
        theirs, ours = os.pipe()
        words = (sys.executable, "-m", "oxmq", *arguments, "--lifeline", str(theirs))
        try:
            process = await asyncio.create_subprocess_exec(*words, pass_fds=(theirs,), process_group=0)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return cls(process, ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ask the process to stop; the second time, to hand its jobs back at once."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        """Wait for the process to end and return its exit code; negative is the signal that killed it."""
        code = await self._process.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        return code


def ending(code: int) -> str:
    """Say in words how a process ended."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


async def first_of(*events: asyncio.Event, timeout: float | None = None) -> None:
    """Wait until one of the events is set, at most so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

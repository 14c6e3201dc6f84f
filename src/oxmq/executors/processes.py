"""Run tasks in warm child processes, which can be killed.

A child imports the task's module once and then runs one job after the other. Cancelling a call kills its child; a child
that dies takes its job along, not the worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

import msgspec
from msgspec import Struct

from oxmq.executors.child_task import (
    ProcessError,
    Reference,
    Reply,
    cause_of_death,
    child_environment,
    raise_failure,
    run_here,
)
from oxmq.executors.threads import ThreadExecutor
from oxmq.records import JobRecord

#: How long a child that was let go may take to end, in seconds.
_FAREWELL: Final = 5.0


class _Request(Struct):
    task: Reference
    record: JobRecord
    token: str
    carrier: dict[str, str] = {}


class ProcessExecutor:
    """Run tasks in children: as many as run at once, kept for the next jobs."""

    def __init__(self, threads: ThreadExecutor) -> None:
        self._threads = threads
        self._idle: list[_Child] = []

    async def run(
        self, task: Reference, record: JobRecord, token: str, carrier: Mapping[str, str] | None = None
    ) -> msgspec.Raw:
        """Run a job in a child and return its result as JSON. When this is cancelled the child is killed.

        Args:
            task: where the child finds the task.
            record: the job.
            token: the token under which it is locked.
            carrier: the propagation headers of the worker's trace, if there is one.

        Raises:
            ProcessError: the child died, or the task raised an error; its stack trace is the cause.
            Unrecoverable, Delay, RateLimited, WaitForChildren: the task raised them.
        """
        child = self._idle.pop() if self._idle else _Child()
        request = msgspec.msgpack.encode(_Request(task, record, token, dict(carrier or {})))
        try:
            reply = await self._threads.run(partial(child.ask, request))
        except BaseException:
            child.kill()
            raise
        self._idle.append(child)
        if reply.result is None:
            raise_failure(reply)
        return msgspec.Raw(reply.result)

    def close(self) -> None:
        """End the idle children, which may first send what telemetry they hold."""
        for child in self._idle:
            child.let_go()
        while self._idle:
            self._idle.pop().end()


class _Child:
    """Hold one child process, the pipe to it, and the line by which it notices that the worker has died."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1

    def ask(self, request: bytes) -> Reply:
        """Send a request and wait for the answer; blocks."""
        pipe = self._pipe or self._start()
        try:
            pipe.send_bytes(request)
            return msgspec.msgpack.decode(pipe.recv_bytes(), type=Reply)
        except (EOFError, OSError) as error:
            raise ProcessError(self._cause_of_death()) from error

    def let_go(self) -> None:
        """Tell the child that no more jobs come: it ends by itself."""
        if self._pipe is not None:
            self._pipe.close()

    def end(self) -> None:
        """Wait a moment for the child that was let go, and end it."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL)
        self.kill()

    def kill(self) -> None:
        """End the child at once, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            os.close(self._lifeline)

    def _start(self) -> Connection:
        near, far = multiprocessing.Pipe()
        far_lifeline, self._lifeline = os.pipe()
        fds = (far.fileno(), far_lifeline)
        # Not multiprocessing's own spawn: it would run the program's main module once more in every child.
        code = f"from oxmq.executors.processes import serve; serve({fds[0]}, {fds[1]})"
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and numbers of our own
            [sys.executable, "-c", code],
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            env=child_environment(),
        )
        far.close()  # so that the pipe ends when the child does
        os.close(far_lifeline)
        self._pipe = near
        return near

    def _cause_of_death(self) -> str:
        return cause_of_death(None if self._process is None else self._process.wait())


def serve(pipe_fd: int, lifeline_fd: int) -> None:
    """Answer requests until the worker goes away: the child's whole life."""
    # Ctrl-C in a terminal reaches the whole group; what becomes of the job is the worker's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_worker, args=(lifeline_fd,), daemon=True).start()
    pipe = Connection(pipe_fd)
    while True:
        try:
            request = msgspec.msgpack.decode(pipe.recv_bytes(), type=_Request)
        except EOFError:
            return
        reply = run_here(request.task, request.record, request.token, carrier=request.carrier)
        pipe.send_bytes(msgspec.msgpack.encode(reply))


def _end_with_worker(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)
    # The worker was killed: its job will run elsewhere, so it must not go on here.
    os._exit(1)

"""Run tasks in warm child processes, which can be killed.

A child imports the task's module once and then runs one job after the other. Cancelling a call kills its child; a child
that dies takes its job along, not the worker.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial, reduce
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from oxmq.codec import encode_json
from oxmq.errors import Delay, OxmqError, RateLimited, Unrecoverable, WaitForChildren
from oxmq.executors.threads import ThreadExecutor
from oxmq.ops.outcomes import failure_reason, stack_of, writable
from oxmq.records import JobRecord


class Reference(Struct, frozen=True):
    """Hold where a task is: its module and its name there."""

    @staticmethod
    def to(function: Callable[..., Any]) -> Reference:
        """Return where `function` is; one of the main module is where that module can be imported from."""
        module = function.__module__
        if module == "__main__":
            spec, file = sys.modules["__main__"].__spec__, getattr(sys.modules["__main__"], "__file__", None)
            module = spec.name if spec else Path(file or "").stem
        return Reference(module, function.__qualname__)

    module: str
    qualname: str

    def resolve(self) -> ChildTask:
        """Import the task."""
        found: Any = reduce(getattr, self.qualname.split("."), importlib.import_module(self.module))
        if not isinstance(found, ChildTask):
            raise TypeError(f"{self.module}:{self.qualname} is not a task")
        return found


class ChildTask(ABC):
    """Be something that a child process can run."""

    @abstractmethod
    def run_in_child(self, record: JobRecord, token: str) -> object:
        """Run the job and return its result."""


class ProcessError(OxmqError):
    """Say that a job's child process died, or that the task raised an error there."""


class _RemoteTrace(Exception):
    """Carry the stack trace of another process, as text."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


class _Request(Struct):
    task: Reference
    record: JobRecord
    token: str


class _Reply(Struct):
    """Hold what a child answers: the result as JSON, or how the task failed."""

    result: bytes | None = None
    message: str = ""
    trace: str = ""
    signal: str = ""
    seconds: float = 0.0


class ProcessExecutor:
    """Run tasks in children: as many as run at once, kept for the next jobs."""

    def __init__(self, threads: ThreadExecutor) -> None:
        self._threads = threads
        self._idle: list[_Child] = []

    async def run(self, task: Reference, record: JobRecord, token: str) -> msgspec.Raw:
        """Run a job in a child and return its result as JSON. When this is cancelled the child is killed.

        Raises:
            ProcessError: the child died, or the task raised an error; its stack trace is the cause.
            Unrecoverable, Delay, RateLimited, WaitForChildren: the task raised them.
        """
        child = self._idle.pop() if self._idle else _Child()
        request = msgspec.msgpack.encode(_Request(task, record, token))
        try:
            reply = await self._threads.run(partial(child.ask, request))
        except BaseException:
            child.kill()
            raise
        self._idle.append(child)
        if reply.result is None:
            _raise(reply)
        return msgspec.Raw(reply.result)

    def close(self) -> None:
        """End the idle children."""
        while self._idle:
            self._idle.pop().kill()


class _Child:
    """Hold one child process, the pipe to it, and the line by which it notices that the worker has died."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1

    def ask(self, request: bytes) -> _Reply:
        """Send a request and wait for the answer; blocks."""
        pipe = self._pipe or self._start()
        try:
            pipe.send_bytes(request)
            return msgspec.msgpack.decode(pipe.recv_bytes(), type=_Reply)
        except (EOFError, OSError) as error:
            raise ProcessError(self._cause_of_death()) from error

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
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        )
        far.close()  # so that the pipe ends when the child does
        os.close(far_lifeline)
        self._pipe = near
        return near

    def _cause_of_death(self) -> str:
        code = None if self._process is None else self._process.wait()
        if code is not None and code < 0:
            return f"the job's process was killed by {signal.Signals(-code).name}"
        return f"the job's process ended with exit code {code}"


def _raise(reply: _Reply) -> NoReturn:
    error: OxmqError
    if reply.signal == "Delay":
        error = Delay(reply.seconds)
    elif reply.signal == "RateLimited":
        error = RateLimited(reply.seconds)
    elif reply.signal == "WaitForChildren":
        error = WaitForChildren()
    else:
        error = Unrecoverable(reply.message) if reply.signal == "Unrecoverable" else ProcessError(reply.message)
    raise error from _RemoteTrace(reply.trace)


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
        pipe.send_bytes(msgspec.msgpack.encode(_answer(request)))


def _answer(request: _Request) -> _Reply:
    try:
        result = request.task.resolve().run_in_child(request.record, request.token)
        return _Reply(encode_json(result, f"result of job {request.record.id}"))
    except BaseException as error:  # noqa: BLE001 - whatever the task raises is the job's failure
        reply = _Reply(message=failure_reason(error), trace=writable(stack_of(error)))
        for kind in (Unrecoverable, Delay, RateLimited, WaitForChildren):
            if isinstance(error, kind):
                reply.signal, reply.seconds = kind.__name__, getattr(error, "seconds", 0.0)
        return reply


def _end_with_worker(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)
    # The worker was killed: its job will run elsewhere, so it must not go on here.
    os._exit(1)

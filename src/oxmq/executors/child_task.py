"""Hold what a task does in another process: where it is found there, and what comes back of it."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final, NoReturn

from msgspec import Struct

from oxmq.codec import encode_json
from oxmq.errors import Delay, OxmqError, RateLimited, Unrecoverable, WaitForChildren
from oxmq.logs import configure_child
from oxmq.ops.outcomes import failure_reason, stack_of, writable
from oxmq.records import JobRecord
from oxmq.sync.context import QueueContext

#: The propagation headers that a process is given in its environment. Baggage is not: others can read that.
_CARRIED: Final = ("traceparent", "tracestate")


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

    @property
    @abstractmethod
    def surroundings(self) -> QueueContext:
        """Return the surroundings of the task's queue, on the application's connection."""

    @abstractmethod
    def resume(self, carrier: Mapping[str, str]) -> None:
        """Go on in the trace that the worker's propagation headers tell of, where jobs are followed."""

    @abstractmethod
    def run_in_child(self, record: JobRecord, token: str) -> object:
        """Run the job and return its result."""


class ProcessError(OxmqError):
    """Say that a job's child process died, or that the task raised an error there."""


class _RemoteTrace(Exception):
    """Carry the stack trace of another process, as text."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


class Reply(Struct):
    """Hold what became of a task elsewhere.

    Attributes:
        result: what it returned, as JSON; None when it failed.
        message: the reason of the failure.
        trace: the stack trace, as text.
        signal: the name of the `JobSignal` that it raised, if it raised one.
        seconds: what that signal says.
        out_of_memory: whether it failed because it got no more memory.
    """

    result: bytes | None = None
    message: str = ""
    trace: str = ""
    signal: str = ""
    seconds: float = 0.0
    out_of_memory: bool = False


def run_here(
    task: Reference,
    record: JobRecord,
    token: str,
    *,
    on_failure: Callable[[], None] | None = None,
    carrier: Mapping[str, str] | None = None,
) -> Reply:
    """Run a job in this process and return what became of it, whatever that is.

    Args:
        task: where the task is found.
        record: the job.
        token: the token under which it is locked.
        on_failure: called before a failure is put into words, which takes memory.
        carrier: the propagation headers of the worker's trace; those of the environment when not given.
    """
    try:
        found = task.resolve()
        configure_child()  # after the import, so that an application that sets logging up itself has its way
        found.resume(_carrier_here() if carrier is None else carrier)
        result = found.run_in_child(record, token)
        return Reply(encode_json(result, f"result of job {record.id}"))
    except BaseException as error:  # noqa: BLE001 - whatever the task raises is the job's failure
        if on_failure is not None:
            on_failure()
        reply = Reply(message=failure_reason(error), trace=writable(stack_of(error)))
        reply.out_of_memory = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
        for kind in (Unrecoverable, Delay, RateLimited, WaitForChildren):
            if isinstance(error, kind):
                reply.signal, reply.seconds = kind.__name__, getattr(error, "seconds", 0.0)
        return reply


def raise_failure(reply: Reply) -> NoReturn:
    """Raise what the task raised elsewhere; its stack trace is the cause.

    Raises:
        ProcessError: the task raised an error.
        Unrecoverable, Delay, RateLimited, WaitForChildren: it raised this.
    """
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


def carried_environment(carrier: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a process learns of a trace, whatever program it runs."""
    return {name.upper(): value for name, value in carrier.items() if name in _CARRIED}


def child_environment() -> dict[str, str]:
    """Return the variables with which another interpreter finds the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}


def cause_of_death(code: int | None) -> str:
    """Say how a job's process ended that left no reply; `code` is below 0 for a signal."""
    if code is None or code >= 0:
        return f"the job's process ended with exit code {code}"
    try:
        return f"the job's process was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"the job's process was killed by signal {-code}"


def _carrier_here() -> dict[str, str]:
    return {name: os.environ[name.upper()] for name in _CARRIED if name.upper() in os.environ}

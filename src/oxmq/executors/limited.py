"""Run each job in a process of its own, within limits: what a pod does, on one machine.

A process is started for one job and ends with it: nothing is kept warm, as limits stay with a process. When the job is
over, whatever it started and left behind in its process group is killed.

Memory is limited for each process alone (RLIMIT_DATA, on Linux only), not for all that a job starts together. A handler
that calls a program which leaves the process group, as a daemon does, must end it by itself.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import random
import signal
import sys
import tempfile
from asyncio import CancelledError, Task
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, structs

from oxmq.errors import JobTimeoutError, OxmqError, Unrecoverable
from oxmq.executors.child_task import (
    ProcessError,
    Reference,
    Reply,
    cause_of_death,
    child_environment,
    raise_failure,
)
from oxmq.executors.limited_child import Request
from oxmq.executors.threads import ThreadExecutor
from oxmq.executors.watched import Orders, Report, WatchedProcess
from oxmq.records import JobRecord

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How much a program may leave as its result, in bytes: what fits into the termination message of a pod.
MAX_RESULT: Final = 4096
#: How long a cancelled run waits for its process to end before it leaves that to its warden, in seconds.
_PATIENCE: Final = 4.0
#: How much of a program's output the reason of its failure holds: the last lines, in all so many characters.
_REASON_LINES: Final = 20
_REASON_CHARACTERS: Final = 4096
#: What a program may be refused for that will not go away: it is missing, or is no program of this machine's.
_MISSING: Final = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP)
#: How programs end that do not know what to do when they get no more memory, or that the kernel has chosen to kill.
_SIGNALS_OF_NEED: Final = (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP)


class Limits(Struct, frozen=True, kw_only=True):
    """Hold what a job's process may use; None for as much as there is.

    Attributes:
        memory: bytes, for each process.
        cpu: CPUs; whole ones are given.
        timeout: seconds that it may run, its start included.
        grace: seconds that it may take to end after SIGTERM.
        memory_text, timeout_text: how messages spell these limits, such as ``8Gi`` and ``2h``.
    """

    memory: int | None = None
    cpu: float | None = None
    timeout: float | None = None
    grace: float = 30.0
    memory_text: str = ""
    timeout_text: str = ""

    @property
    def memory_in_words(self) -> str:
        """Return the limit of memory, for people."""
        return self.memory_text or f"{self.memory} bytes"

    @property
    def timeout_in_words(self) -> str:
        """Return the limit of time, for people."""
        return self.timeout_text or f"{self.timeout:g} s"


class LimitedExecutor:
    """Run jobs in limited processes, one each."""

    def __init__(self, threads: ThreadExecutor) -> None:
        self._threads = threads
        self._cores = _Cores()
        self._running: set[WatchedProcess] = set()
        # Those too that nobody waits for any longer.
        self._ends: set[Task[object]] = set()

    async def run(
        self,
        task: Reference,
        record: JobRecord,
        token: str,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
    ) -> msgspec.Raw:
        """Run a job of a task in a process of its own and return its result as JSON.

        When this is cancelled the process is stopped: SIGTERM, which a plain handler sees as `SystemExit` and a
        coroutine as `asyncio.CancelledError`, and SIGKILL when the grace is over. This returns after 4 seconds at the
        latest; the process may then still have a part of its grace before it.

        Args:
            task: where the process finds the task.
            record: the job.
            token: under which it is locked.
            limits: what it may use.
            environment: variables laid over this process's own.

        Raises:
            JobTimeoutError: it was stopped at its time limit.
            ProcessError: it needed too much memory, died, or the task raised an error; its stack trace is the cause.
            Unrecoverable, Delay, RateLimited, WaitForChildren: the task raised them.
        """
        _warn_of_what_is_not_enforced(limits)
        request = msgspec.msgpack.encode(Request(task, record, token, limits.memory))
        variables = child_environment() | dict(environment or {})
        report, written = await self._finish(limits, partial(_run_task, request, variables, limits))
        _check_time(report, limits)
        if not written:
            raise ProcessError(_death(report, limits))
        reply = msgspec.msgpack.decode(written, type=Reply)
        if reply.result is None:
            raise_failure(_in_words(reply, limits))
        return msgspec.Raw(reply.result)

    async def run_command(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        limits: Limits,
        log: Callable[[str], Awaitable[object]] | None = None,
    ) -> msgspec.Raw | None:
        """Run a program that knows nothing of oxmq and return its result as JSON; None when it left none.

        It is stopped as in `run`, when this is cancelled.

        Args:
            command: the program and its arguments.
            environment: variables laid over this process's own, such as those that tell about the job.
                ``OXMQ_RESULT_FILE`` is set here: the path of an empty file for the result, JSON of at most 4096 bytes.
            limits: what it may use.
            log: awaited with each of the last lines that the program wrote, at most 200 and 64 KiB, when it has ended.

        Raises:
            JobTimeoutError: it was stopped at its time limit.
            ProcessError: it ended with another exit code than 0, or was killed; the message ends with its last lines.
            Unrecoverable: there is no such program here, its environment is too large, or its result is not acceptable.
        """
        _warn_of_what_is_not_enforced(limits)
        variables = {**os.environ, **environment}
        try:
            report, result = await self._finish(limits, partial(_run_program, command, variables, limits))
        except (OSError, ValueError) as error:
            raise _refusal(command[0], error) from error
        if report.error:
            raise _no_start(command[0], report)
        await _write_log(report.output, log)
        _check_time(report, limits)
        if report.code != 0:
            raise ProcessError(_with_output(_death(report, limits), report.output))
        return _read_result(result)

    def close(self) -> None:
        """Kill the processes that still run, those of cancelled runs in their grace."""
        for process in self._running:
            process.give_up()

    async def _finish(self, limits: Limits, work: Callable[[WatchedProcess, Sequence[int]], T]) -> T:
        process, cores = WatchedProcess(), self._cores.take(limits.cpu)
        self._running.add(process)
        ended = asyncio.get_running_loop().create_task(self._threads.run(partial(work, process, cores)))
        self._ends.add(ended)
        ended.add_done_callback(partial(self._over, process, cores))
        try:
            return await asyncio.shield(ended)
        except CancelledError:
            process.stop()
            await asyncio.wait({ended}, timeout=_PATIENCE)
            raise

    def _over(self, process: WatchedProcess, cores: Sequence[int], ended: Task[object]) -> None:
        self._ends.discard(ended)
        self._running.discard(process)
        self._cores.give_back(cores)
        process.give_up()
        if not ended.cancelled():
            ended.exception()  # nobody may be waiting for it any longer


class _Cores:
    """Share the machine's cores out: jobs get those that the fewest others have."""

    def __init__(self) -> None:
        self._jobs: Counter[int] = Counter()

    def take(self, cpu: float | None) -> list[int]:
        """Return the cores for a job; none when it may use them all, or when the system cannot limit that."""
        available = os.sched_getaffinity(0) if sys.platform == "linux" else set[int]()
        if cpu is None or math.ceil(cpu) >= len(available):
            return []
        # By chance among equals: the jobs of other workers shall not all get the first.
        chosen = sorted(available, key=lambda core: (self._jobs[core], random.random()))[: math.ceil(cpu)]
        self._jobs.update(chosen)
        return chosen

    def give_back(self, cores: Sequence[int]) -> None:
        self._jobs.subtract(cores)


def _run_task(
    request: bytes, environment: Mapping[str, str], limits: Limits, process: WatchedProcess, cores: Sequence[int]
) -> tuple[Report, bytes]:
    # Files, not pipes: they take any amount while nobody reads, and leave nothing behind.
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as replied:
        asked.write(request)
        asked.seek(0)
        fds = (asked.fileno(), replied.fileno())
        code = f"from oxmq.executors.limited_child import serve; serve({fds[0]}, {fds[1]})"
        # The child limits its own memory, once it has started.
        orders = Orders(cores=cores, timeout=limits.timeout, grace=limits.grace, hand_on=fds)
        report = process.run([sys.executable, "-c", code], environment, orders)
        replied.seek(0)
        return report, replied.read()


def _run_program(
    command: Sequence[str],
    environment: Mapping[str, str],
    limits: Limits,
    process: WatchedProcess,
    cores: Sequence[int],
) -> tuple[Report, bytes]:
    with tempfile.TemporaryDirectory(prefix="oxmq-job-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "result")
        file.touch()
        orders = Orders(
            memory=limits.memory, cores=cores, timeout=limits.timeout, grace=limits.grace, capture=True, folder=folder
        )
        report = process.run(command, {**environment, "OXMQ_RESULT_FILE": str(file)}, orders)
        if not file.is_file():
            return report, b""
        with file.open("rb") as written:
            return report, written.read(MAX_RESULT + 1)


def _check_time(report: Report, limits: Limits) -> None:
    if report.stopped == "timeout":
        raise JobTimeoutError(f"the job ran longer than its timeout of {limits.timeout_in_words} and was stopped")


def _death(report: Report, limits: Limits) -> str:
    cause = report.error or cause_of_death(report.code)
    if limits.memory is not None and report.code is not None and -report.code in _SIGNALS_OF_NEED:
        return f"{cause}; perhaps it needed more memory than its limit of {limits.memory_in_words}"
    return cause


def _in_words(reply: Reply, limits: Limits) -> Reply:
    if not reply.out_of_memory or limits.memory is None:
        return reply
    message = f"the job needed more memory than its limit of {limits.memory_in_words}"
    return structs.replace(reply, message=message, signal="")


def _refusal(program: str, error: Exception) -> OxmqError:
    if isinstance(error, ValueError) or getattr(error, "errno", None) == errno.E2BIG:
        return Unrecoverable(f"the arguments and variables for the program {program!r} are not possible: {error}")
    return ProcessError(f"the program {program!r} could not be started: {error}")


def _no_start(program: str, report: Report) -> OxmqError:
    if report.errno in _MISSING:
        return Unrecoverable(
            f"the program {program!r} of the task's image is not on this machine, where the job runs without its image "
            f"({report.error}): install it here, or run the job in a cluster"
        )
    return ProcessError(f"the program {program!r} could not be started: {report.error}")


def _with_output(cause: str, lines: Sequence[str]) -> str:
    text = "\n".join(lines[-_REASON_LINES:])[-_REASON_CHARACTERS:].strip()
    return f"{cause}; it wrote at last:\n{text}" if text else cause


def _read_result(text: bytes) -> msgspec.Raw | None:
    if len(text) > MAX_RESULT:
        raise Unrecoverable(f"the program left more than {MAX_RESULT} bytes in $OXMQ_RESULT_FILE")
    text = text.strip()
    try:
        msgspec.json.decode(text or b"null")
    except msgspec.DecodeError as error:
        raise Unrecoverable(f"what the program left in $OXMQ_RESULT_FILE is not JSON: {error}") from error
    return msgspec.Raw(text) if text else None


async def _write_log(lines: Sequence[str], log: Callable[[str], Awaitable[object]] | None) -> None:
    if log is None:
        return
    try:
        for line in lines:
            await log(line)
    except OxmqError as error:
        # What the program has done counts more than what it said.
        logger.warning("the output of a job's program could not be logged: %s", error)


_told: set[str] = set()


def _warn_of_what_is_not_enforced(limits: Limits) -> None:
    for name in ("memory", "cpu"):
        if getattr(limits, name) is not None and sys.platform != "linux" and name not in _told:
            _told.add(name)
            logger.warning("jobs in processes are not held to their limit of %s on %s", name, sys.platform)

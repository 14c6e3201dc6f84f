"""Tasks for limited processes, and programs that run them: ``limited_tasks <how> <file>`` is a worker to be killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from oxmq import Oxmq, Unrecoverable
from oxmq.executors.child_task import Reference
from oxmq.executors.limited import LimitedExecutor, Limits
from oxmq.executors.threads import ThreadExecutor
from oxmq.records import JobRecord

#: Nothing here talks to a server.
app = Oxmq("redis://127.0.0.1:1")

MIB = 1024 * 1024

_HOLD = """
import fcntl, os, signal, subprocess, sys, time
file = open({path!r}, "a")
fcntl.flock(file, fcntl.LOCK_SH)
{more}
file.write("ready")
file.flush()
time.sleep(1000)
"""


def python(code: str) -> list[str]:
    """Return a program."""
    return [sys.executable, "-c", code]


def tree(path: Path) -> list[str]:
    """Return a program that holds `path` locked as long as it or its child lives."""
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'], pass_fds=[file.fileno()])"
    return python(_HOLD.format(path=str(path), more=child))


def loner(path: Path) -> list[str]:
    """Return a program that does so too, leaves its process group, and does not listen to SIGTERM."""
    return python(_HOLD.format(path=str(path), more="os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)"))


def is_ready(path: Path) -> bool:
    """Tell whether the program is there."""
    return path.exists() and "ready" in path.read_text()


def is_gone(path: Path) -> bool:
    """Tell whether no process is left that holds the file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _hold(path: str) -> None:
    """Lock the file, in a child too, as long as one of them lives."""
    file = Path(path).open("a")  # noqa: SIM115 - the lock is to last as long as the process
    fcntl.flock(file, fcntl.LOCK_SH)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], pass_fds=[file.fileno()])
    _kept.append(file)


def _say(path: str, word: str) -> None:
    with Path(path).open("a") as file:
        file.write(word)


def available_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


_kept: list[Any] = []


@app.task
def about() -> dict[str, Any]:
    return {"pid": os.getpid(), "cores": available_cores()}


@app.task
def wait_then_tell_cores(path: str, other: str) -> list[int]:
    """Wait until a second one runs, so that both are sure to run at once."""
    Path(path).touch()
    while not Path(other).exists():
        threading.Event().wait(0.01)
    return available_cores()


@app.task
def take(mebibytes: int) -> int:
    """Take so much memory at once."""
    return len(bytearray(mebibytes * MIB)) // MIB


@app.task
def take_in_crumbs(mebibytes: int) -> int:
    """Take so much memory until not even an error message fits, and keep it."""
    crumbs: list[bytes] = []
    _kept.append(crumbs)
    while len(crumbs) < mebibytes * 64:
        crumbs.append(bytes(16 * 1024))
    return len(crumbs)


@app.task
def take_and_steer() -> None:
    try:
        bytearray(1024 * MIB)
    except MemoryError:
        raise Unrecoverable("a smaller one, please") from None


@app.task
def wait(path: str) -> None:
    """Clean up when told to stop."""
    _hold(path)
    _say(path, "ready")
    try:
        threading.Event().wait()
    except SystemExit:
        _say(path, " cleaned up")
        raise


@app.task
async def wait_on_loop(path: str) -> None:
    """Clean up when cancelled."""
    _hold(path)
    _say(path, "ready")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        _say(path, " cleaned up")
        raise


@app.task
def refuse_to_stop(path: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _hold(path)
    _say(path, "ready")
    threading.Event().wait()


@app.task
def leave_something(path: str) -> str:
    """Return while a process that it has started goes on."""
    _hold(path)
    return "done"


@app.task
def die(number: int) -> None:
    os.kill(os.getpid(), number)


@app.task
def leave(code: int) -> None:
    os._exit(code)


@app.task
def kill_warden() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait()


@app.task
def fail() -> None:
    raise ValueError("no luck")


@app.task
def big(size: int) -> str:
    return "x" * size


def job_of(task: Any, **arguments: object) -> tuple[Reference, JobRecord, str]:
    """Return what an executor is given to run a task."""
    return task.reference, JobRecord("1", task.name, msgspec.json.encode(arguments)), "token"


async def main(how: str, path: str) -> None:
    """Run something that does not end, in a process that the test kills."""
    executor = LimitedExecutor(ThreadExecutor())
    if how == "task":
        await executor.run(*job_of(refuse_to_stop, path=path), Limits(grace=1000))
    else:
        await executor.run_command(tree(Path(path)), {}, Limits(grace=1000))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
